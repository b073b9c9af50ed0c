"""Analyses that run at the same time write each thing once."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from agents.services.agents import seed_team
from failures.fingerprint import fingerprint
from failures.models import FailureGroup
from learnings.models import AnalysisRun, Learning
from learnings.services import lifecycle, switch
from learnings.services.analysis import analyse, sweep
from learnings.states import Trigger
from tests.learnings.conftest import NOW
from tests.learnings.world import World

NEXT = NOW + timedelta(days=7)
WORDS = ("socket", "compiler", "printer", "engine", "bridge")


@pytest.fixture
def shared_world(transactional_db):
    seed_team(now=NOW)
    return World(now=NOW)


def at_once(jobs):
    start = Barrier(len(jobs))

    def run(job):
        try:
            start.wait(timeout=60)
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result(timeout=300) for future in [pool.submit(run, job) for job in jobs]]


def test_eight_analyses_at_once_make_one_learning_and_one_post(shared_world, patterns_dir):
    shared_world.fail(times=3)
    shared_world.fail("disk quota exceeded", times=4, by="LEO")

    at_once([lambda: analyse(Trigger.COMMAND, now=NOW)] * 4 + [lambda: sweep(now=NOW)] * 4)

    assert Learning.objects.count() == 2
    assert len(shared_world.posts()) == 2
    assert len(list(patterns_dir.iterdir())) == 2


def test_two_weekly_runs_at_once_are_one(shared_world):
    runs = at_once([lambda: analyse(Trigger.WEEKLY, now=NOW)] * 3)

    assert len({run.pk for run in runs}) == 1
    assert AnalysisRun.objects.count() == 1


def what_happened(world: World) -> None:
    """A week in which something was retired, something came back, and something is new."""
    world.fail(times=3)
    world.fail("disk quota exceeded", times=3, by="LEO")
    analyse(Trigger.WEEKLY, now=NOW)
    for n in range(1, 6):
        world.fail_and_hear(at=NOW + timedelta(seconds=n))
    ended = Learning.objects.get(title__contains="disk quota")
    lifecycle.retire(ended.pk, actor="max", reason="Wrong.", now=NOW + timedelta(days=1))
    world.fail("no such table users", times=3, at=NEXT)


def one_of_each(world: World) -> None:
    posts = world.posts()
    assert len([text for text in posts if text.startswith("New pattern discovered")]) == 3
    assert len([text for text in posts if text.startswith("Learnings, week 2026-W48")]) == 1
    assert len([text for text in posts if text.startswith("Learnings, week")]) == 1
    assert len(world.inbox()) == 1
    assert sorted(Learning.objects.values_list("status", flat=True)) == [
        "active",
        "retired",
        "watch",
    ]
    repeated = Learning.objects.get(status="watch")
    assert (repeated.exposed_repeats, repeated.unexposed_repeats) == (4, 1)
    weekly = AnalysisRun.objects.filter(trigger="weekly", iso_week="2026-W48").get()
    assert weekly.did["digest"]["said"] is True


def test_weekly_runs_and_sweeps_at_once_say_each_thing_once(shared_world):
    what_happened(shared_world)

    jobs = [lambda: analyse(Trigger.WEEKLY, now=NEXT), lambda: sweep(now=NEXT)] * 3
    at_once([*jobs, lambda: analyse(Trigger.COMMAND, now=NEXT)])

    one_of_each(shared_world)


IN_A_PROCESS = """
import sys, django
from datetime import datetime
django.setup()
from learnings.services.analysis import analyse, sweep
from learnings.states import Trigger
now = datetime.fromisoformat(sys.argv[1])
sys.stdin.read(1)
for _ in range(3):
    analyse(Trigger.WEEKLY, now=now)
    sweep(now=now)
"""


def test_two_processes_at_once_say_each_thing_once(shared_world, patterns_dir):
    what_happened(shared_world)
    name = connection.settings_dict["NAME"]
    environment = {
        **os.environ,
        "DATABASE_URL": f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}",
        "DJANGO_SETTINGS_MODULE": "evox.settings",
        "EVOX_PATTERNS_DIR": str(patterns_dir),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", IN_A_PROCESS, NEXT.isoformat()],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=settings.BASE_DIR,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()

    one_of_each(shared_world)


def test_turning_the_switch_while_learnings_become_active_leaves_no_guidance(shared_world):
    for n in range(5):
        shared_world.fail(f"{WORDS[n]} is broken", times=3)

    def off():
        switch.turn(on=False, actor="max", reason="r", now=NOW)

    at_once([lambda: analyse(Trigger.COMMAND, now=NOW), off, lambda: sweep(now=NOW)])
    sweep(now=NOW + timedelta(hours=1))

    assert Learning.objects.filter(status="active").count() == 5
    assert not FailureGroup.objects.exclude(guidance="").exists()


def test_retiring_and_sweeping_and_failing_at_once_end_without_a_deadlock(shared_world):
    shared_world.fail(times=3)
    shared_world.fail("disk quota exceeded", times=3)
    analyse(Trigger.COMMAND, now=NOW)
    learnings = list(Learning.objects.values_list("id", flat=True))

    def log():
        for n in range(10):
            shared_world.fail_and_hear(at=NOW + timedelta(seconds=n))
            shared_world.fail_and_hear("disk quota exceeded", at=NOW + timedelta(seconds=n))

    def turn():
        for n in range(6):
            switch.turn(on=n % 2 == 1, actor="max", reason="r", now=NOW + timedelta(seconds=n))

    def end():
        for pk in learnings:
            lifecycle.retire(pk, actor="max", reason="r", now=NOW)

    at_once(
        [log, log, turn, end, lambda: sweep(now=NOW), lambda: analyse(Trigger.COMMAND, now=NOW)]
    )

    assert set(Learning.objects.filter(pk__in=learnings).values_list("status", flat=True)) == {
        "retired"
    }
    told = Learning.objects.told().values_list("group_id", flat=True)
    assert not FailureGroup.objects.exclude(guidance="").exclude(pk__in=told).exists()


def in_a_thread(pool: ThreadPoolExecutor, job):
    def run():
        try:
            job()
        finally:
            connection.close()

    return pool.submit(run)


def test_the_switch_waits_for_whoever_writes_guidance_and_takes_that_away_too(
    shared_world, settings
):
    settings.EVOX_LEARNING_APPROVAL = "review"
    shared_world.fail(times=3)
    analyse(Trigger.COMMAND, now=NOW)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lifecycle.approve(Learning.objects.get().pk, actor="max", now=NOW)
            off = in_a_thread(pool, lambda: switch.turn(on=False, actor="max", reason="r", now=NOW))
            with pytest.raises(TimeoutError):
                off.result(timeout=1)
        off.result(timeout=120)

    assert not FailureGroup.objects.exclude(guidance="").exists()


def test_guidance_locks_groups_in_the_order_in_which_failures_are_logged(shared_world):
    texts = sorted(
        ["Missing import", "disk quota exceeded"], key=lambda text: fingerprint("build", text)
    )
    for text in reversed(texts):
        shared_world.fail(text, times=3)
    analyse(Trigger.COMMAND, now=NOW)
    first, last = (FailureGroup.objects.get(fingerprint=fingerprint("build", t)) for t in texts)
    assert first.pk > last.pk

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            FailureGroup.objects.select_for_update().get(pk=first.pk)
            off = in_a_thread(pool, lambda: switch.turn(on=False, actor="max", reason="r", now=NOW))
            with pytest.raises(TimeoutError):
                off.result(timeout=1)
            FailureGroup.objects.select_for_update(nowait=True).get(pk=last.pk)
        off.result(timeout=120)


def test_failures_logged_during_an_analysis_are_neither_refused_nor_lost(shared_world):
    shared_world.fail(times=3)
    shared_world.fail("disk quota exceeded", times=3)

    def log():
        for _ in range(10):
            shared_world.fail("disk quota exceeded")
            shared_world.fail()

    at_once([log, log, lambda: analyse(Trigger.COMMAND, now=NOW)])
    analyse(Trigger.COMMAND, now=NOW + timedelta(seconds=1))

    assert sorted(Learning.objects.values_list("count", flat=True)) == [23, 23]


def test_the_database_refuses_a_second_live_learning_of_a_group(world):
    world.fail(times=3)
    analyse(Trigger.COMMAND, now=NOW)
    twin = world.the_learning()
    twin.pk, twin.slug = None, "another"

    with (
        pytest.raises(IntegrityError, match="learning_one_live_per_group"),
        transaction.atomic(),
    ):
        twin.save(force_insert=True)
