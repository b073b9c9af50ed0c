"""Analyses that run at the same time write each thing once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from agents.services.agents import seed_team
from learnings.models import AnalysisRun, Learning
from learnings.services.analysis import analyse, sweep
from learnings.states import Trigger
from tests.learnings.conftest import NOW
from tests.learnings.world import World


@pytest.fixture
def shared_world(transactional_db):
    seed_team(now=NOW)
    return World(now=NOW)


def at_once(jobs):
    start = Barrier(len(jobs))

    def run(job):
        try:
            start.wait(timeout=20)
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, job) for job in jobs]]


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
