"""The admin shows every row, changes none of the history, and acts by verbs."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.clock import db_now
from agents.models import Agent, AgentKey, AgentSession, AuditEntry, Channel, Dispatch
from agents.services.agents import create_key
from tests.monitoring.world import ASSERTION, World, busy_day

pytestmark = pytest.mark.django_db

OURS = ("agents", "failures", "recovery", "monitoring")
MODELS = [model for model in apps.get_models() if model._meta.app_label in OURS]
EDITABLE = {"agent", "channel", "agentkey", "rollbackpause", "sink"}
HISTORY = [model for model in MODELS if model._meta.model_name not in EDITABLE]


@pytest.fixture
def world():
    now = db_now()
    world = busy_day(now)
    create_key(world.agent("SAM"))
    AgentSession.objects.create(
        id=uuid4(), agent=world.agent("SAM"), started_at=now, last_seen_at=now
    )
    AuditEntry.objects.create(
        at=now, actor="MAX", verb="retry", subject_kind="dispatch", subject_id=1
    )
    return world


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("MAXINE"))
    return client


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def act(client, verb, *rows, **fields):
    """Use a verb on rows, as the list's form does; returns what was said."""
    data = {"action": verb, "_selected_action": [row.pk for row in rows], **fields}
    response = client.post(address(type(rows[0]), "changelist"), data, follow=True)
    assert response.status_code == 200
    return [str(message) for message in response.context.get("messages", [])]


def titled(title):
    return Dispatch.objects.get(title=title)


def test_every_model_has_its_place():
    assert [m.__name__ for m in MODELS if not admin.site.is_registered(m)] == []


def test_every_list_and_row_of_every_model_opens(staff, world):
    for model in MODELS:
        assert staff.get(address(model, "changelist")).status_code == 200
        for pk in model.objects.values_list("pk", flat=True)[:4]:
            response = staff.get(address(model, "change", pk))
            assert response.status_code == 200
            scripts = r"<script(?![^>]*\bsrc=)(?![^>]*json)"
            assert not re.search(scripts, response.content.decode())


def test_history_is_never_made_changed_or_deleted_by_hand(staff, world):
    for model in HISTORY:
        row = model.objects.first()
        pk = row.pk if row else 1
        assert staff.get(address(model, "add")).status_code == 403
        assert b"delete_selected" not in staff.get(address(model, "changelist")).content
        if row:
            assert staff.post(address(model, "delete", pk), {"post": "yes"}).status_code == 403
            assert staff.post(address(model, "change", pk), {}).status_code == 403


@pytest.mark.parametrize("term", ["SAM", "12", "%'\"", "x" * 300, "9" * 30, "\x00"])
def test_any_search_is_answered(staff, term):
    for model in MODELS:
        assert staff.get(address(model, "changelist"), {"q": term}).status_code == 200


def test_no_list_asks_once_a_row(staff, world):
    for model in MODELS:
        with CaptureQueriesContext(connection) as asked:
            staff.get(address(model, "changelist"))
        assert len(asked) <= 16, model


def test_the_queries_of_the_dispatch_list_do_not_grow(staff, world):
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            staff.get(address(Dispatch, "changelist"))
        return len(asked)

    few = count()
    for n in range(15):
        world.complete("SAM", world.queue(f"more {n}", ago=5), ago=4)
    assert count() == few


def test_the_index_and_the_health_page_show_the_fragment(staff, world):
    for path in ("/admin/", "/admin/health/"):
        html = staff.get(path).content.decode()
        assert "things need you" in html
        assert 'data-fragment-url="/fragment?period=24h"' in html


def test_the_health_page_is_for_whoever_is_logged_in_and_the_rest_for_staff(client):
    assert client.get("/admin/health/").status_code == 302
    client.force_login(User.objects.create_user("ceo"))
    assert client.get("/admin/health/").status_code == 200
    assert client.get("/admin/").status_code == 302


def test_the_librarys_own_keys_are_not_in_the_admin_and_the_schedule_is(staff):
    registered = {model.__name__ for model in admin.site._registry}
    assert "APIKey" not in registered
    assert "PeriodicTask" in registered
    response = staff.get("/admin/django_celery_beat/periodictask/add/")
    assert response.status_code == 200
    assert b"readableCrontabs" not in response.content


def test_an_agent_is_made_by_hand_with_its_name_in_upper_case(staff):
    form = {
        "name": "zoe",
        "role": "worker",
        "skills": "python,sql",
        "heartbeat_seconds": 30,
        "heartbeat_grace_seconds": 60,
    }
    assert staff.post(address(Agent, "add"), form).status_code == 302
    zoe = Agent.objects.get(name="ZOE")
    assert zoe.skills == ["python", "sql"]
    assert staff.post(address(Agent, "add"), form).status_code == 200, "The name is taken."
    assert staff.post(address(Agent, "add"), {**form, "name": "no good"}).status_code == 200
    staff.post(address(Agent, "change", zoe.pk), {**form, "name": "EVE", "role": "reviewer"})
    zoe.refresh_from_db()
    assert (zoe.name, zoe.role) == ("ZOE", "reviewer")


@pytest.mark.parametrize("seconds", ["0", "-1", "99999999999"])
def test_a_heartbeat_that_the_database_refuses_is_an_error_of_the_form(staff, world, seconds):
    form = {"role": "lead", "heartbeat_seconds": seconds, "heartbeat_grace_seconds": "5"}
    response = staff.post(address(Agent, "change", world.agent("MAX").pk), form)
    assert response.status_code == 200
    assert response.context["errors"]


def test_an_agent_is_retired_never_deleted(staff, world):
    sam = world.agent("SAM")
    assert staff.post(address(Agent, "delete", sam.pk), {"post": "yes"}).status_code == 403
    assert "Retired: SAM." in act(staff, "retire", sam)
    sam.refresh_from_db()
    assert sam.retired_at is not None
    assert not AgentKey.objects.filter(agent=sam, revoked=False).exists()


def test_a_key_is_shown_once_and_then_never(staff, world):
    leo = world.agent("LEO")
    response = staff.post(address(AgentKey, "add"), {"agent": leo.pk, "name": ""}, follow=True)
    [shown] = [str(m) for m in response.context["messages"] if "shown this once" in str(m)]
    key = shown.rsplit(" ", 1)[1]
    assert AgentKey.objects.get(agent=leo).is_valid(key)
    row = AgentKey.objects.get(agent=leo)
    page = staff.get(address(AgentKey, "change", row.pk)).content.decode()
    assert key not in page
    assert row.hashed_key not in page


def test_an_agent_with_two_live_keys_gets_no_third(staff, world):
    leo = world.agent("LEO")
    for _ in range(2):
        staff.post(address(AgentKey, "add"), {"agent": leo.pk, "name": ""})
    response = staff.post(address(AgentKey, "add"), {"agent": leo.pk, "name": ""}, follow=True)
    assert "LEO has 2 live keys; revoke one first." in response.content.decode()
    assert AgentKey.objects.filter(agent=leo).count() == 2


def test_a_key_is_revoked_by_action(staff, world):
    key = AgentKey.objects.get(agent__name="SAM")
    act(staff, "revoke", key)
    key.refresh_from_db()
    assert key.revoked


def test_a_channel_keeps_its_name(staff, world):
    assert (
        staff.post(address(Channel, "add"), {"name": "ops", "description": "x"}).status_code == 302
    )
    row = Channel.objects.get(name="ops")
    staff.post(address(Channel, "change", row.pk), {"name": "other", "description": "y"})
    row.refresh_from_db()
    assert (row.name, row.description) == ("ops", "y")
    assert staff.post(address(Channel, "add"), {"name": "No!"}).status_code == 200


def test_an_exhausted_dispatch_is_retried_by_whoever_is_logged_in(staff, world):
    work = titled("Import the payment client")
    assert act(staff, "retry_now", work) == [f"#{work.pk}: back in the queue."]
    work.refresh_from_db()
    assert work.status == "pending"
    assert AuditEntry.objects.get(subject_id=work.pk, verb="retry").actor == "MAXINE"
    page = staff.get(address(Dispatch, "change", work.pk)).content.decode()
    assert "<strong>Retry</strong> by MAXINE" in page


def test_a_blocked_dispatch_is_unblocked(staff, world):
    work = titled("Deploy to staging")
    act(staff, "unblock", work)
    work.refresh_from_db()
    assert work.status == "pending"


def test_a_verb_that_does_not_fit_says_so_and_the_others_go_on(staff, world):
    done, waiting = titled("Compile package 1"), titled("Update the changelog")
    said = act(staff, "cancel", done, waiting)
    assert f"#{done.pk}: This dispatch is completed; it can't become cancelled." in said
    waiting.refresh_from_db()
    assert waiting.status == "cancelled"


def test_reassigning_asks_for_the_agent_first(staff, world):
    work, quinn = titled("Update the changelog"), world.agent("QUINN")
    data = {"action": "reassign", "_selected_action": [work.pk]}
    asked = staff.post(address(Dispatch, "changelist"), data)
    assert "Who shall have these?" in asked.content.decode()
    assert act(staff, "reassign", work, agent=quinn.pk) == [f"#{work.pk}: given to QUINN."]
    work.refresh_from_db()
    assert work.agent == quinn
    assert (
        "valid choice"
        in staff.post(address(Dispatch, "changelist"), {**data, "agent": "999999"}).content.decode()
    )


def test_a_dispatch_offers_the_verbs_of_its_state(staff, world):
    def offered(title: str) -> list[str]:
        html = staff.get(address(Dispatch, "change", titled(title).pk)).content.decode()
        return re.findall(r'name="action" value="(\w+)"', html)

    assert offered("Import the payment client") == ["retry_now"]
    assert offered("Deploy to staging") == ["unblock", "reassign", "cancel"]
    assert offered("Compile package 1") == []


def test_who_may_only_look_gets_no_verbs(client, world):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)
    work = titled("Deploy to staging")
    page = client.get(address(Dispatch, "change", work.pk))
    assert page.status_code == 200
    assert b'name="action"' not in page.content
    client.post(
        address(Dispatch, "changelist"), {"action": "unblock", "_selected_action": [work.pk]}
    )
    work.refresh_from_db()
    assert work.status == "blocked"


def test_a_claim_is_its_agents_and_is_shown_nowhere(staff, world):
    attempt = titled("Lint the API").attempts.get()
    for path in (
        address(type(attempt), "change", attempt.pk),
        address(Dispatch, "change", attempt.dispatch_id),
        address(type(attempt), "changelist"),
        "/",
    ):
        assert attempt.claim not in staff.get(path).content.decode()


def test_hostile_text_stays_text_in_the_admin(staff):
    world = World(db_now())
    evil = "<script>alert(1)</script>"
    work = world.queue(evil, ago=5)
    world.fail("SAM", work, f"{evil} {ASSERTION}", ago=4)
    AuditEntry.objects.create(
        at=world.now,
        actor=evil,
        verb="retry",
        subject_kind="dispatch",
        subject_id=work.pk,
        reason=evil,
    )
    for path in (address(Dispatch, "changelist"), address(Dispatch, "change", work.pk), "/admin/"):
        assert evil not in staff.get(path).content.decode()
