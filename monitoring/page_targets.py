"""The promises as sentences: value, target, and whether it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from monitoring.definitions import DEFINITIONS
from monitoring.marks import Mark
from monitoring.page_words import FEW, Period
from monitoring.targets import Bound, Target
from recovery.policy import spoken

KEPT, MISSED = Mark("Kept", "✓", "ok"), Mark("Missed", "✕", "critical")
NO_DATA = Mark("No data yet", "·", "muted")
NOTHING = {
    "retry_success": "nothing was retried",
    "rollback": "nothing had to be rolled back",
    "escalation": "nothing had to be escalated",
    "reviews": "no pull request was seen",
    "same_mistake": "no learning is in force",
}
BOUNDS = {
    Bound.OVER: "over ",
    Bound.UNDER: "under ",
    Bound.AT_LEAST: "",
    Bound.AT_MOST: "at most ",
}


@dataclass(frozen=True)
class Promise:
    """One promise as it is shown."""

    key: str
    title: str
    value: str
    counts: str
    """What the value is made of."""
    target: str
    mark: Mark


def promises(found: Sequence[Target], period: Period) -> list[Promise]:
    """All of them, in their order."""
    return [
        Promise(
            key=one.key,
            title=DEFINITIONS[one.key].title,
            value=_value(one),
            counts=_counts(one, period),
            target=_target(one),
            mark=NO_DATA if one.met is None else KEPT if one.met else MISSED,
        )
        for one in found
    ]


def _value(one: Target) -> str:
    if one.value is None:
        return ""
    match one.unit:
        case "share":
            return f"{100 * one.value:.1f} %" if one.count >= FEW else f"{one.part} of {one.count}"
        case "seconds":
            return spoken(timedelta(seconds=round(one.value)))
        case "a day":
            return f"{one.value:.1f} a day"
        case _:
            return f"{one.value:.0f}"


def _counts(one: Target, period: Period) -> str:
    if one.value is None:
        return NOTHING.get(one.key, "")
    times = "1 time" if one.count == 1 else f"{one.count} times"
    match one.unit:
        case "share":
            return f"({one.part} of {one.count})" if one.count >= FEW else ""
        case "seconds":
            return f"19 of 20 were faster; {times}" if one.count >= FEW else f"the slowest; {times}"
        case "a day":
            return f"{times} in {period.words}"
        case _:
            return f"the most of {one.count} learning{'' if one.count == 1 else 's'}"


def _target(one: Target) -> str:
    match one.unit:
        case "share":
            said = f"{100 * one.target:.0f} %"
        case "seconds":
            said = spoken(timedelta(seconds=one.target))
        case "a day":
            said = f"{one.target:.0f} a day"
        case _:
            said = f"{one.target:.0f}"
    return f"{BOUNDS[one.bound]}{said}"
