"""Thousands of new patterns at once: few statements, few posts, and a bad one stops no other."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from agents.clock import db_now
from agents.models import Message
from agents.services.agents import seed_team
from failures.models import Failure, FailureGroup
from learnings.models import AnalysisRun, Learning
from learnings.services import news, writing
from learnings.services.analysis import analyse, sweep
from learnings.services.guidance import sync_guidance
from learnings.services.locks import free_slugs
from learnings.services.news import MOST_POSTS
from learnings.services.recurrence import watch_repeated
from learnings.states import Trigger
from tests.learnings.conftest import NOW
from tests.learnings.world import World

SECOND, MINUTE, WEEK = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=7)


def patterns(
    world: World, many: int, *, template: str = "Missing import", at: datetime | None = None
) -> list[FailureGroup]:
    """So many groups of three failures each; the last of them failed once more."""
    at, first = at or world.now, FailureGroup.objects.count()
    groups = FailureGroup.objects.bulk_create(
        FailureGroup(
            fingerprint=f"v1:{first + n}",
            error_type="build",
            template=template,
            count=3,
            first_seen_at=at,
            last_seen_at=at,
        )
        for n in range(many)
    )
    sam = world.agent("SAM")
    Failure.objects.bulk_create(
        Failure(
            agent=sam,
            group=group,
            error_type="build",
            message=template,
            fingerprint=group.fingerprint,
            created_at=at,
        )
        for group in [*groups * 3, groups[-1]]
    )
    return groups


def statements(trigger: Trigger, now: datetime) -> int:
    with CaptureQueriesContext(connection) as seen:
        analyse(trigger, now=now)
    return len(seen)


def own_posts(world: World) -> list[str]:
    return [text for text in world.posts() if text.startswith("New pattern discovered: ")]


@pytest.mark.parametrize("trigger", [Trigger.COMMAND, Trigger.WEEKLY])
def test_two_hundred_new_patterns_take_about_as_many_statements_as_twenty(world, trigger):
    patterns(world, 20)
    twenty = statements(trigger, world.now)
    patterns(world, 200, at=world.now + WEEK)
    two_hundred = statements(trigger, world.now + WEEK)

    assert Learning.objects.filter(status="active").count() == 220
    # The twenty that there are then are looked at as well.
    assert two_hundred <= twenty + 10


def test_a_sweep_takes_about_as_many_statements_for_two_hundred(world):
    analyse(Trigger.WEEKLY, now=world.now)
    patterns(world, 20)
    with CaptureQueriesContext(connection) as twenty:
        sweep(now=world.now)
    patterns(world, 200, at=world.now + MINUTE)
    with CaptureQueriesContext(connection) as two_hundred:
        sweep(now=world.now + MINUTE)

    assert Learning.objects.count() == 220
    assert len(two_hundred) <= len(twenty) + 10


def test_an_analysis_that_changes_nothing_takes_as_many_statements_whatever_there_is(world):
    patterns(world, 10)
    analyse(Trigger.COMMAND, now=world.now)
    ten = statements(Trigger.COMMAND, world.now + MINUTE)
    patterns(world, 180)
    analyse(Trigger.COMMAND, now=world.now + 2 * MINUTE)
    before = list(Learning.objects.order_by("id").values())

    assert statements(Trigger.COMMAND, world.now + 3 * MINUTE) <= ten
    assert list(Learning.objects.order_by("id").values()) == before


def test_each_has_its_own_slug_document_count_and_evidence(world, patterns_dir):
    groups = patterns(world, 250)

    run = analyse(Trigger.COMMAND, now=world.now)

    rows = {row.group_id: row for row in Learning.objects.all()}
    assert (run.learnings_made, len(rows)) == (250, 250)
    assert len({row.slug for row in rows.values()}) == 250
    assert {file.stem for file in patterns_dir.iterdir()} == {row.slug for row in rows.values()}
    for group in groups:
        row = rows[group.pk]
        theirs = Failure.objects.filter(group=group).order_by("-id").values_list("id", flat=True)
        assert row.evidence == list(theirs)
        assert (row.count, row.agents) == (len(theirs), ["SAM"])
        assert row.doc_path == str(patterns_dir / f"{row.slug}.md")
    assert FailureGroup.objects.exclude(guidance="").count() == 250


def test_guidance_is_in_step_soon_where_the_planner_believes_that_there_are_no_rows(world):
    """As after an ANALYZE of tables whose rows were all deleted."""
    patterns(world, 400)
    analyse(Trigger.COMMAND, now=world.now)
    FailureGroup.objects.update(guidance="")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET relpages = 1, reltuples = 0"
            " WHERE relname IN ('learnings_learning', 'failures_failuregroup')"
        )
        cursor.execute("SET LOCAL statement_timeout = '10s'")

    assert sync_guidance() == 400
    assert sync_guidance() == 0
    FailureGroup.objects.update(guidance="")
    assert sync_guidance(Learning.objects.values_list("id", flat=True)) == 400


def test_slugs_of_one_title_are_numbered_on_from_those_that_there_are(world):
    patterns(world, 3)
    analyse(Trigger.COMMAND, now=world.now)

    assert free_slugs(["Build failure: Missing import"] * 2 + ["Build failure", "New"] * 2) == [
        "build-failure-missing-import-4",
        "build-failure-missing-import-5",
        *("build-failure", "new", "build-failure-2", "new-2"),
    ]


def test_a_command_that_finds_many_posts_the_most_frequent_and_names_the_others_at_once(world):
    *_, frequent = patterns(world, 40)

    run = analyse(Trigger.COMMAND, now=world.now)
    analyse(Trigger.COMMAND, now=world.now + MINUTE)
    sweep(now=world.now + MINUTE)

    assert len(world.posts()) == MOST_POSTS + 1
    assert len(own_posts(world)) == MOST_POSTS
    assert Learning.objects.get(group=frequent).count == 4
    assert len([text for text in own_posts(world) if "\nCount: 4." in text]) == 1
    [rest] = set(world.posts()) - set(own_posts(world))
    assert rest.startswith("30 more new learnings:\n- #")
    assert rest.endswith("\n- and 20 more")
    assert len(run.did["announced"]) == 40
    assert not Learning.objects.unannounced().exists()


def test_a_week_that_finds_many_posts_the_most_frequent_and_names_the_others_in_its_digest(world):
    patterns(world, 300)

    run = analyse(Trigger.WEEKLY, now=world.now)
    analyse(Trigger.WEEKLY, now=world.now + MINUTE)
    sweep(now=world.now + MINUTE)

    assert len(world.posts()) == MOST_POSTS + 1
    assert len(own_posts(world)) == MOST_POSTS
    [digest] = set(world.posts()) - set(own_posts(world))
    assert digest.startswith("Learnings, week 2026-W47\nNew:\n- #")
    assert digest.endswith("\n- and 280 more")
    assert len(digest) < 2_000
    assert len(run.did["digest"]["unannounced"]) == 200
    assert not Learning.objects.unannounced().exists()


def test_what_many_were_named_in_one_post_is_not_announced_again(world):
    patterns(world, 15)
    analyse(Trigger.COMMAND, now=world.now)
    before = len(world.posts())
    patterns(world, 2, at=world.now + MINUTE)

    sweep(now=world.now + MINUTE)

    assert len(world.posts()) == before + 2


_REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON learnings_learning
FOR EACH ROW WHEN (NEW.title LIKE '%bad%') EXECUTE FUNCTION refuse();
"""


def test_one_that_cannot_be_written_stops_no_other_and_is_tried_again(world):
    [bad] = patterns(world, 1, template="A bad one")
    patterns(world, 60)
    with connection.cursor() as cursor:
        cursor.execute(_REFUSE)

    run = analyse(Trigger.COMMAND, now=world.now)

    assert Learning.objects.count() == 60
    assert (run.learnings_made, run.did["failed"]) == (60, [bad.pk])

    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse ON learnings_learning")
    analyse(Trigger.COMMAND, now=world.now + MINUTE)
    assert Learning.objects.filter(group=bad).count() == 1
    assert Learning.objects.count() == 61


def test_a_run_that_ends_half_way_leaves_nothing_and_the_next_one_says_each_thing_once(
    world, monkeypatch, patterns_dir
):
    patterns(world, 30)

    def power_cut(*args, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(news, "post_digest", power_cut)
        with pytest.raises(KeyboardInterrupt):
            analyse(Trigger.WEEKLY, now=world.now)
    assert not Learning.objects.exists()
    assert not AnalysisRun.objects.exists()
    assert world.posts() == []
    assert not patterns_dir.exists()

    for _ in range(2):
        analyse(Trigger.WEEKLY, now=world.now)
    assert Learning.objects.count() == 30
    assert len(world.posts()) == MOST_POSTS + 1
    assert len(list(patterns_dir.iterdir())) == 30


def test_a_document_that_cannot_be_written_stops_no_other(world, patterns_dir):
    patterns(world, 30)
    (patterns_dir / "build-failure-missing-import-7.md").mkdir(parents=True)

    analyse(Trigger.COMMAND, now=world.now)

    rows = Learning.objects.order_by("id")
    assert [row.slug for row in rows if not row.doc_path] == ["build-failure-missing-import-7"]
    assert len([file for file in patterns_dir.iterdir() if file.is_file()]) == 29

    (patterns_dir / "build-failure-missing-import-7.md").rmdir()
    sweep(now=world.now + MINUTE)
    assert not rows.filter(doc_path="").exists()


def test_the_command_shows_a_bar_on_a_terminal_and_nothing_in_a_log(world):
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    patterns(world, 250, at=db_now())
    terminal, log = Terminal(), StringIO()

    call_command("analyze_patterns", stdout=StringIO(), stderr=terminal, no_color=True)
    call_command("analyze_patterns", stdout=StringIO(), stderr=log)

    steps = [line.split() for line in terminal.getvalue().replace("\r", "\n").splitlines()]
    assert [(what, done, of) for what, _, done, _, of in steps] == [
        ("Learnings", "200", "250"),
        ("Learnings", "250", "250"),
        ("Documents", "200", "250"),
        ("Documents", "250", "250"),
    ]
    assert [bar.count("█") for _, bar, *_ in steps] == [32, 40, 32, 40]
    assert log.getvalue() == ""


@pytest.mark.django_db(transaction=True)
def test_without_a_connection_the_run_ends_at_once(monkeypatch):
    seed_team(now=NOW)
    patterns(World(now=NOW), 30)
    tries = []

    def cut_off(some, now):
        tries.append(len(some))
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(writing, "_write", cut_off)
    with pytest.raises(DatabaseError):
        analyse(Trigger.COMMAND, now=NOW)
    connection.close()

    assert tries == [30]
    assert not Learning.objects.exists()


def test_an_owner_of_many_that_do_not_hold_gets_ten_messages_and_one_of_the_rest(world):
    patterns(world, 15)
    sweep(now=world.now)
    own = list(Learning.objects.order_by("id"))
    for n, learning in enumerate(own):
        owner = ("LEO", "GONE")[n] if n < 2 else "MAX"
        Learning.objects.filter(pk=learning.pk).update(exposed_repeats=3 + n, owner=owner)

    with transaction.atomic():
        watched = watch_repeated(now=world.now + MINUTE)

    assert watched == [learning.pk for learning in own]
    assert [text.split()[1] for text in world.inbox("LEO")] == [str(own[0].pk)]
    assert {text.split()[1] for text in world.inbox()} == {str(one.pk) for one in own[5:]}
    rest = Message.objects.get(to_agent__name="MAX", subject_kind="")
    numbers = ", ".join(str(own[n].pk) for n in (4, 3, 2, 1))
    assert rest.text.startswith(f"4 more learnings don't hold: {numbers}. ")
    assert Message.objects.filter(to_agent__isnull=False).count() == 12
