"""What was learned of a mistake stays with it when the fingerprint's version changes."""

from __future__ import annotations

from dataclasses import replace

from failures import queries
from failures.services import log
from failures.services.reversion import rejoin
from learnings.models import Learning
from learnings.services.analysis import analyse
from learnings.states import Trigger

MESSAGE = "Missing import"
current = log.grouping


def of_the_old_version(error_type, message):
    found = current(error_type, message)
    return replace(found, fingerprint="v0:" + found.fingerprint.partition(":")[2])


def test_the_learning_goes_on_counting_and_no_second_one_is_made(world, monkeypatch):
    monkeypatch.setattr(log, "grouping", of_the_old_version)
    failure = world.fail(MESSAGE, times=3)
    analyse(Trigger.COMMAND, now=world.now)
    known = Learning.objects.values().get()
    monkeypatch.setattr(log, "grouping", current)

    for leading in (True, False):
        rejoin(after=0, limit=100, leading=leading, actor="EVOX", now=world.now)

    assert Learning.objects.values().get() == known
    told = world.fail(MESSAGE, times=3)
    assert (told.root_pk, told.occurrences) == (failure.root_pk, 6)
    assert told.known_fix == queries.group_by_id(failure.root_pk).known_fix

    run = analyse(Trigger.COMMAND, now=world.now)

    assert run.learnings_made == 0
    assert world.the_learning().count == 6
