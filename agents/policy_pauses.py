"""How pauses count, decided without a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST = timedelta(days=7)
"""A pause that nobody lifts ends by itself, and no later than this."""


@dataclass(frozen=True, order=True)
class Span:
    """A stretch of time: `start` belongs to it, `end` doesn't. Empty when `end` is no later."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Paused:
    """Who is paused at one instant: these agents by their ids, or everybody."""

    ids: frozenset[int] = frozenset()
    everybody: bool = False

    def __contains__(self, agent_id: int | None) -> bool:
        """Whether that agent is; None, for nobody in particular, only when everybody is."""
        return self.everybody or agent_id in self.ids


def end_of(*, until: datetime, lifted_at: datetime | None) -> datetime:
    """When a pause ended or will end: at its time, or when somebody lifted it sooner."""
    return until if lifted_at is None else min(until, lifted_at)


def overlap(pauses: Iterable[Span], since: datetime, until: datetime) -> timedelta:
    """How much of [since, until) the pauses cover, what several cover counted once."""
    covered, reached = timedelta(0), since
    for span in sorted(pauses):
        start, end = max(span.start, reached), min(span.end, until)
        if start < end:
            covered += end - start
            reached = end
    return covered


def unpaused(pauses: Sequence[Span], since: datetime, until: datetime) -> timedelta:
    """How much of [since, until) no pause covers: what a clock that pauses stop shows."""
    return max(until - since, timedelta(0)) - overlap(pauses, since, until)
