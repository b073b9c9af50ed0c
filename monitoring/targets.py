"""The promises, as value against target. No database, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

RETRY_SUCCESS = 0.8
ROLLBACK_SECONDS = 120.0
ESCALATION_SECONDS = 1_800.0
REVIEWS = 1.0
INTERVENTIONS_A_DAY = 1.0
REPEATS = 2.0


class Bound(StrEnum):
    """On which side of its target a value is to be."""

    OVER = "over"
    UNDER = "under"
    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One promise: its value, None without data, and the counts behind it."""

    key: str
    """Of `definitions.DEFINITIONS`."""
    value: float | None
    bound: Bound
    target: float
    unit: str
    """"share", "seconds", "a day" or "repeats"."""
    part: int | None = None
    """How many of `count`, where the value is a share."""
    count: int = 0
    """How many things the value is made of."""

    @property
    def met(self) -> bool | None:
        """Whether the promise is kept; None without data."""
        if self.value is None:
            return None
        match self.bound:
            case Bound.OVER:
                return self.value > self.target
            case Bound.UNDER:
                return self.value < self.target
            case Bound.AT_LEAST:
                return self.value >= self.target
            case Bound.AT_MOST:
                return self.value <= self.target


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the promises are judged by; durations in seconds."""

    retries_completed: int
    retries_ended: int
    rolled_back: int
    rollback_p95: float | None
    escalated: int
    escalation_p95: float | None
    reviews_triggered: int
    reviews_eligible: int
    interventions: int
    days: float
    repeats: int | None
    """None when no learning is in force."""
    learnings: int


def targets(facts: Facts) -> list[Target]:
    """All promises, in the order in which they are shown."""
    return [
        _share(
            "retry_success",
            facts.retries_completed,
            facts.retries_ended,
            bound=Bound.OVER,
            target=RETRY_SUCCESS,
        ),
        Target(
            key="rollback",
            value=facts.rollback_p95,
            bound=Bound.UNDER,
            target=ROLLBACK_SECONDS,
            unit="seconds",
            count=facts.rolled_back,
        ),
        Target(
            key="escalation",
            value=facts.escalation_p95,
            bound=Bound.UNDER,
            target=ESCALATION_SECONDS,
            unit="seconds",
            count=facts.escalated,
        ),
        _share(
            "reviews",
            facts.reviews_triggered,
            facts.reviews_eligible,
            bound=Bound.AT_LEAST,
            target=REVIEWS,
        ),
        Target(
            key="ceo_interventions",
            value=facts.interventions / facts.days,
            bound=Bound.UNDER,
            target=INTERVENTIONS_A_DAY,
            unit="a day",
            count=facts.interventions,
        ),
        Target(
            key="same_mistake",
            value=None if facts.repeats is None else float(facts.repeats),
            bound=Bound.AT_MOST,
            target=REPEATS,
            unit="repeats",
            count=facts.learnings,
        ),
    ]


def _share(key: str, part: int, whole: int, *, bound: Bound, target: float) -> Target:
    value = part / whole if whole else None
    return Target(
        key=key, value=value, bound=bound, target=target, unit="share", part=part, count=whole
    )
