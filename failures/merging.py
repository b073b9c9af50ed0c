"""Propose groups to merge: titles that are the same but for one word.

A fingerprint sees one message, so it can't know that *os* in "Unused import os" is a value. A
week's groups side by side show it: where many titles differ in the same single place and the words
there are many, that place holds values. This is the variable-position rule of log parsers (He et
al., "Drain", ICWS 2017), taken from messages to finished groups. The proposals are for an alias
table; no fingerprint is rewritten.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # Loaded as a file by a tool that doesn't know the project.
    sys.path.append(str(Path(__file__).resolve().parents[1]))

from failures.fingerprint import grouping
from failures.skeleton import skeleton

FEWEST_DIFFERENT_WORDS = 4
"""So many words in one place are values; two or three are more often two or three mistakes."""
FEWEST_EQUAL_WORDS = 5
"""Titles with fewer words in common say too little to be called the same."""
_MOST_WORDS = 40


@dataclass(frozen=True, slots=True)
class Mergeable:
    """A group as merging sees it."""

    fingerprint: str
    error_type: str
    tool_code: str
    error_class: str
    template: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Groups that are probably one."""

    title: str
    """What they share, with ``<…>`` where they differ."""
    fingerprints: tuple[str, ...]
    """Sorted; the first is the one to keep."""
    words: tuple[str, ...]
    """The different words that stand in that place, sorted."""


_Scope = tuple[str, str, str]
_Slot = tuple[_Scope, tuple[str, ...], int]


def propose_merges(groups: Iterable[Mergeable]) -> list[Merge]:
    """Merges of `groups` that differ in one place only, disjoint and the largest first.

    Only groups of the same error type, tool code and exception class are compared. The order of
    `groups` doesn't matter; work and memory grow with the number of words in all titles.
    """
    slots: dict[_Slot, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for group in groups:
        scope = (group.error_type, group.tool_code, group.error_class)
        words = _words(group)
        for place, word in enumerate(words):
            if _is_word(word) and _equal_words(words, place) >= FEWEST_EQUAL_WORDS:
                around = (*words[:place], "<…>", *words[place + 1 :])
                slots[scope, around, place][word].add(group.fingerprint)
    many = [item for item in slots.items() if len(item[1]) >= FEWEST_DIFFERENT_WORDS]
    return _disjoint(sorted(many, key=lambda item: (-len(item[1]), item[0])))


def _disjoint(slots: list[tuple[_Slot, dict[str, set[str]]]]) -> list[Merge]:
    taken: set[str] = set()
    merges = []
    for (_, around, _), by_word in slots:
        free = {word: found - taken for word, found in by_word.items() if found - taken}
        if len(free) < FEWEST_DIFFERENT_WORDS:
            continue
        fingerprints = sorted(set().union(*free.values()))
        taken.update(fingerprints)
        merges.append(Merge(" ".join(around), tuple(fingerprints), tuple(sorted(free))))
    return merges


def _words(group: Mergeable) -> tuple[str, ...]:
    return tuple(skeleton(group.template, coded=bool(group.tool_code)).split())[:_MOST_WORDS]


def _is_word(word: str) -> bool:
    return any(char.isalnum() for char in word)


def _equal_words(words: tuple[str, ...], place: int) -> int:
    return sum(_is_word(word) for index, word in enumerate(words) if index != place)


class MergedGrouping:
    """The fingerprint followed by its merges, for measuring both on labelled messages.

    Call it for each message, then `finalize` the list of its answers.
    """

    stateful = True

    def __init__(self) -> None:
        self._groups: dict[str, Mergeable] = {}

    def __call__(self, error_type: str, message: str) -> str:
        found = grouping(error_type, message)
        if found.fingerprint not in self._groups:
            self._groups[found.fingerprint] = Mergeable(
                found.fingerprint,
                error_type,
                found.tool_code,
                found.error_class,
                found.template,
            )
        return found.fingerprint

    def finalize(self, fingerprints: list[str]) -> list[str]:
        """`fingerprints` with each merged one replaced by the one that is kept."""
        alias = {
            fingerprint: merge.fingerprints[0]
            for merge in propose_merges(self._groups.values())
            for fingerprint in merge.fingerprints
        }
        return [alias.get(fingerprint, fingerprint) for fingerprint in fingerprints]
