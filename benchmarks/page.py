"""How fast the page is with a million attempts and failures, beside an empty database.

    python -m benchmarks.page [--dispatches 750000] [--failures 1000000] [--calls 60] [--seconds 60]

A month of 100 agents is made by PostgreSQL itself. The figures of each period are asked for, part
by part, first without the hours that are added up, then with them. Then browsers poll the
fragment of 30 days (`page_polls`): of the empty database, of the full one while nothing changes,
and while it changes as often as that month did. Exits with 1 unless, with the full one, polls that
get the page take at most 50 ms and twice the empty one's time, and 304 at most 2 ms (95th
percentiles).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from benchmarks import page_polls
from benchmarks.escalation.ground import heading, servers, use

GOAL_MS = 50.0
GOAL_SAME_MS = 2.0
GOAL_RATIO = 2.0
WARM = 5
BEFORE_DAYS = 29
"""Beyond what the sweep makes by itself, back to two months ago, when the agents were made."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dispatches", type=int, default=750_000)
    parser.add_argument("--failures", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    with servers() as environment:
        use(environment)
        return compare(asked)


def compare(asked: argparse.Namespace) -> int:
    """Print all times; 1 when a goal is missed."""
    from agents.clock import db_now
    from benchmarks.fill import DAYS, fill

    for name, value in heading(0):
        print(f"{name}: {value}")
    print(f"load: {load()}")
    bare = page_polls.polled(period="30d", seconds=asked.seconds, changes=0)
    page_polls.tell("empty database", bare)
    now = db_now()
    began = time.perf_counter()
    fill(dispatches=asked.dispatches, failures=asked.failures, now=now)
    print(f"filled in {time.perf_counter() - began:.0f} s: {counted()}")
    if asked.calls:
        show("without hours, 30 d", timed(everything(now, timedelta(days=30)), 2, warm=0))
    print(f"hours added up: {added_up(now)}")
    if asked.calls:
        show_parts(now, asked.calls)
    still = page_polls.polled(period="30d", seconds=asked.seconds, changes=0)
    page_polls.tell("full, nothing changes", still)
    # Each attempt begins and ends, each failure comes: all change the page.
    often = (asked.dispatches * 4 / 3 * 2 + asked.failures) / (DAYS * 86_400)
    lively = page_polls.polled(period="30d", seconds=asked.seconds, changes=often)
    page_polls.tell(f"full, {often:.2f} changes/s", lively)
    print(f"load: {load()}")
    return judge(bare, {"nothing changes": still, "it changes": lively})


def show_parts(now: Any, calls: int) -> None:
    """Each query by itself, and all figures, by the period."""
    from monitoring.queries_health import PERIODS

    for period, window in PERIODS.items():
        for name, part in parts(now, window).items():
            show(f"{period}: {name}", timed(part, calls))
        show(f"{period}: all", timed(everything(now, window), calls))


def judge(bare: page_polls.Polled, full: dict[str, page_polls.Polled]) -> int:
    """Print what is kept and missed; 1 when anything is missed."""
    missed = 0
    for name, found in full.items():
        page, same = page_polls.p95(found.full), page_polls.p95(found.same)
        ratio = page / page_polls.p95(bare.full)
        for what, value, goal in (
            ("200, p95 ms", page, GOAL_MS),
            ("304, p95 ms", same, GOAL_SAME_MS),
            ("200, times the empty page", ratio, GOAL_RATIO),
        ):
            if not value:  # No such answer came.
                continue
            kept = value <= goal
            missed += not kept
            print(f"{name}: {what} {value:.2f}, goal {goal:g}: {'kept' if kept else 'MISSED'}")
    return int(missed > 0)


def load() -> str:
    """The machine's, over 1, 5 and 15 minutes."""
    return " ".join(f"{number:.1f}" for number in os.getloadavg())


def everything(now: Any, window: timedelta) -> Callable[[], object]:
    from monitoring.queries_health import figures

    return lambda: figures(now=now, window=window)


def parts(now: Any, window: timedelta) -> dict[str, Callable[[], object]]:
    """Each query by itself."""
    from monitoring import queries, queries_incidents, queries_uptime, queries_work
    from monitoring.queries_reviews import review_figures
    from monitoring.queries_rollbacks import rollback_figures
    from monitoring.queries_rolled import cut

    team = list(queries.agents())
    span: dict[str, Any] = {"now": now, "window": window}
    return {
        "cut": lambda: cut(since=now - window, until=now),
        "uptime": lambda: queries_uptime.uptime_by_agent(team, **span),
        "strips": lambda: queries_uptime.stretches_by_agent(
            team, now=now, window=timedelta(hours=24)
        ),
        "work": lambda: queries_work.work_by_agent(**span),
        "retries": lambda: queries_work.retry_success(**span),
        "incidents": lambda: queries_incidents.course(**span),
        "interventions": lambda: queries_incidents.interventions(**span),
        "rollbacks": lambda: rollback_figures(**span),
        "reviews": lambda: review_figures(**span),
    }


def added_up(now: Any) -> str:
    """Let the sweep make all hours, and say how long it took.

    The hours of the month before, which the change is told against, had been made by then.
    """
    from monitoring.queries_rolled import ONE_HOUR, hour_of
    from monitoring.services import rollups

    rounds, began = 0, time.perf_counter()
    for _ in range(30):
        one = time.perf_counter()
        done = rollups.roll_up(now=now)
        rounds += 1
        if done is None or done.hours <= 6:
            break
    last = time.perf_counter() - one
    end = hour_of(now - rollups.REACH) + ONE_HOUR
    for chunk in range(BEFORE_DAYS * 24 // rollups.CHUNK):
        until = end - chunk * rollups.CHUNK * ONE_HOUR
        rollups.make(since=until - rollups.CHUNK * ONE_HOUR, until=until, now=now)
    return f"{rounds} rounds in {time.perf_counter() - began:.1f} s, the last in {last:.2f} s"


def counted() -> str:
    from agents.models import Attempt
    from failures.models import Failure

    return f"{Attempt.objects.count():,} attempts, {Failure.objects.count():,} failures"


def timed(act: Callable[[], object], calls: int, *, warm: int = WARM) -> list[float]:
    """Milliseconds of each call, after some that don't count."""
    for _ in range(warm):
        act()
    took = []
    for _ in range(calls):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1000)
    return took


def show(what: str, took: list[float]) -> None:
    late = statistics.quantiles(took, n=20)[-1]
    print(f"{what:>24}: median {statistics.median(took):7.1f} ms, p95 {late:7.1f} ms", flush=True)


if __name__ == "__main__":
    sys.exit(main())
