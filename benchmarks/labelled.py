"""Labelled messages: those of the project, and CSV files with dataset, label, message."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1] / "tests" / "failures"
OWN = TESTS / "tool_messages.txt"
MISTAKES = TESTS / "same_mistakes.txt"
_TYPES = {"loghub": "other", "pyexc": "test"}


class Labelled(NamedTuple):
    """A message, what kind of failure it is, and which mistake."""

    error_type: str
    message: str
    label: str


Sets = dict[str, list[Labelled]]


def own(*files: Path) -> list[Labelled]:
    """The messages of blocks: the first line is the type, each other one the same mistake."""
    found = []
    for file in files:
        for number, block in enumerate(file.read_text(encoding="utf-8").strip().split("\n\n")):
            error_type, *messages = block.splitlines()
            label = f"{file.stem} {number}"
            found += [Labelled(error_type, m.replace("⏎", "\n"), label) for m in messages]
    return found


def read(paths: Iterable[str]) -> Sets:
    """The rows of CSV files by their data set, whose first word is a family of tools."""
    sets: Sets = defaultdict(list)
    for path in paths:
        with Path(path).open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                kind = _TYPES.get(family(row["dataset"]), "build")
                sets[row["dataset"]].append(Labelled(kind, row["message"], row["label"]))
    return dict(sets)


def family(dataset: str) -> str:
    """The tools that a data set is of: each family weighs the same."""
    return dataset.partition("-")[0]
