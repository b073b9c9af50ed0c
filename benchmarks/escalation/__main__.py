"""Measure escalation: python -m benchmarks.escalation [scale] [stampede] [failover] [--seed N].

Exits with 1 when something that must hold does not.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.escalation import failover, ground, scale, stampede

PARTS = ("scale", "stampede", "failover")


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
        for part in options.parts or PARTS:
            match part:
                case "scale":
                    head, (rows, found) = scale.HEAD, scale.run()
                case "stampede":
                    head = stampede.HEAD
                    rows, found = stampede.run(environment, seed=options.seed)
                case "failover":
                    head = failover.HEAD
                    rows, found = failover.run(environment, seed=options.seed)
            print(f"\n### {part}")
            table(head, rows)
            wrong += [f"{part}: {line}" for line in found]
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
