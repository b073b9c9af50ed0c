"""An agent's day as a strip: one path a state, and the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.policy_uptime import SecondKind, Seconds, Stretch, percent

WIDTH = 720
"""Units of a strip; two minutes of a day each."""
# Top and height of each state: the height tells them apart where colour doesn't.
BARS = {
    SecondKind.EXCLUDED: (8, 4),
    SecondKind.UNKNOWN: (9, 2),
    SecondKind.UP: (5, 10),
    SecondKind.DOWN: (0, 20),
}
WORDS = {
    SecondKind.UP: "alive",
    SecondKind.DOWN: "silent",
    SecondKind.EXCLUDED: "not expected",
    SecondKind.UNKNOWN: "EVOX not listening",
}


@dataclass(frozen=True)
class Bar:
    """All stretches of one state: a path of SVG."""

    kind: str
    path: str


@dataclass(frozen=True)
class Strip:
    """A day, drawn and told."""

    bars: Sequence[Bar]
    spans: Sequence[tuple[str, str]]
    """Each state with how long it lasted in all, as words."""
    silences: Sequence[Stretch]

    @property
    def words(self) -> str:
        """Such as `alive 21 h 53 min, silent 2 h 7 min`."""
        return ", ".join(f"{state} {span}" for state, span in self.spans if span != "0 min")


def strip_of(stretches: Sequence[Stretch], *, since: datetime, until: datetime) -> Strip:
    """The window [since, until) as a strip; what is shorter than a unit is drawn as one.

    A path has at most half as many bars as the strip has units, whatever happened.
    """
    bars: dict[SecondKind, list[tuple[int, int]]] = {kind: [] for kind in BARS}
    sums = dict.fromkeys(WORDS, timedelta())
    unit = (until - since) / WIDTH
    at = 0  # Each begins where the one before ends.
    for begin, end, kind in stretches:
        left, at = at, (end - since) // unit
        right = at if at > left else left + 1
        own = bars[kind]
        if own and left <= own[-1][1]:  # They touch, so that one bar is enough.
            left = own.pop()[0]
        own.append((left, right))
        sums[kind] += end - begin
    return Strip(
        bars=[Bar(kind.value, _path(kind, found)) for kind, found in bars.items() if found],
        spans=[(WORDS[kind], lasting(sums[kind])) for kind in WORDS],
        silences=[one for one in stretches if one.kind is SecondKind.DOWN],
    )


def _path(kind: SecondKind, bars: Sequence[tuple[int, int]]) -> str:
    top, height = BARS[kind]
    down = f"v{height}h-"
    return "".join(f"M{left} {top}h{right - left}{down}{right - left}z" for left, right in bars)


def lasting(span: timedelta) -> str:
    """A duration: 45 min, 2 h 7 min; from two days on in hours, 119 h."""
    minutes = round(span / timedelta(minutes=1))
    hours, rest = divmod(minutes, 60)
    if hours >= 48 or (hours and not rest):
        return f"{hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"


@dataclass(frozen=True)
class Availability:
    """An availability with the time that it speaks of; never a bare percentage."""

    seconds: Seconds

    @property
    def percent(self) -> str:
        """Such as `97.41 %`; empty without data."""
        return "" if self.seconds.uptime is None else percent(self.seconds.uptime)

    @property
    def alive(self) -> str:
        """For how long it was proven alive."""
        return lasting(timedelta(seconds=self.seconds.up))

    @property
    def judged(self) -> str:
        """Of how long that is the share."""
        return lasting(timedelta(seconds=self.seconds.known))

    @property
    def unheard(self) -> str:
        """For how long EVOX itself could not hear; empty when it always could."""
        return lasting(timedelta(seconds=self.seconds.unknown)) if self.seconds.unknown > 59 else ""

    @property
    def poor(self) -> bool:
        """Whether it was silent for a part that is worth a colour."""
        return self.seconds.uptime is not None and self.seconds.uptime < 9_900
