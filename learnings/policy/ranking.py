"""Which learnings an agent is told, and how many fit."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

MOST = 8
TOKEN_BUDGET = 600
BYTES_PER_TOKEN = 3
"""On the safe side: English prose has about four."""
ENTRY_TOKENS = 15
"""Its heading and fence."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A learning that may be told."""

    learning_id: int
    group_id: int | None
    agents: frozenset[str] = field(default_factory=frozenset)
    """Whom it is for; empty: everybody."""
    types: frozenset[str] = field(default_factory=frozenset)
    published_at: datetime


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who is to be told, and what happened to them."""

    name: str
    groups: AbstractSet[int]
    types: AbstractSet[str]


@dataclass(frozen=True)
class Match:
    """A learning and why it is told."""

    learning_id: int
    why: str


def rank(candidates: Sequence[Candidate], reader: Reader) -> list[Match]:
    """What the reader hit itself first, then its types of failure, then the newest."""
    for_reader = [one for one in candidates if not one.agents or reader.name in one.agents]
    newest_first = sorted(for_reader, key=lambda one: (one.published_at, one.learning_id))[::-1]
    tiers: tuple[list[Match], ...] = ([], [], [])
    for one in newest_first:
        tier, why = _tier(one, reader)
        tiers[tier].append(Match(one.learning_id, why))
    return [match for tier in tiers for match in tier]


def _tier(one: Candidate, reader: Reader) -> tuple[int, str]:
    if one.group_id in reader.groups:
        return 0, "you hit it"
    if one.types & reader.types:
        return 1, "same type of failure"
    return 2, "recent"


def tokens(text: str) -> int:
    """About how many tokens a model reads in the entry `text`; rather too many than too few."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN) + ENTRY_TOKENS


def within_budget(
    texts: Sequence[str], *, most: int = MOST, budget: int = TOKEN_BUDGET
) -> list[int]:
    """The positions in `texts` that are told: in order, leaving out what no longer fits."""
    chosen: list[int] = []
    for index, text in enumerate(texts):
        cost = tokens(text)
        if len(chosen) < most and cost <= budget:
            chosen.append(index)
            budget -= cost
    return chosen
