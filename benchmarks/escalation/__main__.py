"""Measure escalation: python -m benchmarks.escalation [chaos] [scale] [stampede] [failover]

The chaos run may go without what makes it hold, to show that it then fails: `unique`, the
constraint of one line for each level; `lease`, which keeps a delivery one sender's; `lapse`, which
gives it to another when its sender died.

Exits with 1 when something that must hold does not.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.escalation import chaos, chaos_verdict, failover, ground, scale, stampede

PARTS = ("chaos", "scale", "stampede", "failover")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.escalation", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all when none is named")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="a chaos run of less than a minute")
    parser.add_argument("--without", choices=("unique", "lease", "lapse"), default="")
    options = parser.parse_args()
    wrong: list[str] = []
    with ground.servers() as environment:
        ground.use(environment)
        for name, value in ground.heading(options.seed):
            print(f"{name:10} {value}")
        for part in options.parts or PARTS:
            match part:
                case "chaos":
                    head = chaos_verdict.HEAD
                    rows, found = chaos.run(
                        environment,
                        seed=options.seed,
                        size=chaos.SMALL if options.small else chaos.Size(),
                        without=options.without,
                    )
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
