"""A dispatch's page in the admin: attempts side by side, what happened in order, verbs with why."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import Agent, AuditEntry
from failures.models import Failure, Incident
from recovery.dispatch_page import ATTEMPTS, page_of
from recovery.services import operator
from tests.recovery.world import HOUR, MINUTE, T0, complete, fail, queue, row, take

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("ann"))
    return client


def fail_often(dispatch, agent, times):
    for number in range(times):
        now = T0 + (row(dispatch).lease_epoch + 1) * HOUR
        Agent.objects.filter(pk=agent.pk).update(last_seen_at=now)
        fail(take(agent, now=now), now=now, message=f"error <b>{number}</b>")


def page(client, dispatch):
    answer = client.get(reverse("admin:agents_dispatch_change", args=[dispatch.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_four_attempts_stand_side_by_side_with_their_failures(staff, team):
    dispatch = queue()
    fail_often(dispatch, team.sam, 4)
    html = page(staff, dispatch)

    attempts = re.findall(r"/admin/agents/attempt/(\d+)/change/", html)
    assert attempts == [str(pk) for pk in dispatch.attempts.values_list("pk", flat=True)]
    for failure in Failure.objects.all():
        assert f"/admin/failures/failure/{failure.pk}/change/" in html
        assert f"/admin/failures/failuregroup/{failure.group_id}/change/" in html
    assert html.count("error &lt;b&gt;") >= 4
    assert "<b>0</b>" not in html
    assert "Given up after 4 of 4 tries." in html
    for incident in Incident.objects.all():
        assert f"/admin/failures/incident/{incident.pk}/change/" in html


def test_the_timeline_has_attempts_acts_and_incidents_in_order(team):
    dispatch = queue(max_attempts=1)
    fail(take(team.sam), now=T0)
    operator.retry_dispatch(dispatch.pk, actor="ann", reason="Key renewed.", now=T0 + HOUR)
    complete(take(team.leo, now=T0 + HOUR + MINUTE), now=T0 + 2 * HOUR)

    events = page_of(row(dispatch), now=T0 + 3 * HOUR).events
    assert [(event.what, event.who) for event in events] == [
        ("Made", "MAX"),
        ("Attempt 1 begins", "SAM"),
        ("Attempt 1 failed", "SAM"),
        ("Incident", ""),
        ("Retry", "ann"),
        ("Attempt 2 begins", "LEO"),
        ("Attempt 2 succeeded", "LEO"),
        ("Completed", ""),
    ]
    assert {event.why for event in events if event.what == "Retry"} == {"Key renewed."}


def test_the_page_asks_as_often_for_one_attempt_as_for_many(staff, team):
    few, many = queue("few"), queue("many", max_attempts=30)
    fail_often(few, team.sam, 1)
    operator.cancel_dispatch(few.pk, actor="ann", now=T0)
    fail_often(many, team.sam, 20)
    for _ in range(20):
        operator.reassign_dispatch(many.pk, agent=team.sam, actor="ann", now=T0)

    def count(dispatch):
        with CaptureQueriesContext(connection) as asked:
            page(staff, dispatch)
        return len(asked)

    count(few)
    assert count(many) == count(few)


def test_what_happened_a_hundred_times_is_shown_in_part(team):
    dispatch = queue(max_attempts=50)
    fail_often(dispatch, team.sam, ATTEMPTS + 3)
    shown = page_of(row(dispatch), now=T0 + 99 * HOUR)

    assert [one.attempt.number for one in shown.tries] == list(range(4, ATTEMPTS + 4))
    assert shown.earlier == 3


def test_work_that_nobody_claimed_says_so(staff, team):
    html = page(staff, queue())

    assert "Nobody has claimed it yet." in html
    assert "<strong>Made</strong> by MAX" in html


@pytest.mark.parametrize(
    ("verb", "stands", "fields"),
    [
        ("cancel", "retrying", {}),
        ("retry_now", "retrying", {}),
        ("reassign", "retrying", {"agent": "LEO"}),
        ("unblock", "blocked", {}),
    ],
)
def test_a_verb_keeps_why_it_was_used(staff, team, verb, stands, fields):
    dispatch = queue()
    fail(take(team.sam))
    if stands == "blocked":
        type(dispatch).objects.update(status="blocked", run_at=None, reason="No key.")
    if fields:
        fields = {"agent": Agent.objects.get(name=fields["agent"]).pk}
    data = {"action": verb, "_selected_action": [dispatch.pk], "reason": " <i>Key renewed.</i> "}
    staff.post(reverse("admin:agents_dispatch_changelist"), {**data, **fields})

    entry = AuditEntry.objects.get(subject_kind="dispatch", subject_id=dispatch.pk)
    assert (entry.actor, entry.reason) == ("ann", "<i>Key renewed.</i>")
    assert row(dispatch).reason.endswith("<i>Key renewed.</i>")
    assert "&lt;i&gt;Key renewed.&lt;/i&gt;" in page(staff, dispatch)


def test_the_page_that_asks_for_the_agent_hands_the_reason_on(staff, team):
    dispatch = queue()
    data = {"action": "reassign", "_selected_action": [dispatch.pk], "reason": "LEO knows it."}
    asked = staff.post(reverse("admin:agents_dispatch_changelist"), data).content.decode()

    assert 'value="LEO knows it."' in asked
    assert AuditEntry.objects.count() == 0
