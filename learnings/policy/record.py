"""What a look through the failures did, as its record keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MOST_KEPT = 200

FAILED = "failed"
VERBS = (
    "made",
    "refreshed",
    "approved",
    "watched",
    "resolved",
    "regressed",
    "judged",
    "retired",
    "reviewAsked",
    "announced",
    FAILED,
)
"""The lists of a record: ids of learnings; under `failed`, of groups that were left."""


class Did:
    """Collects ids by verb; each list keeps the first 200, and says how many there were."""

    def __init__(self) -> None:
        self._ids: dict[str, list[int]] = {verb: [] for verb in VERBS}
        self._notes: dict[str, Any] = {}

    def add(self, verb: str, ids: Iterable[int]) -> None:
        """Note what was done to whom; raises KeyError for an unknown verb."""
        self._ids[verb].extend(ids)

    def note(self, key: str, value: Any) -> None:
        """Note something else, such as what became of the digest."""
        self._notes[key] = value

    def count(self, verb: str) -> int:
        """How many it was done to."""
        return len(self._ids[verb])

    @property
    def touched(self) -> set[int]:
        """Learnings whose guidance may have changed."""
        return {pk for verb in ("made", "approved", "retired") for pk in self._ids[verb]}

    @property
    def learnings(self) -> set[int]:
        """All to which anything was done."""
        return {pk for verb, ids in self._ids.items() if verb != FAILED for pk in ids}

    def __bool__(self) -> bool:
        """Whether anything was done that is worth a record."""
        return any(ids for verb, ids in self._ids.items() if verb != "refreshed")

    def record(self) -> dict[str, Any]:
        """As JSON: only what was done."""
        kept: dict[str, Any] = {verb: ids[:MOST_KEPT] for verb, ids in self._ids.items() if ids}
        cut = {verb: len(ids) for verb, ids in self._ids.items() if len(ids) > MOST_KEPT}
        return kept | ({"of": cut} if cut else {}) | self._notes


def summary(record: dict[str, Any]) -> str:
    """One line for people: `made 2, retired 1`; `nothing new` when it did nothing."""
    cut = record.get("of", {})
    parts = [
        f"{_words(verb)} {cut.get(verb, len(record[verb]))}" for verb in VERBS if record.get(verb)
    ]
    if record.get("digest", {}).get("said"):
        parts.append("digest said")
    return ", ".join(parts) or "nothing new"


def _words(verb: str) -> str:
    return "review asked" if verb == "reviewAsked" else verb
