"""Measure the fingerprint: messages a second, and the worst texts of 100 kB that we could think of.

    python -m benchmarks.fingerprint [labelled.csv …]

Without files it repeats the messages of tests/failures/same_mistakes.txt with changed numbers. The
CSV files need a column `message`. Exits with 1 when a worst text takes 50 ms or longer.
"""

import csv
import sys
import time
from pathlib import Path

from failures.fingerprint import grouping

LIMIT_SECONDS = 0.050
SIZE = 100_000
OWN = Path(__file__).parents[1] / "tests" / "failures" / "same_mistakes.txt"

# Repeated up to SIZE: brackets, quotes, digits, dots, paths, frames, marks of tracebacks, escapes.
# fmt: off
PIECES = (
    "(", "[", "{", "{{", "}}", "<", "<a", "<a>", '"', "'", "`", "``", "\\'", '\\"', 'b"', "\u201c",
    "a", "A", "0", "1.", "-", "--", "_", "_a", "a_", ".", "a.", "/", "\\", "/a", "a/", "a/b", "a:",
    "::", "f:", ":1", "=", "a=", "@", "a@", "a@b.", "http://", "aB", "a-", "a-b-", "(a)", "*",
    "[a", "[a-", "[a::", "…", ".…", "é", "名", "😀", "\x1b[", "\x1b[0m", "\x00", "\u200b",
    "\n", " ", "\t", "a ", "a b ", "at x\n", "E  \n", "( ", "* ", "1 b ", " (", "a=b ", "1:1 ",
    "error: ", "error:\n", "Error: ", "A.b.C: ", "Traceback (most recent call last)\n",
    "Caused by: \n", "Caused by: ", 'File "x", line 1\n  x\n', "did you mean ", "maybe ", "got ",
    '": "', '{"message": "', '{"message":[ ', "line 1, ", "line 1 column ", "GET ", "ERROR ",
    "WARN: ", "1990-01-01 00:00:00 ", "x:1:1: ", "x(1,1): ", "Mon Jan ", "async function ",
    "and <n> ", "<n>, ", "None ",
)
# fmt: on


def main(paths: list[str]) -> int:
    messages = _labelled(paths) if paths else _own()
    started = time.perf_counter()
    for message in messages:
        grouping("build", message)
    took = time.perf_counter() - started
    print(f"{len(messages):,} messages, {len(messages) / took:,.0f} a second")

    slowest = sorted(((_seconds(piece), piece) for piece in PIECES), reverse=True)
    for seconds, piece in slowest[:5]:
        print(f"{seconds * 1000:6.2f} ms for {SIZE:,} characters of {piece!r}")
    return int(slowest[0][0] >= LIMIT_SECONDS)


def _seconds(piece: str) -> float:
    message = (piece * SIZE)[:SIZE]
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        grouping("build", message)
        best = min(best, time.perf_counter() - started)
    return best


def _labelled(paths: list[str]) -> list[str]:
    messages = []
    for path in paths:
        with Path(path).open(newline="", encoding="utf-8") as rows:
            messages += [row["message"] for row in csv.DictReader(rows)]
    return messages


def _own() -> list[str]:
    lines = [line for line in OWN.read_text(encoding="utf-8").splitlines() if " " in line]
    return [f"{line} #{number}" for number in range(300) for line in lines]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
