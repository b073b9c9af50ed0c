"""How long a learning is told: when it is watched, when it is retired, when its owner is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

REPEAT_SPAN = timedelta(days=28)
"""Repeats count for so long from publication, revision or resolution on."""
MOST_REPEATS = 2
"""The same mistake is not made more often by agents that were told."""
UNMATCHED_AFTER = timedelta(days=90)
MOST_HARMFUL = 2
HASHES_KEPT = 20

UNMATCHED = "Nothing has matched it for 90 days."
HARMFUL = "More agents called it harmful than helpful."


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a learning that is told has to show."""

    helpful: int
    harmful: int
    last_match: datetime
    """Of a failure that it is about or a briefing that told it; at first its publication."""


def to_watch(exposed_repeats: int) -> bool:
    """Whether it came back too often to agents that had been told."""
    return exposed_repeats > MOST_REPEATS


def retirement(standing: Standing, *, now: datetime) -> str:
    """Why it should be told no more; empty while it should."""
    if standing.harmful > max(standing.helpful, MOST_HARMFUL):
        return HARMFUL
    if standing.last_match < now - UNMATCHED_AFTER:
        return UNMATCHED
    return ""


def with_hash(hashes: list[str], new: str) -> list[str]:
    """The hashes of texts that were told, the newest last; the oldest are dropped."""
    return [*(one for one in hashes if one != new), new][-HASHES_KEPT:]
