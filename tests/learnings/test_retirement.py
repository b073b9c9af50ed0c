"""What is told no more reaches nobody: by policy, by hand, superseded, or for whom it came from."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.errors import InvalidInputError
from agents.models import AuditEntry
from failures.models import FailureGroup
from learnings.models import Injection, Learning, LearningRevision
from learnings.services import lifecycle
from learnings.services.analysis import analyse, sweep
from learnings.services.retirement import retire_derived
from learnings.services.submissions import NewLearning, submit_learning
from learnings.states import LearningOrigin, Trigger
from tests.wire import get, post, refused

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.fixture
def told(world):
    world.fail(times=3)
    sweep(now=world.now)
    return world.the_learning()


def approved(world, title: str, *, by: str = "SAM") -> Learning:
    new = NewLearning(title=title, solution=f"{title} it.")
    learning = submit_learning(new, author=by, origin=LearningOrigin.AGENT, now=world.now)
    return lifecycle.approve(learning.pk, actor="max", now=world.now)


def test_what_matched_nothing_for_90_days_is_retired_by_the_weekly_run(world, told, patterns_dir):
    analyse(Trigger.COMMAND, now=world.now + 90 * DAY)
    told.refresh_from_db()
    assert told.status == "active"

    run = analyse(Trigger.COMMAND, now=world.now + 90 * DAY + SECOND)

    told.refresh_from_db()
    assert (told.status, told.retire_reason) == (
        "retired",
        "Nothing has matched it for 90 days.",
    )
    assert run.did["retired"] == [told.pk]
    assert FailureGroup.objects.get().guidance == ""
    assert "told to no agent any more" in (patterns_dir / f"{told.slug}.md").read_text()
    assert AuditEntry.objects.get(verb="retire").actor == "EVOX"


def test_what_failed_lately_is_not_retired(world, told):
    world.fail(at=world.now + 80 * DAY)

    analyse(Trigger.COMMAND, now=world.now + 100 * DAY)

    assert world.the_learning().status == "active"


def test_without_failures_of_its_own_a_briefing_keeps_it(world):
    kept, left = approved(world, "Pin"), approved(world, "Cache")
    Injection.objects.create(
        learning=kept, version=1, agent=world.agent("LEO"), at=world.now + 50 * DAY, why="recent"
    )

    analyse(Trigger.COMMAND, now=world.now + 100 * DAY)

    kept.refresh_from_db()
    left.refresh_from_db()
    assert (kept.status, left.status) == ("active", "retired")


@pytest.mark.parametrize(
    ("helpful", "harmful", "status"), [(0, 2, "active"), (0, 3, "retired"), (3, 3, "active")]
)
def test_what_is_called_harmful_is_retired_by_the_next_sweep(world, told, helpful, harmful, status):
    Learning.objects.update(helpful_count=helpful, harmful_count=harmful)

    sweep(now=world.now + DAY / 24)

    assert world.the_learning().status == status


def test_a_review_that_is_due_is_asked_for_once(world, told):
    world.fail(at=world.now + 85 * DAY)
    sweep(now=world.now + 91 * DAY)
    sweep(now=world.now + 92 * DAY)
    analyse(Trigger.COMMAND, now=world.now + 93 * DAY)

    [text] = world.inbox()
    assert "is past its review of 2027-02-17" in text
    assert world.the_learning().status == "active"


def test_another_one_takes_its_place(world, told):
    other = approved(world, "Import it by name")

    lifecycle.retire(told.pk, actor="max", superseded_by=other.pk, now=world.now)

    told.refresh_from_db()
    assert told.superseded_by == other
    assert told.retire_reason == f"Learning {other.pk} took its place."


def test_neither_itself_nor_what_is_not_told_takes_its_place(world, told):
    new = NewLearning(title="T", solution="s")
    waiting = submit_learning(new, author="SAM", origin=LearningOrigin.AGENT, now=world.now)

    for wrong in (told.pk, waiting.pk, 10**9):
        with pytest.raises(InvalidInputError):
            lifecycle.retire(told.pk, actor="max", superseded_by=wrong, now=world.now)
    told.refresh_from_db()
    assert told.status == "active"


def revision_of(learning: Learning, author: str, world, **fields) -> LearningRevision:
    applied = {"status": "applied", "decided_by": "max", "decided_at": world.now}
    return LearningRevision.objects.create(
        learning=learning,
        version=1,
        rule="r",
        source="diagnosis",
        author=author,
        at=world.now,
        **(applied | fields),
    )


def test_all_that_came_of_an_agent_is_taken_back_at_once(world, told):
    by_evidence = told
    by_words = approved(world, "Pin", by="LEO")
    revision_of(by_words, "SAM", world)
    by_hand = approved(world, "Cache")
    new = NewLearning(title="Waits", solution="s")
    waiting = submit_learning(new, author="SAM", origin=LearningOrigin.AGENT, now=world.now)
    others = approved(world, "Retry", by="LEO")
    words = {"status": "proposed", "decided_by": "", "decided_at": None}
    pending = revision_of(others, "SAM", world, **words)

    done = retire_derived(
        world.agent("SAM"), since=world.now, actor="max", reason="Key leaked", now=world.now
    )

    assert done.retired == [by_evidence.pk, by_words.pk, by_hand.pk]
    assert (done.rejected, done.revisions) == ([waiting.pk], [pending.pk])
    others.refresh_from_db()
    by_words.refresh_from_db()
    assert others.status == "active"
    assert by_words.retire_reason == "Derived from SAM: Key leaked"
    assert not FailureGroup.objects.exclude(guidance="").exists()
    entry = AuditEntry.objects.get(verb="retire derived")
    assert (entry.actor, entry.subject_kind, entry.data["learnings"]) == ("max", "agent", 4)


def test_what_came_of_an_agent_before_is_left(world, told):
    done = retire_derived(
        world.agent("SAM"),
        since=world.now + SECOND,
        actor="max",
        reason="Key leaked",
        now=world.now + DAY,
    )

    assert (done.retired, done.rejected) == ([], [])
    assert world.the_learning().status == "active"


def test_taking_back_twice_finds_nothing_more(world, told):
    sam = world.agent("SAM")
    for expected in ([told.pk], []):
        done = retire_derived(sam, since=world.now, actor="m", reason="r", now=world.now)
        assert done.retired == expected


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"since": DAY}, "since"), ({"reason": " "}, "reason"), ({"reason": "x" * 501}, "reason")],
)
def test_a_bad_request_to_take_back_is_refused(world, fields, field):
    ahead = fields.pop("since", timedelta())
    with pytest.raises(InvalidInputError) as error:
        retire_derived(
            world.agent("SAM"),
            **({"since": world.now + ahead, "reason": "r"} | fields),
            actor="m",
            now=world.now,
        )
    assert error.value.field == field


def test_verbs_work_over_rest_and_say_why_they_do_not(world, told):
    path = f"learnings/{told.pk}"
    assert refused(post(f"{path}/approve", {}), 409)
    assert refused(post(f"{path}/retire", {}), 400, field="reason")
    answer = post(f"{path}/retire", {"reason": "Wrong since Node 22."})
    assert (answer.status_code, answer.json()["status"]) == (200, "retired")
    assert refused(post(f"{path}/retire", {"reason": "Again."}), 409)
    assert refused(post("learnings/999999/approve", {}), 404)

    new = NewLearning(title="T", solution="s")
    one, two = (
        submit_learning(new, author=name, origin=LearningOrigin.AGENT, now=world.now)
        for name in ("SAM", "LEO")
    )
    assert post(f"learnings/{one.pk}/approve", {"reason": "Right."}).json()["status"] == "active"
    assert post(f"learnings/{two.pk}/reject").json()["status"] == "rejected"


def test_a_lead_decides_over_rest_and_a_worker_does_not(world, told, settings):
    from agents.services.agents import create_key

    settings.EVOX_REQUIRE_KEY = True
    path, body = f"learnings/{told.pk}/retire", {"reason": "Wrong."}
    assert refused(post(path, body, key=create_key(world.agent("SAM"))), 403)
    assert post(path, body, key=create_key(world.agent("MAX"))).status_code == 200


def test_taking_back_works_over_rest(world, told):
    body = {"agent": "sam", "since": world.now.isoformat(), "reason": "Key leaked"}
    answer = post("learnings/retire-derived", body)

    assert answer.json() == {"retired": [told.pk], "rejected": [], "revisions": []}
    assert refused(post("learnings/retire-derived", body | {"agent": "NOBODY"}), 404)
    assert get(f"learnings/{told.pk}").json()["status"] == "retired"
