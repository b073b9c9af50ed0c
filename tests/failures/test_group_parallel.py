"""Failures that come in while people merge, split, undo and resolve: nothing is lost or waits."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Barrier

import pytest
from django.db import connection, transaction

from agents.states import IllegalMoveError
from failures import queries
from failures.models import Failure, FailureGroup, GroupAlias
from failures.policy_groups import GroupConflictError
from failures.services.group_merges import merge, split, undo
from failures.services.groups import set_status
from failures.states import GroupStatus
from tests.failures.groups_world import WORDS, fail, failed, group
from tests.wire import T0

LETTERS = sorted(WORDS)
ROUNDS = 40


def together(*acts: Callable[[], object]) -> list[object]:
    """What the acts return, each in a thread and all begun at once; raises what one raised."""
    start = Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        try:
            with connection.cursor() as cursor:
                # A deadlock is a fault here, not something to wait a second for.
                cursor.execute("SET lock_timeout = '20s'")
            start.wait()
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def decide(seed: int) -> int:
    """A lead who merges, splits, undoes and resolves at random; returns how often it was legal."""
    chance, done = random.Random(seed), 0
    ids = [group(letter).pk for letter in LETTERS]
    said = {"actor": f"lead {seed}", "now": T0}
    for _ in range(ROUNDS):
        into, *others = chance.sample(ids, chance.randint(2, 4))
        resolve = partial(set_status, into, GroupStatus.RESOLVED, resolution="Done.", **said)
        verbs = [
            partial(merge, others, into=into, **said),
            partial(split, into, members=others[:1], **said),
            partial(undo, into, **said),
            resolve,
        ]
        with suppress(GroupConflictError, IllegalMoveError):
            chance.choices(verbs, [4, 3, 3, 2])[0]()
            done += 1
    return done


def report(seed: int) -> int:
    """An agent whose bulks name the mistakes in whatever order; returns how many it reported."""
    chance, sent = random.Random(seed), 0
    for _ in range(ROUNDS):
        letters = chance.choices(LETTERS, k=chance.randint(1, 12))
        told = fail("".join(letters))
        assert all(failure.occurrences >= 1 for failure in told)
        sent += len(letters)
    return sent


@pytest.mark.django_db(transaction=True)
def test_merges_and_splits_beside_bulks_lose_no_failure_and_lock_nobody_out() -> None:
    fail("".join(LETTERS))
    acts = [lambda n=n: report(n) for n in range(4)] + [lambda n=n: decide(n) for n in range(4)]
    results = together(*acts)

    assert all(results)
    reported = len(LETTERS) + sum(results[:4])
    assert Failure.objects.count() == reported
    counted = Counter(Failure.objects.values_list("group", flat=True))
    assert dict(FailureGroup.objects.values_list("id", "count")) == counted
    assert sum(one.total for one in queries.groups()) == reported
    merged = FailureGroup.objects.filter(merged_into__isnull=False)
    standing = GroupAlias.objects.filter(undone_at__isnull=True)
    assert dict(standing.values_list("group", "root")) == dict(
        merged.values_list("id", "merged_into")
    )
    assert not merged.filter(merged_into__merged_into__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_two_merges_that_would_make_a_chain_leave_one() -> None:
    def attempt(one: int, into: int) -> None:
        with suppress(GroupConflictError):
            merge([one], into=into, actor="ana", now=T0)

    fail("abc")
    a, b, c = (group(letter).pk for letter in "abc")
    for _ in range(10):
        together(*[partial(attempt, *pair) for pair in ((a, b), (b, c), (c, a))])

        merged = FailureGroup.objects.filter(merged_into__isnull=False)
        assert not merged.filter(merged_into__merged_into__isnull=False).exists()
        assert merged.exists()
        for pk, root in list(merged.values_list("id", "merged_into")):
            split(root, members=[pk], actor="ana", now=T0)


@pytest.mark.django_db(transaction=True)
def test_a_members_failure_beside_its_roots_resolution_leaves_no_stale_verdict() -> None:
    fail("ab")
    root = group("a").pk
    merge([group("b").pk], into=root, actor="ana", now=T0)
    for _ in range(20):
        together(
            lambda: set_status(root, GroupStatus.RESOLVED, resolution="x", actor="ana", now=T0),
            lambda: failed("b"),
        )
        failed("b")  # Whatever came first: after the next failure it has regressed.

        assert group("a").status == "regressed"


@pytest.mark.django_db(transaction=True)
def test_a_merge_under_way_keeps_no_failure_of_another_group_nor_of_its_root_waiting() -> None:
    fail("abc")
    with transaction.atomic():
        merge([group("b").pk], into=group("a").pk, actor="ana", now=T0)
        [told, root] = together(lambda: failed("c"), lambda: failed("a"))

    assert (told.occurrences, root.occurrences) == (2, 2)
    assert failed("b").occurrences == 4
