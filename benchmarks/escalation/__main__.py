"""Measure escalation: python -m benchmarks.escalation [scale] [--seed N].

Exits with 1 when something that must hold does not.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.escalation import ground, scale

PARTS = ("scale",)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.escalation", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all when none is named")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wrong: list[str] = []
    with ground.servers() as environment:
        ground.use(environment)
        for name, value in ground.heading(options.seed):
            print(f"{name:10} {value}")
        rows, found = scale.run()
        table(scale.HEAD, rows)
        wrong += found
    for line in wrong:
        print(f"VIOLATED: {line}")
    return int(bool(wrong))


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table as Markdown."""
    print()
    for row in (head, tuple("---" for _ in head), *rows):
        print("| " + " | ".join(row) + " |")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
