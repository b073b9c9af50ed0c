"""Which learnings an agent is told, in which order, and how many fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from learnings.policy.scope import Fit, Reader, Scope, fit

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
    group_id: int | None = None
    family: str = ""
    """Instead of a group."""
    scope: Scope = field(default_factory=Scope)
    watched: bool = False
    """Whether the mistake came back to agents that knew of it."""
    words: float = 0.0
    """How well it answers the words of the work, by PostgreSQL's rank; 0: not at all."""
    published_at: datetime


@dataclass(frozen=True)
class Match:
    """A learning and why it is told."""

    learning_id: int
    why: str


def rank(candidates: Iterable[Candidate], reader: Reader) -> list[Match]:
    """The best first; what is for others is left out.

    What the reader or its work met goes first, the watched before the others, since being told
    once wasn't enough. Then what the scope says is for this very work, then what shares its words,
    then what shares its type of failure, then the newest.
    """
    fitting = [(one, how) for one in candidates if (how := fit(one.scope, reader)) is not None]
    fitting.sort(key=lambda pair: _key(pair[0], pair[1], reader), reverse=True)
    return [Match(one.learning_id, _why(one, how, reader)) for one, how in fitting]


def _key(one: Candidate, how: Fit, reader: Reader) -> tuple[object, ...]:
    met = _met(one, reader)
    return (
        bool(met),
        bool(met) and one.watched,
        how.strength,
        one.words,
        how.error_type,
        one.published_at,
        one.learning_id,
    )


def _met(one: Candidate, reader: Reader) -> str:
    about = one.group_id or one.family
    if not about:
        return ""
    if about in reader.groups:
        return "you hit it"
    return "this work hit it" if about in reader.work_groups else ""


def _why(one: Candidate, how: Fit, reader: Reader) -> str:
    met = _met(one, reader)
    if met:
        return met
    reasons = [
        words
        for holds, words in (
            (how.agent, "for you"),
            (how.path, "same files"),
            (how.tool, "same tool"),
            (one.words > 0, "same words"),
        )
        if holds
    ]
    if not reasons and how.error_type:
        return "same type of failure"
    return ", ".join(reasons) or "recent"


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
