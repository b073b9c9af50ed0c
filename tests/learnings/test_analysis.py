"""Three failures of a kind within a week become one learning, however often one looks."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Channel
from failures.models import FailureGroup
from learnings import tasks
from learnings.models import AnalysisRun, Learning
from learnings.services import lifecycle, revisions
from learnings.services.analysis import analyse, sweep
from learnings.states import Trigger

WEEK = timedelta(days=7)


def test_three_failures_make_one_learning_one_document_and_one_post(world, patterns_dir):
    world.fail(times=3)

    run = analyse(Trigger.COMMAND, now=world.now)

    learning = world.the_learning()
    assert (run.patterns_found, run.learnings_made) == (1, 1)
    assert (learning.count, learning.agents, learning.status) == (3, ["SAM"], "active")
    assert learning.category == "build"
    assert [file.name for file in patterns_dir.iterdir()] == [f"{learning.slug}.md"]
    assert learning.doc_path == str(patterns_dir / f"{learning.slug}.md")
    [post] = world.posts()
    assert post.startswith("New pattern discovered: Build failure: Missing import\nProblem: ")
    assert "\nSolution: None is known yet." in post
    assert "\nCategory: build" in post


def test_two_failures_are_no_pattern(world):
    world.fail(times=2)

    assert analyse(Trigger.COMMAND, now=world.now).patterns_found == 0
    assert not Learning.objects.exists()


def test_failures_of_more_than_a_week_ago_do_not_count(world):
    world.fail(times=2, at=world.now - WEEK - timedelta(seconds=1))
    world.fail(times=2)

    assert analyse(Trigger.COMMAND, now=world.now).patterns_found == 0


def test_the_same_three_again_double_nothing_and_count_six(world, patterns_dir):
    world.fail(times=3)
    analyse(Trigger.COMMAND, now=world.now)
    world.fail(times=2)
    world.fail(by="LEO")

    run = analyse(Trigger.COMMAND, now=world.now)

    learning = world.the_learning()
    assert (run.patterns_found, run.learnings_made, run.learnings_refreshed) == (1, 0, 1)
    assert (learning.count, learning.agents) == (6, ["LEO", "SAM"])
    assert len(learning.evidence) == 6
    assert len(world.posts()) == 1
    [file] = patterns_dir.iterdir()
    assert "Count: 6" in file.read_text()


def test_a_run_without_news_changes_nothing(world):
    world.fail(times=3)
    analyse(Trigger.COMMAND, now=world.now)
    before = Learning.objects.values().get()

    analyse(Trigger.COMMAND, now=world.now + timedelta(minutes=1))

    assert Learning.objects.values().get() == before


def test_the_count_does_not_shrink_when_the_week_is_over(world):
    world.fail(times=3)
    analyse(Trigger.COMMAND, now=world.now)

    run = analyse(Trigger.COMMAND, now=world.now + 2 * WEEK)

    assert run.patterns_found == 0
    assert world.the_learning().count == 3


def test_each_group_gets_a_learning_of_its_own(world):
    world.fail(times=3)
    world.fail("connection refused by upstream", times=3, error_type="api", by="LEO")

    analyse(Trigger.COMMAND, now=world.now)

    titles = set(Learning.objects.values_list("title", flat=True))
    assert titles == {
        "Build failure: Missing import",
        "API failure: connection refused by upstream",
    }


def test_the_weekly_run_is_made_once_an_iso_week(world):
    world.fail(times=3)
    first = analyse(Trigger.WEEKLY, now=world.now)

    assert analyse(Trigger.WEEKLY, now=world.now + timedelta(hours=1)) == first
    assert analyse(Trigger.WEEKLY, now=world.now + WEEK) != first
    assert len(world.posts()) == 1


def test_a_missed_weekly_run_is_made_up_for_by_the_next_sweep(world):
    analyse(Trigger.WEEKLY, now=world.now - 2 * WEEK)

    sweep(now=world.now)

    weeks = AnalysisRun.objects.filter(trigger="weekly").values_list("iso_week", flat=True)
    assert sorted(weeks) == ["2026-W45", "2026-W47"]


def test_a_sweep_writes_about_the_third_occurrence(world):
    sweep(now=world.now)
    world.fail(times=2)
    assert sweep(now=world.now + timedelta(seconds=10)) is None
    world.fail(at=world.now + timedelta(seconds=15))

    run = sweep(now=world.now + timedelta(seconds=20))

    assert run is not None
    assert (run.trigger, run.learnings_made) == ("sweep", 1)
    assert world.the_learning().count == 3
    assert sweep(now=world.now + timedelta(seconds=30)) is None
    assert len(world.posts()) == 1


def test_a_sweep_with_nothing_to_do_asks_few_questions(world):
    world.fail(times=3)
    sweep(now=world.now)
    sweep(now=world.now + timedelta(minutes=9))

    with CaptureQueriesContext(
        connection,
    ) as asked:
        sweep(now=world.now + timedelta(minutes=10))

    selects = [query for query in asked if "SELECT" in query["sql"]]
    assert len(selects) <= 14
    assert not any("INSERT" in query["sql"] for query in asked)


def test_an_ignored_group_is_no_pattern(world):
    failure = world.fail(times=3)
    FailureGroup.objects.filter(pk=failure.group_id).update(status="ignored")

    assert analyse(Trigger.COMMAND, now=world.now).patterns_found == 0


def test_a_rejected_learning_is_not_proposed_again_before_its_review(world, settings):
    settings.EVOX_LEARNING_APPROVAL = "review"
    world.fail(times=3)
    analyse(Trigger.COMMAND, now=world.now)
    lifecycle.reject(world.the_learning().pk, actor="max", now=world.now)
    world.fail(times=3)

    assert analyse(Trigger.COMMAND, now=world.now).learnings_made == 0

    later = world.now + timedelta(days=91)
    world.fail(times=3, at=later)
    assert analyse(Trigger.COMMAND, now=later).learnings_made == 1


def test_after_a_retirement_only_new_failures_count(world):
    world.fail(times=3)
    analyse(Trigger.COMMAND, now=world.now)
    lifecycle.retire(world.the_learning().pk, actor="max", now=world.now)
    soon = world.now + timedelta(hours=1)

    assert analyse(Trigger.COMMAND, now=soon).learnings_made == 0

    world.fail(times=3, at=soon)
    assert analyse(Trigger.COMMAND, now=soon).learnings_made == 1
    assert Learning.objects.live().get().slug == "build-failure-missing-import-2"


@pytest.mark.parametrize(("approval", "status"), [("auto", "active"), ("review", "proposed")])
def test_who_lets_template_text_be_told_is_a_setting(world, settings, approval, status):
    settings.EVOX_LEARNING_APPROVAL = approval
    world.fail(times=3)

    analyse(Trigger.COMMAND, now=world.now)

    assert world.the_learning().status == status
    assert len(world.posts()) == (1 if approval == "auto" else 0)


def test_a_known_fix_waits_beside_the_learning_until_a_person_approved_it(world, patterns_dir):
    world.resolve(world.fail(), "Added the import", "workaround")
    world.resolve(world.fail(), "Ran the codemod of the repository")
    world.fail()

    sweep(now=world.now)

    learning = world.the_learning()
    assert learning.status == "active"
    [file] = patterns_dir.iterdir()
    assert "codemod" not in world.posts()[0] + file.read_text() + learning.rule + learning.solution
    [revision] = learning.revisions.all()
    assert (revision.status, revision.solution) == ("proposed", "Ran the codemod of the repository")

    revisions.approve(revision.pk, actor="max", now=world.now)

    assert len(world.posts()) == 2
    assert "\nSolution:\n```text\nRan the codemod of the repository\n```" in world.posts()[0]
    assert "Ran the codemod of the repository" in file.read_text()


def test_guidance_stands_on_the_group_while_the_learning_is_told(world):
    group = world.fail(times=3).group
    analyse(Trigger.COMMAND, now=world.now)

    failure = world.fail()
    assert "Missing import" in failure.known_fix
    assert len(failure.known_fix) <= 280

    lifecycle.retire(world.the_learning().pk, actor="max", now=world.now)
    assert FailureGroup.objects.get(pk=group.pk).guidance == ""


def test_the_command_says_how_many_patterns_there_are(db, world):
    out = StringIO()

    call_command("analyze_patterns", stdout=out)

    assert out.getvalue() == "patternsFound: 0\ndid: nothing new\n"


def test_both_tasks_run(world):
    tasks.analyse()
    tasks.sweep()

    assert AnalysisRun.objects.get().trigger == "weekly"


def test_without_a_dev_channel_the_post_waits_for_it(world):
    Channel.objects.filter(name="dev").delete()
    world.fail(times=3)
    analyse(Trigger.WEEKLY, now=world.now)
    assert world.the_learning().announced_at is None

    Channel.objects.create(name="dev", created_at=world.now)
    sweep(now=world.now)
    sweep(now=world.now)

    assert len(world.posts()) == 1
    assert world.the_learning().announced_at == world.now


def test_the_count_begins_with_the_week_of_the_pattern_and_goes_on(world):
    world.fail(times=2, at=world.now - 4 * WEEK)
    world.fail(times=3)
    analyse(Trigger.COMMAND, now=world.now)
    assert world.the_learning().count == 3

    world.fail(at=world.now + 2 * WEEK)
    analyse(Trigger.COMMAND, now=world.now + 2 * WEEK)

    assert world.the_learning().count == 4


def test_an_announcement_that_was_forgotten_is_not_made_twice(world):
    world.fail(times=3)
    analyse(Trigger.COMMAND, now=world.now)
    Learning.objects.update(announced_at=None)

    analyse(Trigger.COMMAND, now=world.now)

    assert len(world.posts()) == 1
