"""How fast the figures are with a million attempts and failures, beside an empty database.

    python -m benchmarks.page [--dispatches 750000] [--calls 60]

A month of 100 agents is made by PostgreSQL itself. Then the figures of each period are asked for,
part by part, first without the hours that are added up, then with them. Exits with 1 when the
figures of 30 days take 50 ms or longer (95th percentile).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from benchmarks.escalation.ground import heading, servers, use

GOAL_MS = 50.0
WARM = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dispatches", type=int, default=750_000)
    parser.add_argument("--calls", type=int, default=60)
    asked = parser.parse_args()
    with servers() as environment:
        use(environment)
        return compare(asked.dispatches, asked.calls)


def compare(dispatches: int, calls: int) -> int:
    """Print all times; 1 when the goal is missed."""
    from agents.clock import db_now
    from benchmarks.fill import fill
    from monitoring.queries_health import PERIODS

    for name, value in heading(0):
        print(f"{name}: {value}")
    month, now = PERIODS["30d"], db_now()
    empty = timed(everything(now, month), calls)
    show("empty database, 30 d", empty)
    began = time.perf_counter()
    fill(dispatches=dispatches, loose_failures=dispatches, now=now)
    print(f"filled in {time.perf_counter() - began:.0f} s: {counted()}")
    show("without hours, 30 d", timed(everything(now, month), 2, warm=0))
    print(f"hours added up: {added_up(now)}")
    full: list[float] = []
    for period, window in PERIODS.items():
        for name, part in parts(now, window).items():
            show(f"{period}: {name}", timed(part, calls))
        full = timed(everything(now, window), calls)
        show(f"{period}: all", full)
    late = statistics.quantiles(full, n=20)[-1]
    print(f"30 d, p95: {late:.1f} ms, {late / statistics.quantiles(empty, n=20)[-1]:.1f} × empty")
    return int(late >= GOAL_MS)


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
    """Let the sweep make all hours, and say how long it took."""
    from monitoring.services import rollups

    rounds, began = 0, time.perf_counter()
    for _ in range(30):
        one = time.perf_counter()
        done = rollups.roll_up(now=now)
        rounds += 1
        if done is None or done.hours <= 6:
            break
    last = time.perf_counter() - one
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
