"""What the page says needs somebody: the worst first, with who was told and what comes next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.states import AgentRole
from failures.models import Incident
from failures.services import incidents
from monitoring.marks import STUCK
from monitoring.page import page
from monitoring.services.watch import watch
from recovery.services import claims
from tests.recovery.world import MINUTE, T0, block, fail, hire, queue, take


@pytest.fixture
def stuck(db) -> Incident:
    """SAM breathes and does nothing for an hour; MAX leads."""
    hire("MAX", role=AgentRole.LEAD)
    sam = hire("SAM")
    queue("Fix the login", agent=sam)
    take(sam, lease=timedelta(hours=3))
    for minutes in (16, 31, 61):
        claims.heartbeat(sam, now=T0 + minutes * MINUTE)
        watch(now=T0 + minutes * MINUTE)
    return Incident.objects.get()


def test_a_stuck_agent_needs_somebody_with_who_was_told_and_when_again(stuck, client):
    shown = page(now=T0 + 62 * MINUTE)

    [need] = shown.needs.rows
    assert (need.number, need.what) == (stuck.number, stuck.title)
    assert (need.since, need.next_at) == (T0, stuck.next_step_at)
    assert need.told is not None
    assert need.told.name == "#ceo"
    assert need.next == "the CEO channel is reminded"
    assert shown.headline == "1 incident needs you."
    html = client.get("/fragment").content.decode()
    assert f'href="/incidents/{stuck.pk}"' in html


@pytest.mark.parametrize("act", ["acknowledge", "snooze", "resolve"])
def test_what_somebody_took_on_needs_nobody_else(stuck, act):
    now = T0 + 62 * MINUTE
    if act == "acknowledge":
        incidents.acknowledge(stuck.pk, actor="MAX", now=now)
    elif act == "snooze":
        until = now + timedelta(hours=1)
        incidents.snooze(stuck.pk, until=until, reason="Known", actor="MAX", now=now)
    else:
        incidents.resolve(stuck.pk, resolution="Done", actor="MAX", now=now)

    assert page(now=now).needs.total == 0
    assert page(now=now).headline.startswith("Nothing needs you.")


def test_a_silent_agent_is_one_need_not_two(db):
    hire("MAX", role=AgentRole.LEAD)
    sam = hire("SAM")
    queue("Fix the login", agent=sam)
    take(sam, lease=timedelta(hours=3))
    claims.heartbeat(sam, now=T0)
    later = T0 + 5 * MINUTE
    [need] = page(now=later).needs.rows
    assert need.what.startswith("SAM has gone silent while it holds #")

    watch(now=later)

    assert [need.what for need in page(now=later).needs.rows] == ["SAM has gone silent"]

    incidents.acknowledge(Incident.objects.get().pk, actor="MAX", now=later)

    assert page(now=later).needs.total == 0


def blocked_work(sam) -> Incident:
    queue("Deploy", agent=sam)
    block(take(sam), reason="The password has expired.")
    return Incident.objects.get()


def test_blocked_work_and_its_incident_are_one_need(db):
    hire("MAX", role=AgentRole.LEAD)
    incident = blocked_work(hire("SAM"))

    [need] = page(now=T0 + MINUTE).needs.rows

    assert need.number == incident.number
    assert need.told is not None
    assert (need.told.name, need.next) == ("MAX", "the CEO channel hears of it")


@pytest.mark.parametrize("act", ["acknowledge", "resolve"])
def test_blocked_work_that_somebody_took_on_or_dealt_with_asks_nobody(db, act):
    hire("MAX", role=AgentRole.LEAD)
    incident = blocked_work(hire("SAM"))
    now = T0 + 2 * MINUTE
    if act == "acknowledge":
        incidents.acknowledge(incident.pk, actor="MAX", now=now)
    else:
        incidents.resolve(incident.pk, resolution="It was told.", actor="MAX", now=now)

    assert page(now=now).needs.total == 0


def test_blocked_work_that_no_incident_speaks_of_asks(db):
    hire("MAX", role=AgentRole.LEAD)
    incident = blocked_work(hire("SAM"))
    incident.events.all().delete()
    incident.delete()

    [need] = page(now=T0 + MINUTE).needs.rows

    assert need.what == f"SAM is blocked on #{need.key} Deploy"
    assert need.number == ""


def test_what_gave_up_over_a_week_ago_no_longer_asks(db):
    hire("MAX", role=AgentRole.LEAD)
    sam = hire("SAM")
    queue("Build", agent=sam)
    fail(take(sam), retryable=False)

    assert page(now=T0 + MINUTE).needs.incidents == 1
    assert page(now=T0 + timedelta(days=8)).needs.total == 0


def test_an_agent_that_is_stuck_says_since_when(stuck):
    [row] = [row for row in page(now=T0 + 62 * MINUTE).agents if row.agent.name == "SAM"]

    assert (row.mark, row.since) == (STUCK, T0)
    assert page(now=T0 + 62 * MINUTE).agents[0] == row
