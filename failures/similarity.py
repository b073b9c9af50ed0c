"""How like two texts are, by the words that they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from failures.words import search_words

LEAST = 0.34
"""Less than a third of their words in common is chance."""


class Kind(StrEnum):
    """In which way a group is like the failure that was asked about."""

    EXACT = "exact"
    """It has the same fingerprint."""
    FAMILY = "family"
    """The same type, with the same tool code or exception class."""
    WORDS = "words"


def likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """Twice the words in common over the words of both (Dice's coefficient): 0 to 1."""
    first, second = set(one), set(other)
    total = len(first) + len(second)
    return 2 * len(first & second) / total if total else 0.0


def closest(words: Sequence[str], texts: Iterable[tuple[int, str]]) -> list[int]:
    """The ids of the texts that share a third of their words with `words`, the likest first.

    Of equally like ones the order stays.
    """
    scored = [(likeness(words, search_words([text], most=50)), pk) for pk, text in texts]
    kept = [pair for pair in scored if pair[0] >= LEAST]
    return [pk for _, pk in sorted(kept, key=lambda pair: -pair[0])]
