"""Uptime: what each second of an agent's time was. No database, no clock, whole UTC seconds.

A second is of the first kind that fits:

1. excluded: paused, announced offline, retired, or before the agent was made;
2. expected, and proven alive by a sign of life: up;
3. unknown: EVOX was not listening all the while in which a sign of life would have proven it;
4. expected, and nothing proves it: down;
5. not expected: excluded.

So an agent is never held down for what EVOX could not hear: after a gap in its own listening a
whole interval and grace go by before silence counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from agents.policy_pauses import Span

HOUR = 3_600
FULL = 10_000
"""A share of one, in hundredths of a percent."""
COVERAGE_SHOWN_UNDER = 9_900

_EXCLUDED, _ALIVE, _LISTENING, _EXPECTED, _HELD, _STUCK = range(6)


class SecondKind(StrEnum):
    """What a second of an agent's time was."""

    UP = "up"
    DOWN = "down"
    EXCLUDED = "excluded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class History:
    """What is known of an agent; spans may overlap, be empty, and reach out of the window."""

    proof: timedelta
    """For how long a sign of life proves life: the interval and the grace."""
    alive: Sequence[Span] = ()
    expected: Sequence[Span] = ()
    """From a session's start or a claim to its end; see `definitions`."""
    excluded: Sequence[Span] = ()
    """Pauses, and when it had announced that it is offline."""
    held: Sequence[Span] = ()
    """When it held work."""
    stuck: Sequence[Span] = ()
    """When work that it held stood still."""
    created_at: datetime | None = None
    retired_at: datetime | None = None


class Stretch(NamedTuple):
    """Consecutive seconds of one kind, in UTC; `end` is the first second after them."""

    start: datetime
    end: datetime
    kind: SecondKind


@dataclass(frozen=True)
class Seconds:
    """How many seconds of a window were of each kind; the four sum to the window."""

    up: int = 0
    down: int = 0
    excluded: int = 0
    unknown: int = 0
    productive: int = 0
    """Of those up: it held work, and none of it stood still."""

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(
            self.up + other.up,
            self.down + other.down,
            self.excluded + other.excluded,
            self.unknown + other.unknown,
            self.productive + other.productive,
        )

    @property
    def window(self) -> int:
        """All of them."""
        return self.up + self.down + self.excluded + self.unknown

    @property
    def known(self) -> int:
        """What the uptime is a share of: expected, and observed."""
        return self.up + self.down

    @property
    def uptime(self) -> int | None:
        """Hundredths of a percent, floored; None without a second to judge by.

        10,000 (100.00 %) only without a second of down.
        """
        return FULL * self.up // self.known if self.known else None

    @property
    def coverage(self) -> int | None:
        """The share of the window that the uptime speaks of, in hundredths of a percent, floored.

        None for an empty window.
        """
        return FULL * self.known // self.window if self.window else None

    @property
    def coverage_matters(self) -> bool:
        """Whether so little was known that it must be said beside the uptime."""
        return self.coverage is None or self.coverage < COVERAGE_SHOWN_UNDER


class Piece(NamedTuple):
    """Seconds [start, end), by `second`, that are alike; of many, so it is a tuple."""

    kind: SecondKind
    productive: bool
    start: int
    end: int


def percent(share: int | None) -> str:
    """Such as "97.41 %", of hundredths of a percent; "no data" for None."""
    return "no data" if share is None else f"{share // 100}.{share % 100:02d} %"


def seconds_of(
    history: History, *, listening: Sequence[Span], since: datetime, until: datetime
) -> Seconds:
    """How many seconds of [since, until) were of each kind."""
    return sum_of(pieces_of(history, listening=listening, since=since, until=until))


def hourly(
    history: History, *, listening: Sequence[Span], since: datetime, until: datetime
) -> dict[datetime, list[Piece]]:
    """[since, until) by the hour, by its first instant in UTC; the first and last may be parts."""
    found: defaultdict[int, list[Piece]] = defaultdict(list)
    for piece in pieces_of(history, listening=listening, since=since, until=until):
        for hour in range(piece.start - piece.start % HOUR, piece.end, HOUR):
            start, end = max(piece.start, hour), min(piece.end, hour + HOUR)
            found[hour].append(Piece(piece.kind, piece.productive, start, end))
    return {instant(hour): pieces for hour, pieces in found.items()}


def stretches(
    history: History, *, listening: Sequence[Span], since: datetime, until: datetime
) -> list[Stretch]:
    """[since, until) as consecutive stretches, no two neighbours of one kind."""
    return stretches_of(pieces_of(history, listening=listening, since=since, until=until))


def stretches_of(pieces: Iterable[Piece]) -> list[Stretch]:
    """Consecutive pieces as stretches, no two neighbours of one kind."""
    runs: list[tuple[int, int, SecondKind]] = []
    for kind, _, start, end in pieces:
        if runs and runs[-1][2] is kind:
            start = runs.pop()[0]  # noqa: PLW2901 - the two are one
        runs.append((start, end, kind))
    # Each ends where the next begins.
    turns = [*(instant(start) for start, _, _ in runs), *(instant(end) for _, end, _ in runs[-1:])]
    return [
        Stretch(start, end, kind)
        for (start, end), (_, _, kind) in zip(pairwise(turns), runs, strict=True)
    ]


def clipped(pieces: Iterable[Piece], *, since: datetime, until: datetime) -> Iterator[Piece]:
    """What of the pieces lies in [since, until)."""
    low, high = second(since), second(until)
    for piece in pieces:
        kind, productive, start, end = piece
        if end <= low or start >= high:
            continue
        if low <= start and end <= high:
            yield piece
        else:
            yield Piece(kind, productive, max(start, low), min(end, high))


def second(at: datetime) -> int:
    """The whole second, since 1970 in UTC, that an instant falls in, whatever zone it is told in.

    Subtracting two instants of one zone would count by its clocks on the wall.
    """
    return int(at.timestamp() // 1)


def instant(at: int) -> datetime:
    """The beginning of that second, in UTC."""
    return datetime.fromtimestamp(at, tz=UTC)


def pieces_of(
    history: History, *, listening: Sequence[Span], since: datetime, until: datetime
) -> Iterator[Piece]:
    """[since, until) as consecutive pieces; neighbours may be alike."""
    low, high = second(since), second(until)
    lanes = (
        [*_clipped(history.excluded, low, high), *_outside(history, low, high)],
        _clipped(history.alive, low, high),
        _observable(listening, int(history.proof.total_seconds()), low, high),
        _clipped(history.expected, low, high),
        _clipped(history.held, low, high),
        _clipped(history.stuck, low, high),
    )
    turns: list[tuple[int, int, int]] = [(high, 0, 0)]
    for lane, spans in enumerate(lanes):
        for start, end in spans:
            turns.append((start, lane, 1))
            turns.append((end, lane, -1))
    turns.sort()
    counts, at = [0] * len(lanes), low
    for turn, lane, step in turns:
        if at < turn:
            kind = _kind(counts)
            productive = kind is SecondKind.UP and counts[_HELD] > 0 and counts[_STUCK] == 0
            yield Piece(kind, productive, at, turn)
            at = turn
        counts[lane] += step


def _kind(counts: Sequence[int]) -> SecondKind:
    if counts[_EXCLUDED]:
        return SecondKind.EXCLUDED
    if counts[_ALIVE] and counts[_EXPECTED]:
        return SecondKind.UP
    if not counts[_LISTENING]:
        return SecondKind.UNKNOWN
    return SecondKind.DOWN if counts[_EXPECTED] else SecondKind.EXCLUDED


def _clipped(spans: Iterable[Span], low: int, high: int) -> list[tuple[int, int]]:
    found = ((max(second(s.start), low), min(second(s.end), high)) for s in spans)
    return [(start, end) for start, end in found if start < end]


def _outside(history: History, low: int, high: int) -> list[tuple[int, int]]:
    created = low if history.created_at is None else second(history.created_at)
    retired = high if history.retired_at is None else second(history.retired_at)
    ends = ((low, min(created, high)), (max(retired, low), high))
    return [(start, end) for start, end in ends if start < end]


def _observable(
    listening: Sequence[Span], proof: int, low: int, high: int
) -> list[tuple[int, int]]:
    """The seconds before which EVOX had been listening for as long as a sign of life counts."""
    joined: list[list[int]] = []
    for start, end in sorted((second(s.start), second(s.end)) for s in listening):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    able = ((max(start + proof, low), min(end, high)) for start, end in joined)
    return [(start, end) for start, end in able if start < end]


def sum_of(pieces: Iterable[Piece]) -> Seconds:
    """How many seconds were of each kind."""
    sums, productive = dict.fromkeys(SecondKind, 0), 0
    for kind, is_productive, start, end in pieces:
        sums[kind] += end - start
        productive += end - start if is_productive else 0
    return Seconds(
        up=sums[SecondKind.UP],
        down=sums[SecondKind.DOWN],
        excluded=sums[SecondKind.EXCLUDED],
        unknown=sums[SecondKind.UNKNOWN],
        productive=productive,
    )
