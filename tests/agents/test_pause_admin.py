"""Pausing in the admin: verbs on agents, the kill switch with a page to confirm, the history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from agents.clock import db_now
from agents.models import Agent, AuditEntry, Pause
from agents.services import pauses
from agents.services.agents import register_agent, retire_agent
from tests.wire import T0

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
AGENTS = reverse("admin:agents_agent_changelist")
LIST = reverse("admin:agents_pause_changelist")
ALL, NONE = reverse("admin:agents_pause_all"), reverse("admin:agents_pause_none")
DEFAULT = "by MAXINE in the admin"


@pytest.fixture(autouse=True)
def team():
    return [register_agent(name, now=T0) for name in ("SAM", "LEO", "ALEX")]


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("MAXINE"))
    return client


@pytest.fixture
def onlooker(client):
    """Staff that may look at agents and pauses and do nothing."""
    user = User.objects.create_user("ann", is_staff=True)
    looks = Permission.objects.filter(codename__in=["view_agent", "view_pause"])
    user.user_permissions.set(looks)
    client.force_login(user)
    return client


def act(client, verb, *names, **fields):
    picked = Agent.objects.filter(name__in=names).values_list("pk", flat=True)
    data = {"action": verb, "_selected_action": list(picked), **fields}
    return client.post(AGENTS, data, follow=True)


def said(response):
    return [str(message) for message in response.context["messages"]]


def running():
    rows = pauses.running_pauses(now=db_now()).order_by("agent__name")
    return [(str(row.agent or "all"), row.reason, row.started_by) for row in rows]


@pytest.mark.parametrize(("verb", "hours"), [("pause_for_an_hour", 1), ("pause_for_a_day", 24)])
def test_chosen_agents_are_paused_after_a_page_that_asks_why(staff, verb, hours):
    page = act(staff, verb, "SAM", "LEO").content.decode()
    assert DEFAULT in page
    assert Pause.objects.count() == 0

    response = act(staff, verb, "SAM", "LEO", reason="Disk swap")

    assert said(response) == ["Paused: LEO, SAM."]
    assert running() == [("LEO", "Disk swap", "MAXINE"), ("SAM", "Disk swap", "MAXINE")]
    row = Pause.objects.first()
    assert row is not None
    assert row.until - row.started_at == hours * HOUR
    assert AuditEntry.objects.filter(verb="pause", actor="MAXINE").count() == 2


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_without_a_reason_nobody_is_paused(staff, reason):
    page = act(staff, "pause_for_an_hour", "SAM", reason=reason)

    assert b"errorlist" in page.content
    assert Pause.objects.count() == 0


def test_who_cannot_be_paused_or_resumed_says_so_and_the_others_are(staff, team):
    retire_agent(team[1], now=T0)
    paused = act(staff, "pause_for_an_hour", "SAM", "LEO", reason="x")
    assert said(paused) == ["LEO is retired.", "Paused: SAM."]

    resumed = act(staff, "resume", "SAM", "ALEX")
    assert said(resumed) == ["ALEX is not paused.", "Resumed: SAM."]
    assert running() == []


def test_the_kill_switch_asks_for_confirmation_and_goes_both_ways(staff):
    assert b"Pause everybody" in staff.get(LIST).content
    assert b"Resume everybody" not in staff.get(LIST).content
    assert DEFAULT in staff.get(ALL).content.decode()
    assert staff.post(ALL, {"hours": "5", "reason": "Freeze"}).status_code == 200
    assert running() == []

    done = staff.post(ALL, {"hours": "4", "reason": "Freeze <b>"}, follow=True)
    assert said(done)[0].startswith("Everybody is paused until ")
    assert running() == [("all", "Freeze <b>", "MAXINE")]
    html = staff.get(LIST).content.decode()
    assert "Everybody is paused</strong> by MAXINE until" in html
    assert "Freeze &lt;b&gt;" in html

    staff.get(NONE)
    assert len(running()) == 1
    off = staff.post(NONE, {"reason": "Thawed"}, follow=True)
    assert said(off) == ["Everybody may go on, but for agents with their own pause."]
    assert running() == []
    acts = AuditEntry.objects.filter(subject_kind="fleet", subject_id=0).order_by("id")
    assert list(acts.values_list("verb", "actor", "reason")) == [
        ("pause", "MAXINE", "Freeze <b>"),
        ("resume", "MAXINE", "Thawed"),
    ]
    again = staff.post(NONE, {"reason": "x"}, follow=True)
    assert "Not everybody is paused" in said(again)[0]


def test_no_other_site_can_flip_the_switch(staff):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="MAXINE"))

    for page in (ALL, NONE):
        assert strict.post(page, {"hours": "1", "reason": "x"}).status_code == 403
        assert b"csrfmiddlewaretoken" in strict.get(page).content
    assert Pause.objects.count() == 0


def test_who_only_looks_pauses_and_resumes_nobody(onlooker, team):
    now = db_now()
    pauses.pause(team[1], until=now + HOUR, reason="Disk swap", actor="MAX", now=now)
    assert b"Pause everybody" not in onlooker.get(LIST).content
    for page in (ALL, NONE):
        assert onlooker.get(page).status_code == 403
        assert onlooker.post(page, {"hours": "1", "reason": "x"}).status_code == 403
    for verb in ("pause_for_an_hour", "resume"):
        act(onlooker, verb, "SAM", "LEO", reason="x")
    assert running() == [("LEO", "Disk swap", "MAX")]
    assert AuditEntry.objects.count() == 1


def test_who_is_not_logged_in_is_sent_to_the_login(client):
    for page in (ALL, NONE):
        assert client.post(page, {"hours": "1", "reason": "x"}).status_code == 302
    assert Pause.objects.count() == 0


def test_the_history_tells_running_from_over_and_cannot_be_changed(staff, team):
    sam, leo, _ = team
    before = db_now() - 2 * HOUR
    over = pauses.pause(leo, until=before + HOUR, reason="Long ago", actor="MAX", now=before)
    pauses.pause(sam, until=db_now() + HOUR, reason="Right now", actor="MAX", now=db_now())

    def shown(state):
        html = staff.get(LIST, {"state": state}).content.decode()
        return ["Long ago" in html, "Right now" in html]

    assert [shown("running"), shown("over")] == [[False, True], [True, False]]
    change = reverse("admin:agents_pause_change", args=[over.pk])
    assert staff.get(change).status_code == 200
    assert staff.post(change, {"reason": "x"}).status_code == 403
    delete = reverse("admin:agents_pause_delete", args=[over.pk])
    assert staff.post(delete, {"post": "yes"}).status_code == 403
