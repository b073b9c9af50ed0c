"""What comes back to agents that had been told is counted, watched, and ends with a resolution."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, Message
from failures.models import FailureGroup, GuidanceShown
from failures.services.group_merges import merge
from failures.services.groups import set_status
from failures.states import GroupStatus
from learnings.models import AnalysisRun, Injection, Learning
from learnings.services import lifecycle
from learnings.services.analysis import analyse, sweep
from learnings.services.recurrence import count_repeats
from learnings.states import Trigger

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.fixture
def told(world):
    """A learning that is active since `world.now`."""
    world.fail(times=3)
    sweep(now=world.now)
    return world.the_learning()


def repeats(learning: Learning) -> tuple[int, int]:
    learning.refresh_from_db()
    return learning.exposed_repeats, learning.unexposed_repeats


def fail_often(world, times: int, *, start: int = 1, by: str = "SAM") -> None:
    """So many failures a second apart; each answer tells the agent."""
    for n in range(start, start + times):
        world.fail_and_hear(by=by, at=world.now + n * SECOND)


def test_the_failure_whose_answer_tells_first_is_not_an_exposed_one(world, told):
    fail_often(world, 1)
    sweep(now=world.now + 10 * SECOND)
    assert repeats(told) == (0, 1)

    fail_often(world, 1, start=11)
    sweep(now=world.now + 20 * SECOND)
    assert repeats(told) == (1, 1)


def test_failures_before_the_publication_are_no_repeats(world, told):
    count_repeats([told.pk])

    assert repeats(told) == (0, 0)


def test_an_agent_that_was_never_told_counts_apart(world, told):
    fail_often(world, 3)
    world.fail(by="LEO", times=5, at=world.now + 5 * SECOND)

    sweep(now=world.now + 10 * SECOND)

    assert repeats(told) == (2, 6)
    assert told.status == "active"


def test_a_briefing_counts_as_told_from_its_time_on(world, told):
    world.fail(at=world.now + 1 * SECOND, by="LEO")
    Injection.objects.create(
        learning=told, version=1, agent=world.agent("LEO"), at=world.now + 2 * SECOND, why="recent"
    )
    world.fail(at=world.now + 3 * SECOND, by="LEO")

    sweep(now=world.now + 10 * SECOND)

    assert repeats(told) == (1, 1)


def test_an_older_rule_of_the_same_learning_counts_as_told(world, told):
    fail_often(world, 1)
    told.refresh_from_db()
    told.rule, told.version = "Another rule.", 2
    told.save()
    lifecycle.revised(told, now=world.now + 2 * SECOND)
    world.fail(at=world.now + 3 * SECOND)

    sweep(now=world.now + 10 * SECOND)

    assert repeats(told) == (1, 0)


def test_what_was_told_of_another_learning_does_not_count(world, told):
    GuidanceShown.objects.create(
        group=told.group,
        text_hash="0" * 64,
        agent=world.agent("LEO"),
        via="failure_answer",
        at=world.now,
    )
    world.fail(by="LEO", at=world.now + SECOND)

    sweep(now=world.now + 10 * SECOND)

    assert repeats(told) == (0, 1)


def test_after_28_days_repeats_count_no_more(world, told):
    fail_often(world, 1)
    world.fail(at=world.now + 28 * DAY)
    world.fail(at=world.now + 28 * DAY + SECOND)

    sweep(now=world.now + 28 * DAY + 10 * SECOND)

    assert repeats(told) == (1, 1)


def test_the_third_exposed_repeat_is_watched_and_its_owner_hears_once(world, told):
    assert told.owner == "MAX"
    fail_often(world, 3)
    sweep(now=world.now + 10 * SECOND)
    assert (repeats(told), told.status) == ((2, 1), "active")
    assert world.inbox() == []

    fail_often(world, 1, start=11)
    run = sweep(now=world.now + 20 * SECOND)

    assert (repeats(told), told.status) == ((3, 1), "watch")
    assert told.watch_since == world.now + 20 * SECOND
    assert told.last_repeat_at == world.now + 11 * SECOND
    assert run.did == {"watched": [told.pk]}
    [text] = world.inbox()
    assert text.startswith(f"Learning {told.pk} “Build failure: Missing import” doesn't hold: 3 ")

    fail_often(world, 5, start=21)
    assert sweep(now=world.now + 30 * SECOND) is None
    analyse(Trigger.COMMAND, now=world.now + 40 * SECOND)
    assert repeats(told) == (8, 1)
    assert len(world.inbox()) == 1


def test_a_watched_one_is_still_told(world, told):
    fail_often(world, 4)
    sweep(now=world.now + 10 * SECOND)

    assert world.the_learning().status == "watch"
    assert FailureGroup.objects.get().guidance == told.rule


def test_an_owner_that_left_is_stood_in_for_by_the_lead_and_the_lead_by_dev(world, told):
    Learning.objects.update(owner="GONE")
    fail_often(world, 4)
    sweep(now=world.now + 10 * SECOND)
    assert len(world.inbox("MAX")) == 1

    Message.objects.all().delete()
    Learning.objects.update(status="active", watch_since=None)
    Agent.objects.filter(role="lead").update(retired_at=world.now)
    sweep(now=world.now + 20 * SECOND)
    assert len([text for text in world.posts() if "doesn't hold" in text]) == 1


def test_counting_again_changes_nothing_and_asks_the_same_few_questions(world, told):
    fail_often(world, 5)
    count_repeats([told.pk])
    before = Learning.objects.values().get()

    with CaptureQueriesContext(connection) as asked:
        count_repeats([told.pk])

    assert len(asked) == 1
    assert Learning.objects.values().get() == before


def test_a_resolution_ends_a_watch_and_repeats_count_anew(world, told):
    fail_often(world, 5)
    sweep(now=world.now + 10 * SECOND)
    set_status(
        told.group_id,
        GroupStatus.RESOLVED,
        resolution="Pinned it.",
        actor="MAX",
        now=world.now + 15 * SECOND,
    )

    run = sweep(now=world.now + 20 * SECOND)

    assert (repeats(told), told.status, told.watch_since) == ((0, 0), "active", None)
    assert told.recurrence_from == told.resolved_at == world.now + 15 * SECOND
    assert run.did == {"resolved": [told.pk]}
    assert sweep(now=world.now + 30 * SECOND) is None


def test_a_failure_after_the_resolution_is_recorded_and_the_owner_hears_once(world, told):
    fail_often(world, 5)
    sweep(now=world.now + 10 * SECOND)
    resolve(world, told, at=15)
    sweep(now=world.now + 20 * SECOND)
    fail_often(world, 2, start=21)

    run = sweep(now=world.now + 30 * SECOND)

    assert run.did == {"regressed": [told.pk]}
    assert repeats(told) == (2, 0)
    assert told.regressed_at == world.now + 30 * SECOND
    assert told.status == "active"
    assert ["regressed" in text for text in world.inbox()] == [False, True]
    assert sweep(now=world.now + 40 * SECOND) is None

    fail_often(world, 1, start=41)
    sweep(now=world.now + 50 * SECOND)
    assert (repeats(told), told.status) == ((3, 0), "watch")
    assert len(world.inbox()) == 3


def resolve(world, told, *, at: int) -> None:
    set_status(
        told.group_id,
        GroupStatus.RESOLVED,
        resolution="Pinned it.",
        actor="MAX",
        now=world.now + at * SECOND,
    )


def test_a_resolution_and_a_return_between_two_looks_are_both_seen(world, told):
    fail_often(world, 5)
    sweep(now=world.now + 10 * SECOND)
    resolve(world, told, at=11)
    fail_often(world, 1, start=12)

    run = sweep(now=world.now + 20 * SECOND)

    assert run.did == {"resolved": [told.pk], "regressed": [told.pk]}
    assert (repeats(told), told.status) == ((1, 0), "active")


def test_a_second_resolution_counts_anew_again(world, told):
    resolve(world, told, at=1)
    sweep(now=world.now + 2 * SECOND)
    fail_often(world, 1, start=3)
    sweep(now=world.now + 4 * SECOND)
    resolve(world, told, at=5)
    fail_often(world, 1, start=6)

    run = sweep(now=world.now + 7 * SECOND)

    assert run.did == {"resolved": [told.pk], "regressed": [told.pk]}
    assert len([text for text in world.inbox() if "regressed" in text]) == 2


def test_new_words_end_a_watch(world, told):
    fail_often(world, 5)
    sweep(now=world.now + 10 * SECOND)
    told.refresh_from_db()
    told.rule, told.version = "Import it by name.", 2
    told.save()

    lifecycle.revised(told, now=world.now + 11 * SECOND)

    assert (repeats(told), told.status) == ((0, 0), "active")
    assert FailureGroup.objects.get().guidance == "Import it by name."
    assert len(told.rule_hashes) == 2


def test_repeats_in_a_merged_group_count_and_its_members_are_one_pattern(world, told):
    other = world.fail("no such table users", at=world.now).group
    merge([told.group_id], into=other.pk, actor="MAX", now=world.now)
    fail_often(world, 1)
    world.fail_and_hear("no such table users", at=world.now + 2 * SECOND)
    world.fail_and_hear("no such table users", at=world.now + 3 * SECOND)

    sweep(now=world.now + 10 * SECOND)

    assert repeats(told) == (2, 1)
    assert Learning.objects.count() == 1


def test_a_flood_is_looked_at_up_to_its_newest_thousand(world, told):
    world.fail(times=1, by="LEO", at=world.now + SECOND)
    failure = world.fail(at=world.now + 2 * SECOND)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO failures_failure (agent_id, group_id, error_type, classified_type,"
            " message, context, ticket_id, fingerprint, resolution, outcome, created_at)"
            " SELECT agent_id, group_id, error_type, classified_type, message, context, ticket_id,"
            " fingerprint, resolution, outcome, created_at"
            " FROM failures_failure, generate_series(1, 1500) WHERE id = %s",
            [failure.pk],
        )

    count_repeats([told.pk])

    assert repeats(told) == (0, 1000)


def test_the_statements_use_indexes_when_there_are_many_groups(world, told):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO failures_failuregroup (fingerprint, family, error_type, template,"
            " tool_code, error_class, classified_type, count, status, resolution, resolved_by,"
            " guidance, first_seen_at, last_seen_at)"
            " SELECT 'v1:' || n, 'v1f:' || n %% 2000, 'build', 'x', '', '', '', 1, 'open', '', '',"
            " '', %(then)s, %(then)s FROM generate_series(1, 20000) n",
            {"then": world.now - 30 * DAY},
        )
        cursor.execute("ANALYZE failures_failuregroup, failures_failure, learnings_learning")
    fail_often(world, 3)

    with CaptureQueriesContext(connection) as asked:
        sweep(now=world.now + 10 * SECOND)

    scans = []
    with connection.cursor() as cursor:
        for query in asked:
            sql = query["sql"]
            if "failures_failuregroup" in sql and sql.lstrip().startswith(("SELECT", "WITH")):
                cursor.execute(f"EXPLAIN {sql}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                if "Seq Scan on failures_failuregroup" in plan:
                    scans.append(f"{sql}\n{plan}")
    assert not scans, "\n\n".join(scans)
    assert repeats(told) == (2, 1)


def test_nothing_but_the_runs_that_did_something_is_recorded(world, told):
    fail_often(world, 2)
    for n in range(5):
        sweep(now=world.now + (10 + n) * SECOND)

    assert AnalysisRun.objects.exclude(did={"digest": {}}).count() == AnalysisRun.objects.count()
    assert AnalysisRun.objects.filter(trigger="sweep").count() == 0
