"""Ranks, life and clipped text, as tables."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.policy import clip, is_online, rank_at
from agents.states import (
    ATTEMPT_MOVES,
    DISPATCH_MOVES,
    AttemptOutcome,
    DispatchStatus,
    IllegalMoveError,
    Priority,
    check_move,
)
from tests.wire import T0


@pytest.mark.parametrize(
    ("priority", "hours"),
    [(Priority.URGENT, 0), (Priority.HIGH, 1), (Priority.NORMAL, 8), (Priority.LOW, 24)],
)
def test_each_priority_stands_its_step_behind(priority: Priority, hours: int) -> None:
    assert rank_at(priority, created_at=T0) == T0 + timedelta(hours=hours)


def test_low_work_that_waited_a_day_stands_beside_fresh_urgent_work() -> None:
    assert rank_at(Priority.LOW, created_at=T0 - timedelta(days=1)) == rank_at(
        Priority.URGENT, created_at=T0
    )


@pytest.mark.parametrize(
    ("seconds_ago", "online"),
    [(None, False), (0, True), (60, True), (179, True), (180, False), (9999, False), (-5, True)],
)
def test_a_sign_of_life_counts_for_interval_and_grace(
    seconds_ago: int | None, online: bool
) -> None:
    seen = None if seconds_ago is None else T0 - timedelta(seconds=seconds_ago)

    assert (
        is_online(seen, interval=timedelta(seconds=60), grace=timedelta(seconds=120), now=T0)
        is online
    )


@pytest.mark.parametrize("length", [0, 1, 99, 100])
def test_text_within_the_limit_stays_as_it_is(length: int) -> None:
    assert clip("x" * length, 100) == "x" * length


@pytest.mark.parametrize("length", [101, 1_000, 1_000_000])
def test_long_text_keeps_its_head_and_tail_and_says_what_was_cut(length: int) -> None:
    text = "HEAD" + "x" * (length - 8) + "TAIL"

    clipped = clip(text, 100)

    assert len(clipped) <= 100
    assert clipped.startswith("HEAD")
    assert clipped.endswith("TAIL")
    assert "characters cut" in clipped


def test_a_legal_move_is_returned_and_an_illegal_one_raises() -> None:
    running, pending = DispatchStatus.RUNNING, DispatchStatus.PENDING
    assert check_move(DISPATCH_MOVES, pending, running, noun="dispatch") is running
    with pytest.raises(
        IllegalMoveError, match="This dispatch is completed; it can't become pending"
    ):
        check_move(DISPATCH_MOVES, DispatchStatus.COMPLETED, pending, noun="dispatch")
    with pytest.raises(IllegalMoveError):
        check_move(ATTEMPT_MOVES, AttemptOutcome.LOST, AttemptOutcome.SUCCEEDED, noun="attempt")
