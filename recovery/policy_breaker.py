"""When an agent is taken out of the queue for a while, decided without a database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

IN_A_ROW = 3
"""So many different dispatches, failed in a row in a way that others don't, open the breaker."""

_OWN_ACCESS = re.compile(
    r"\b((http|status|code|error)\W{0,3}401\b|401 unauthori[sz]ed|unauthori[sz]ed\b"
    r"|(invalid|expired|missing|bad) (api[ _-]?key|token|credentials?)\b"
    r"|authentication (failed|required)\b|not logged in\b|permission denied \(publickey"
    r"|(quota|credit|usage limit|rate limit)s?\b.{0,40}\b(exceeded|exhausted|reached)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """What is held against an agent: the dispatches of its row of failures, and its time-outs."""

    streak: tuple[int, ...] = ()
    trips: int = 0
    open_until: datetime | None = None

    def is_open(self, *, now: datetime) -> bool:
        """Whether it may claim nothing at `now`."""
        return self.open_until is not None and now < self.open_until

    def is_half_open(self, *, now: datetime) -> bool:
        """Whether it may claim one dispatch, to show that it works again."""
        return self.open_until is not None and now >= self.open_until


def after_failure(
    breaker: Breaker,
    *,
    dispatch_id: int,
    others_have_it: bool,
    backoff: Sequence[timedelta],
    now: datetime,
) -> Breaker:
    """The breaker after a failure. One that other agents have, too, says nothing of this one."""
    if others_have_it:
        return breaker
    streak = breaker.streak
    if dispatch_id not in streak:
        streak = (*streak, dispatch_id)[-IN_A_ROW:]
    if len(streak) < IN_A_ROW and not breaker.is_half_open(now=now):
        return Breaker(streak=streak, trips=breaker.trips, open_until=breaker.open_until)
    pause = backoff[min(breaker.trips, len(backoff) - 1)]
    return Breaker(streak=streak, trips=breaker.trips + 1, open_until=now + pause)


def is_own_access(message: str) -> bool:
    """Whether a failure (its last 4,000 characters) speaks of own credentials or quota."""
    return _OWN_ACCESS.search(message[-4000:]) is not None
