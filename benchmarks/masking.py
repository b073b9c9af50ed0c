"""Measure masking: milliseconds for the worst texts of 100 kB, beside one plain pass over each.

    python -m benchmarks.masking

A pass is `re.sub` of one word, so that a slow machine shows in both. Exits with 1 when a text
takes 50 ms of processor time or longer.
"""

import re
import statistics
import sys
import time
from collections.abc import Callable

from failures.masking import scrub
from tests.failures.mask_texts import SIZE, worst_texts

LIMIT_SECONDS = 0.050
PASS = re.compile(r"\b\w+\b")


def main() -> int:
    took = {
        name: (_seconds(scrub, text), _seconds(_pass, text)) for name, text in worst_texts().items()
    }
    slowest = sorted(took.items(), key=lambda one: one[1][0], reverse=True)
    median = statistics.median(masked for masked, _ in took.values())
    print(f"{len(took)} texts of {SIZE:,} characters, median {median * 1000:.2f} ms, the slowest:")
    for name, (masked, passed) in slowest[:5]:
        print(f"{masked * 1000:6.2f} ms, {masked / passed:5.1f} passes: {name[:60]}")
    return int(slowest[0][1][0] >= LIMIT_SECONDS)


def _pass(text: str) -> str:
    return PASS.sub("x", text)


def _seconds(work: Callable[[str], str], text: str) -> float:
    """Processor time, the best of five."""
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        work(text)
        best = min(best, time.process_time() - begin)
    return best


if __name__ == "__main__":
    sys.exit(main())
