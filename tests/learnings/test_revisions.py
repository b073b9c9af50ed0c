"""New words wait beside a learning until somebody else than their author lets them through."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from agents.errors import IllegalMoveError, NotFoundError, NotYoursError
from agents.models import AuditEntry
from failures.models import FailureGroup
from learnings.models import Learning, LearningRevision
from learnings.policy.diagnosis import checked
from learnings.policy.revisions import Evidence, evidence_of, may_apply_unread, words_of_resolution
from learnings.services import lifecycle, revisions
from learnings.services.analysis import sweep
from learnings.states import REVISION_MOVES, Approval, LearningStatus, RevisionStatus

FIX = "Added the missing export to index.ts"


@pytest.fixture
def waiting(world) -> LearningRevision:
    """What helped SAM, beside a learning that is told."""
    world.resolve(world.fail(), FIX)
    world.fail(times=2)
    sweep(now=world.now)
    return LearningRevision.objects.get()


def test_every_status_has_a_row_in_the_table_of_moves():
    assert set(REVISION_MOVES) == set(RevisionStatus)


def test_a_resolution_waits_with_its_author_and_one_line(waiting):
    assert (waiting.author, waiting.source, waiting.status) == ("SAM", "resolution", "proposed")
    assert waiting.solution == FIX
    assert waiting.rule == f"Build failure: Missing import. What helped: {FIX}"


def test_a_long_resolution_stands_in_the_solution_alone():
    words = words_of_resolution("step " * 100, title="Build failure: x " * 30, why="y")

    assert words.rule.endswith("…. A past fix is written down.")
    assert len(words.rule) == 280
    assert words.solution.startswith("step step")


def test_an_approval_makes_the_words_the_learnings(world, waiting, client):
    revisions.approve(waiting.pk, actor="eve", reason="right", now=world.now)

    learning = world.the_learning()
    assert (learning.version, learning.rule, learning.solution) == (2, waiting.rule, FIX)
    assert FailureGroup.objects.get().guidance == waiting.rule
    entry = AuditEntry.objects.get(verb="revise")
    assert (entry.actor, entry.reason, entry.subject_id) == ("eve", "right", learning.pk)
    [told] = client.get("/api/v1/agents/LEO/briefing").json()["learnings"]
    assert (told["version"], FIX in told["text"]) == (2, True)


def test_its_author_may_not_approve_it(world, waiting):
    with pytest.raises(NotYoursError):
        revisions.approve(waiting.pk, actor="SAM", now=world.now)
    assert world.the_learning().version == 1


def test_what_was_rejected_is_never_told_and_never_proposed_again(world, waiting):
    revisions.reject(waiting.pk, actor="eve", reason="wrong", now=world.now)
    for _ in range(2):
        sweep(now=world.now)

    [revision] = LearningRevision.objects.all()
    assert (revision.status, revision.reason) == ("rejected", "wrong")
    assert FIX not in FailureGroup.objects.get().guidance


def test_after_a_rejection_the_next_best_fix_waits(world, waiting):
    world.resolve(world.fail(by="LEO"), "Restarted the daemon", "workaround")
    revisions.reject(waiting.pk, actor="eve", now=world.now)

    sweep(now=world.now)

    newest = LearningRevision.objects.first()
    assert (newest.author, newest.solution) == ("LEO", "Restarted the daemon")


def test_one_fix_waits_at_a_time(world, waiting):
    world.resolve(world.fail(by="LEO"), "Another one")

    sweep(now=world.now)

    assert LearningRevision.objects.count() == 1


@pytest.mark.parametrize("verb", [revisions.approve, revisions.reject])
def test_what_was_decided_stays_decided(world, waiting, verb):
    revisions.approve(waiting.pk, actor="eve", now=world.now)

    with pytest.raises(IllegalMoveError):
        verb(waiting.pk, actor="max", now=world.now)
    assert world.the_learning().version == 2


@pytest.mark.parametrize("verb", [revisions.approve, revisions.reject])
def test_what_is_not_there_cannot_be_decided(world, verb):
    with pytest.raises(NotFoundError):
        verb(1, actor="eve", now=world.now)


def test_words_for_a_retired_learning_are_not_let_through(world, waiting):
    lifecycle.retire(waiting.learning_id, actor="eve", now=world.now)

    with pytest.raises(IllegalMoveError):
        revisions.approve(waiting.pk, actor="eve", now=world.now)
    waiting.refresh_from_db()
    assert waiting.status == "proposed"


def test_what_else_waited_is_superseded_by_what_was_applied(world, waiting):
    learning = world.the_learning()
    words = checked(rule="r", why="w", solution="")
    origin = revisions.Origin(source=revisions.RevisionSource.DIAGNOSIS, author="MAX")
    other = revisions.propose(learning, words, origin, now=world.now)

    revisions.approve(other.pk, actor="eve", now=world.now)

    waiting.refresh_from_db()
    assert (waiting.status, waiting.decided_by) == ("superseded", "EVOX")
    assert world.the_learning().solution == "r"


def test_a_proposed_learning_stays_proposed_with_its_new_words(world, waiting, settings):
    Learning.objects.update(
        status="proposed",
        published_at=None,
        announced_at=None,
        approved_by="",
        recurrence_from=None,
    )
    FailureGroup.objects.update(guidance="")

    revisions.approve(waiting.pk, actor="eve", now=world.now)

    learning = world.the_learning()
    assert (learning.status, learning.version) == ("proposed", 2)
    assert FailureGroup.objects.get().guidance == ""
    assert len(world.posts()) == 1


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"status": "odd"}, "learningrevision_"),
        ({"source": "odd"}, "learningrevision_source_known"),
        ({"status": "applied"}, "learningrevision_decided_has_who"),
        ({"rule": ""}, "learningrevision_has_rule"),
        ({"status": "applied", "decided_by": "SAM"}, "learningrevision_not_applied_by_author"),
    ],
)
def test_the_database_refuses_what_contradicts_itself(world, waiting, fields, constraint):
    if "decided_by" in fields and "status" in fields:
        fields = {**fields, "decided_at": world.now}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        LearningRevision.objects.filter(pk=waiting.pk).update(**fields)


@pytest.mark.parametrize(
    ("seen", "suffices"),
    [
        ([(1, 7, ""), (2, 7, ""), (1, 8, "")], True),
        ([(1, None, "A"), (2, None, "A"), (1, None, "B")], True),
        ([(1, 7, ""), (1, 8, "")], False),
        ([(1, 7, ""), (2, 7, ""), (3, 7, "")], False),
        ([(1, None, ""), (2, None, ""), (3, None, "")], False),
        ([], False),
    ],
)
def test_three_failures_of_two_pieces_of_work_are_enough(seen, suffices):
    assert evidence_of(seen).suffices is suffices


ENOUGH = Evidence(failures=3, dispatches=2, tickets=0)


@pytest.mark.parametrize(
    ("approval", "status", "flags", "evidence", "let_through"),
    [
        ("auto", "active", [], ENOUGH, True),
        ("auto", "watch", [], ENOUGH, True),
        ("review", "active", [], ENOUGH, False),
        ("auto", "proposed", [], ENOUGH, False),
        ("auto", "retired", [], ENOUGH, False),
        ("auto", "active", ["url"], ENOUGH, False),
        ("auto", "active", [], Evidence(failures=2, dispatches=2, tickets=2), False),
        ("auto", "active", [], Evidence(failures=9, dispatches=1, tickets=1), False),
    ],
)
def test_words_go_out_unread_only_when_nothing_speaks_against_it(
    approval, status, flags, evidence, let_through
):
    said = may_apply_unread(
        Approval(approval), status=LearningStatus(status), flags=flags, evidence=evidence
    )
    assert said is let_through
