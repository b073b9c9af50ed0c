"""Approving, rejecting and retiring, by service and in the admin."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from agents.errors import NotFoundError, NotYoursError
from agents.models import AuditEntry
from agents.states import IllegalMoveError
from learnings.models import AnalysisRun, Injection, Learning
from learnings.services import lifecycle
from learnings.services.analysis import analyse
from learnings.services.submissions import NewLearning, submit_learning
from learnings.states import LearningOrigin, LearningStatus, Trigger

ADMIN = "/admin/learnings"


@pytest.fixture
def proposal(world) -> Learning:
    new = NewLearning(title="T", solution="s", rule="r")
    return submit_learning(new, author="SAM", origin=LearningOrigin.AGENT, now=world.now)


def test_an_approval_publishes_announces_and_is_audited(world, proposal, patterns_dir):
    learning = lifecycle.approve(proposal.pk, actor="max", reason="right", now=world.now)

    assert (learning.status, learning.approved_by) == ("active", "max")
    assert learning.published_at == learning.announced_at == world.now
    assert world.posts()[0].startswith("New learning: T\n")
    assert len(list(patterns_dir.iterdir())) == 1
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb, entry.reason) == ("max", "approve", "right")
    assert (entry.subject_kind, entry.subject_id) == ("learning", learning.pk)


def test_nobody_approves_what_one_wrote_oneself(world, proposal):
    with pytest.raises(NotYoursError):
        lifecycle.approve(proposal.pk, actor="SAM", now=world.now)
    assert not AuditEntry.objects.exists()


VERBS = {
    "approve": (lifecycle.approve, {LearningStatus.PROPOSED}),
    "reject": (lifecycle.reject, {LearningStatus.PROPOSED}),
    "retire": (lifecycle.retire, {LearningStatus.ACTIVE, LearningStatus.WATCH}),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", list(LearningStatus))
def test_a_verb_works_from_its_own_states_only(world, proposal, verb, status):
    act, allowed = VERBS[verb]
    published = status in {"active", "watch", "retired"}
    Learning.objects.update(
        status=status.value,
        published_at=world.now if published else None,
        approved_by="max" if published else "",
        retired_at=world.now if status == "retired" else None,
        watch_since=world.now if status == "watch" else None,
    )

    if status in allowed:
        act(proposal.pk, actor="max", now=world.now)
    else:
        with pytest.raises(IllegalMoveError):
            act(proposal.pk, actor="max", now=world.now)
        assert world.the_learning().status == status


def test_what_is_not_there_cannot_be_approved(world):
    with pytest.raises(NotFoundError):
        lifecycle.approve(1, actor="max", now=world.now)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"status": "active"}, "learning_published_has"),
        ({"status": "retired"}, "learning_"),
        ({"status": "odd"}, "learning_status_known"),
        ({"origin": "odd"}, "learning_origin_known"),
        ({"origin": "rule"}, "learning_by_rule_has_source"),
        ({"approved_by": "SAM"}, "learning_not_approved_by_author"),
        ({"watch_since": datetime(2026, 1, 1, tzinfo=UTC)}, "learning_watched_has_time"),
        ({"superseded_by": F("id")}, "learning_superseded_"),
    ],
)
def test_the_database_refuses_what_contradicts_itself(proposal, fields, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Learning.objects.filter(pk=proposal.pk).update(**fields)


def test_the_pages_of_the_admin_open(world, admin_client, client):
    world.fail(times=3)
    analyse(Trigger.COMMAND, now=world.now)
    client.get("/api/v1/agents/SAM/briefing")
    learning = world.the_learning()
    client.post(
        f"/api/v1/learnings/{learning.pk}/vote",
        {"helpful": True, "agent": "SAM"},
        content_type="application/json",
    )

    assert Injection.objects.exists()
    assert AnalysisRun.objects.exists()
    for model in ("learning", "injection", "feedback", "analysisrun"):
        assert admin_client.get(f"{ADMIN}/{model}/").status_code == 200
        assert admin_client.get(f"{ADMIN}/{model}/1/change/", follow=True).status_code == 200
        assert admin_client.get(f"{ADMIN}/{model}/add/").status_code == 403
    page = admin_client.get(f"{ADMIN}/learning/{learning.pk}/change/")
    assert b"Nobody has decided anything yet." in page.content


def decide(admin_client, action, learning):
    return admin_client.post(
        f"{ADMIN}/learning/",
        {"action": action, "_selected_action": [learning.pk]},
        follow=True,
    )


def test_the_admin_approves_and_retires(world, proposal, admin_client):
    decide(admin_client, "approve", proposal)
    assert world.the_learning().approved_by == "admin"

    answer = decide(admin_client, "approve", proposal)
    assert "it can&#x27;t become active" in answer.content.decode()

    decide(admin_client, "retire", proposal)
    assert world.the_learning().status == "retired"
    page = admin_client.get(f"{ADMIN}/learning/{proposal.pk}/change/")
    assert re.search(r"admin\W.{0,80}\bretire\b", page.content.decode(), re.DOTALL)


def test_the_admin_rejects(world, proposal, admin_client):
    decide(admin_client, "reject", proposal)

    assert world.the_learning().status == "rejected"
