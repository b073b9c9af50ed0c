"""The page of work: dispatches with every try side by side, and failures that repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents.models import Attempt, Dispatch
from agents.states import AttemptOutcome, DispatchStatus, Strategy
from learnings import queries as learning_queries
from learnings.models import Learning
from learnings.states import LearningStatus
from monitoring import queries
from monitoring.marks import DISPATCH_MARKS, LEARNING_MARKS, OUTCOME_MARKS, STRATEGIES, Mark

TRIES_SHOWN = 6
LEARNINGS_SHOWN = 10


@dataclass(frozen=True)
class Try:
    """One attempt in a dispatch's row."""

    number: int
    agent: str
    strategy: str
    mark: Mark
    why: str
    detail: str


@dataclass(frozen=True)
class DispatchRow:
    """A dispatch, its tries side by side."""

    dispatch: Dispatch
    mark: Mark
    tries: Sequence[Try]
    earlier: int


@dataclass(frozen=True)
class LearningRow:
    """A learning and how it stands."""

    learning: Learning
    mark: Mark


@dataclass(frozen=True)
class Work:
    """What is under way, what was made last, what fails again and again, what was learned."""

    dispatches: Sequence[DispatchRow]
    repeats: Sequence[queries.Repeat]
    learnings: Sequence[LearningRow]


def work(*, now: datetime) -> Work:
    """The page as of `now`, in a number of queries that no number of rows changes."""
    return Work(
        dispatches=[dispatch_row(row) for row in queries.recent_dispatches()],
        repeats=queries.repeats(now=now),
        learnings=[
            LearningRow(row, LEARNING_MARKS[LearningStatus(row.status)])
            for row in learning_queries.learnings()[:LEARNINGS_SHOWN]
        ],
    )


def dispatch_row(dispatch: Dispatch) -> DispatchRow:
    """A dispatch whose attempts were fetched with their agents and failures."""
    tries = [_try(attempt) for attempt in dispatch.attempts.all()]
    shown = tries[-TRIES_SHOWN:]
    return DispatchRow(
        dispatch=dispatch,
        mark=DISPATCH_MARKS[DispatchStatus(dispatch.status)],
        tries=shown,
        earlier=len(tries) - len(shown),
    )


def _try(attempt: Attempt) -> Try:
    failure = next(iter(attempt.failures.all()), None)
    why = str(failure.group) if failure else attempt.reason
    return Try(
        number=attempt.number,
        agent=attempt.agent.name,
        strategy=STRATEGIES[Strategy(attempt.strategy)],
        mark=OUTCOME_MARKS[AttemptOutcome(attempt.outcome)],
        why=why,
        detail=attempt.reason,
    )
