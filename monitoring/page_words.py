"""Numbers as the page says them: never a bare percentage, and nothing where there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from monitoring.definitions import DEFINITIONS, Definition
from monitoring.policy_uptime import Seconds
from monitoring.queries_health import PERIODS

FEW = 20
"""Under this many events a share says nothing; only the counts are shown."""


class Period(StrEnum):
    """Over how long the page's figures go."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def words(self) -> str:
        """As people write it."""
        return {"24h": "24 h", "7d": "7 d", "30d": "30 d"}[self.value]

    @property
    def before(self) -> str:
        """The stretch that it is compared with."""
        return {"24h": "the 24 h before", "7d": "the 7 d before", "30d": "the 30 d before"}[
            self.value
        ]

    @property
    def span(self) -> timedelta:
        """Its length."""
        return PERIODS[self.value]


def period_of(text: str | None) -> Period:
    """The period that was asked for, else 24 hours."""
    return Period(text) if text in {period.value for period in Period} else Period.DAY


@dataclass(frozen=True)
class Share:
    """A share with its counts; without a percentage when there is too little to tell."""

    part: int
    whole: int

    @property
    def percent(self) -> str:
        """Such as "3.5 %"; empty under FEW events."""
        return f"{100 * self.part / self.whole:.1f} %" if self.whole >= FEW else ""

    def change_from(self, before: Share) -> float | None:
        """By how many points it differs; None when one of the two says nothing."""
        if self.whole < FEW or before.whole < FEW:
            return None
        return 100 * self.part / self.whole - 100 * before.part / before.whole


@dataclass(frozen=True)
class Change:
    """How a figure moved against the stretch before."""

    points: float
    good_when_up: bool

    @property
    def shape(self) -> str:
        """Which way."""
        return "▲" if self.points > 0 else "▼"

    @property
    def size(self) -> str:
        """By how much, in points."""
        return f"{abs(self.points):.1f}"

    @property
    def tone(self) -> str:
        """Whether that is good."""
        return "ok" if (self.points > 0) == self.good_when_up else "warn"


def change(now: Share, before: Share, *, good_when_up: bool) -> Change | None:
    """How `now` differs from `before`; None when there is too little, or no difference to show."""
    points = now.change_from(before)
    if points is None or abs(points) < 0.05:
        return None
    return Change(points=points, good_when_up=good_when_up)


def uptime_change(now: Seconds, before: Seconds) -> Change | None:
    """How the availability differs from the stretch before; None without data or difference."""
    if now.uptime is None or before.uptime is None:
        return None
    points = (now.uptime - before.uptime) / 100
    return Change(points=points, good_when_up=True) if abs(points) >= 0.05 else None


EXPLAINED: Mapping[str, Definition] = {
    "working": Definition(
        title="Agents working",
        unit="agents",
        text="Agents that hold a lease and gave a sign of life in time, of all that are not"
        " retired.",
    ),
    **DEFINITIONS,
    "missed": Definition(
        title="Missed escalations",
        unit="levels",
        text="Levels of incidents that were told over five minutes late, or not at all, in 30"
        " days. An audit counts them every minute.",
    ),
    "strip": Definition(
        title="The strip",
        text="The last 24 hours of an agent, now at the right. A bar: alive. A full-height bar:"
        " silent though it was expected. A thin line: not expected, paused or away. A hairline:"
        " EVOX itself was not listening.",
    ),
    "live": Definition(
        title="How fresh it is",
        text="The page asks every five seconds, and says so when no answer came for twenty. An"
        " answer shows what was written up to two seconds before, or four while it is made for"
        " another reader; what only time changes, such as silence, is up to 15 seconds later."
        " What you do yourself is shown at once.",
    ),
}
"""What each number on the page means, in the order of the page."""
