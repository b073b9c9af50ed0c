"""What the page says needs somebody: the worst first, with who was told and what comes next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.states import AgentRole
from failures.models import Incident
from failures.services import incidents
from monitoring.page import page
from monitoring.services.watch import watch
from recovery.services import claims
from tests.recovery.world import MINUTE, T0, hire, queue, take


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

    [need] = shown.needs
    assert (need.who, need.title) == (stuck.number, stuck.title)
    assert (need.since, need.next_at) == (T0, stuck.next_step_at)
    assert need.told is not None
    assert need.told.name == "ceo"
    assert shown.headline == "1 thing needs you."
    html = client.get("/fragment").content.decode()
    assert f"/admin/failures/incident/{stuck.pk}/change/" in html


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

    assert page(now=now).needs == []


def test_a_silent_agent_is_one_need_not_two(db):
    hire("MAX", role=AgentRole.LEAD)
    sam = hire("SAM")
    queue("Fix the login", agent=sam)
    take(sam, lease=timedelta(hours=3))
    claims.heartbeat(sam, now=T0)
    later = T0 + 5 * MINUTE
    assert [need.text for need in page(now=later).needs] == ["has gone silent while it holds"]

    watch(now=later)

    assert [need.title for need in page(now=later).needs] == ["SAM has gone silent"]
