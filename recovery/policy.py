"""What a failure leads to, decided without a database: `plan_retry`, and the words for agents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agents.states import Strategy

BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
LADDER = (Strategy.REPEAT_WITH_EVIDENCE, Strategy.FRESH_START, Strategy.ALTERNATIVE_APPROACH)
MAX_HOLD = timedelta(days=1)
MAX_HOLDS = 20
"""So often may work be held; then a hold is a failure like any other."""
NOTES_THAT_COUNT = 3


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Try again at `at`, in this way."""

    at: datetime
    strategy: Strategy
    elsewhere: bool = False
    """Whether another agent shall have it: the one that failed gets it only if nobody else can."""
    reason: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Wait until `until` without using up a try: the work can't go on before."""

    until: datetime
    reason: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """Another try makes no sense, or none is left."""

    reason: str = field(default="", compare=False)


Plan = Retry | Hold | GiveUp


def plan_retry(  # noqa: PLR0913 - every input of the decision, named
    *,
    attempt: int,
    now: datetime,
    max_attempts: int = 4,
    used: Sequence[Strategy] = (),
    retryable: bool = True,
    hold_until: datetime | None = None,
    holds: int = 0,
    agent_specific: bool = False,
    others: bool = False,
    backoff: Sequence[timedelta] = BACKOFF,
    jitter: float = 0.0,
    draw: float = 0.0,
) -> Plan:
    """What follows when try number `attempt` (from 1) failed at `now`.

    `used` are the strategies of earlier tries in order, `draw` a number from [0, 1) that spreads
    the delay over [backoff, backoff × (1 + jitter)): one-sided, so that no retry is ever early.
    `hold_until` is when the caller says it can go on, such as the end of a rate limit; `holds`
    how often it was handed back before without using up a try. `agent_specific` says that the
    failure is the agent's own, `others` that another agent could do the work.
    """
    if not retryable:
        return GiveUp(reason="Given up: the agent says that another try can't help.")
    if hold_until is not None and hold_until > now and holds < MAX_HOLDS:
        until = min(hold_until, now + MAX_HOLD)
        return Hold(until=until, reason=f"Held until {until:%H:%M:%S} UTC, as the agent asked.")
    if attempt >= max_attempts:
        return GiveUp(reason=f"Given up after {attempt} of {max_attempts} tries.")
    strategy = next_strategy(used)
    failed = f"Try {attempt} of {max_attempts} failed"
    if agent_specific and others:
        reason = f"{failed}, and that is this agent's own trouble: another agent gets it now."
        return Retry(at=now, strategy=strategy, elsewhere=True, reason=reason)
    base = backoff[min(attempt, len(backoff)) - 1]
    delay = base * (1 + jitter * draw)
    elsewhere = others and strategy is Strategy.ALTERNATIVE_APPROACH
    return Retry(
        at=now + delay,
        strategy=strategy,
        elsewhere=elsewhere,
        reason=f"{failed}; the next starts in {spoken(delay)} with strategy {strategy.value}"
        + (", by another agent" if elsewhere else "")
        + ("; nobody else can take it" if agent_specific else "")
        + ".",
    )


def next_strategy(used: Sequence[Strategy]) -> Strategy:
    """The first of the ladder that wasn't used; when all were, the one used longest ago."""
    last_use = {strategy: index for index, strategy in enumerate(used)}
    return min(LADDER, key=lambda strategy: (last_use.get(strategy, -1), LADDER.index(strategy)))


def spoken(delay: timedelta) -> str:
    """A duration as people say it: 45 s, 5 min, 1 h 4 min."""
    total = round(delay.total_seconds())
    minutes, seconds = divmod(total, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    return f"{seconds} s"


def printable(text: str) -> str:
    """`text` without control characters but line ends and tabs."""
    return "".join(char for char in text if char in "\n\t" or char.isprintable())


@dataclass(frozen=True, kw_only=True)
class ProgressMark:
    """What a running attempt showed last."""

    marker: str
    unmarked_notes: int


def next_mark(mark: ProgressMark, *, marker: str | None, note: str | None) -> ProgressMark | None:
    """The mark after a progress call, or None when it shows life but no progress.

    A changed marker is progress. A note without one counts three times in a row, then it is talk.
    """
    if marker:
        return None if marker == mark.marker else ProgressMark(marker=marker, unmarked_notes=0)
    if note and mark.unmarked_notes < NOTES_THAT_COUNT:
        return ProgressMark(marker=mark.marker, unmarked_notes=mark.unmarked_notes + 1)
    return None
