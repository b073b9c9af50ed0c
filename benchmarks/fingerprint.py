"""Measure the fingerprint: how well it groups, messages a second, the worst texts of 100 kB.

    python -m benchmarks.fingerprint [labelled.csv …]

Beside it are the specification's key, the first 50 characters of the message, and Drain3 with its
defaults, which is installed from PyPI into an environment of its own. The CSV files have the
columns dataset, label and message; each family of tools weighs the same. Without files only the
project's own messages are measured. Exits with 1 when a worst text takes 50 ms or longer.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple

from benchmarks.drain import drain, python_with_drain
from benchmarks.grouping_score import Score, mean, score
from benchmarks.labelled import MISTAKES, OWN, Labelled, Sets, family, own, read
from failures.fingerprint import fingerprint, grouping
from failures.merging import MergedGrouping

LIMIT_SECONDS = 0.050
SIZE = 100_000
Grouped = tuple[float, Sequence[object]]
"""Seconds of processor time, and the group of each message."""

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
    "and <n> ", "<n>, ", "None ", "'(", "'a(' ", "`{", '"[', "a((", "a(b)", "a() ", "f(a(b),",
    ": (", "class a ", "variable x is ", "( a -> ", "[ a ] ", "a/b/c ", "A/B: ", "p(r): ",
    "x:1 MD1/a ", "x.py:1:1: a\n", "1 |\n", "(a-b)\n", "AA ", "@a", "$a", "are ", "s ", "nan, ",
    "Foo(a=1, ", "Foo[a=", "Foo{a=", "[a, ", "[a,1", "{a=1, ", "{a=", 'a="b" ', 'msg="', 'msg="\\"',
    '{"', '{"a": ', '{"message', " a_b", " a.b", " for a-", "a_", " aB",
    "/[", "/(a", "/[a]*", "/\\\\", " ==)", "=[", "=({", "=((", "* : ",
    "x:1:1: ES2015 ", "error[a-", "error[a-b] ", "E0102 15:04:05.123 ", "Nov  1 10:00:01 a ",
    "type '", "a[1] ",
)
# fmt: on


def main(paths: list[str]) -> int:
    sets = read(paths)
    if sets:
        _table("labelled messages, mean of families", sets)
    _table("the project's own messages", {"own": own(OWN, MISTAKES)})

    slowest = sorted(((_seconds(piece), piece) for piece in PIECES), reverse=True)
    for seconds, piece in slowest[:5]:
        print(f"{seconds * 1000:6.2f} ms for {SIZE:,} characters of {piece!r}")
    return int(slowest[0][0] >= LIMIT_SECONDS)


def _table(title: str, sets: Sets) -> None:
    python = python_with_drain()
    methods: dict[str, Callable[[list[Labelled]], Grouped]] = {
        "errorType:message[:50]": lambda rows: _each(lambda e, m: f"{e}:{m[:50]}", rows),
        "Drain3": lambda rows: drain(python, [row.message for row in rows]),
        "EVOX": lambda rows: _each(fingerprint, rows),
        "EVOX, merged weekly": _merged,
    }
    print(f"{title}: {sum(map(len, sets.values())):,}")
    print(f"{'':24}     GA     F1   over    pat    msg/s")
    for name, method in methods.items():
        by_family: dict[str, list[Score]] = {}
        took = 0.0
        for dataset, rows in sets.items():
            random.Random(0).shuffle(rows)
            seconds, groups = method(rows)
            took += seconds
            found = score([row.label for row in rows], groups)
            by_family.setdefault(family(dataset), []).append(found)
        shares = astuple(mean([mean(scores) for scores in by_family.values()]))
        rate = sum(map(len, sets.values())) / took
        print(f"{name:24}" + "".join(f"{share:7.3f}" for share in shares) + f"{rate:9,.0f}")


def _each(function: Callable[[str, str], str], rows: list[Labelled]) -> Grouped:
    started = time.process_time()
    groups = [function(row.error_type, row.message) for row in rows]
    return time.process_time() - started, groups


def _merged(rows: list[Labelled]) -> Grouped:
    merging = MergedGrouping()
    started = time.process_time()
    groups = merging.finalize([merging(row.error_type, row.message) for row in rows])
    return time.process_time() - started, groups


def _seconds(piece: str) -> float:
    message = (piece * SIZE)[:SIZE]
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        grouping("build", message)
        best = min(best, time.perf_counter() - started)
    return best


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
