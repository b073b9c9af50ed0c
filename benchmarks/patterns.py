"""From a million raw messages to patterns: the fingerprint, then the weekly analysis.

    python -m benchmarks.patterns [--rows 1000000] [labelled.csv …]

Starts a PostgreSQL and a Redis of its own. The messages are those of the CSV files (dataset, label,
message; without files the project's own), in another order each time over. Drain3 mines the same
million beside it, in a process of its own. Exits with 1 when the analysis takes more than 60 s, the
process has more than 300 MB, or fingerprint and analysis take more than ten times Drain3's time.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.drain import drain, python_with_drain
from benchmarks.escalation.ground import heading, servers, use
from benchmarks.labelled import MISTAKES, OWN, Labelled, own, read

if TYPE_CHECKING:
    from failures.fingerprint import Grouping

MOST_SECONDS, MOST_MEGABYTES, MOST_TIMES = 60, 300, 10
BATCH = 1_000
BAR = 40


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("labelled", nargs="*")
    asked = parser.parse_args()
    messages = [row for rows in read(asked.labelled).values() for row in rows]
    messages = messages or own(OWN, MISTAKES)
    with servers() as environment:
        use(environment)
        import learnings.services.analysis  # noqa: F401 - the code of this moment, not of later

        for name, value in heading(0):
            print(f"{name}: {value}")
        named, groups = fill(messages, asked.rows)
        analysed, found = analysis()
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    mined, _ = drain(python_with_drain(), (row.message for row in stream(messages, asked.rows)))
    times = (named + analysed) / mined
    print(f"{asked.rows:,} messages, of {len(messages):,} different rows, in {groups:,} groups")
    print(f"fingerprints: {named:.1f} s of processor time, {asked.rows / named:,.0f} a second")
    print(f"analysis: {analysed:.1f} s, {found}")
    print(f"Drain3: {mined:.1f} s of processor time; EVOX takes {times:.1f} × as long")
    print(f"EVOX's process had {megabytes:.0f} MB at most")
    missed = analysed > MOST_SECONDS or megabytes > MOST_MEGABYTES or times > MOST_TIMES
    return int(missed)


def stream(messages: list[Labelled], rows: int) -> Iterator[Labelled]:
    """So many messages, in an order that is the same each time it is asked for."""
    chance = random.Random(0)
    while rows > 0:
        some = chance.sample(messages, min(rows, len(messages)))
        yield from some
        rows -= len(some)


def fill(messages: list[Labelled], rows: int) -> tuple[float, int]:
    """Fingerprint and store them as a week's failures; seconds of the former, and the groups."""
    from agents.clock import db_now
    from agents.models import Agent
    from agents.services.agents import seed_team
    from failures.fingerprint import grouping
    from failures.models import Failure, FailureGroup

    seed_team(now=db_now())
    week = Week(db_now(), rows, list(Agent.objects.order_by("pk")[:5]))
    coming, done, took = stream(messages, rows), 0, 0.0
    while batch := list(islice(coming, BATCH)):
        started = time.process_time()
        keys = [grouping(row.error_type, row.message) for row in batch]
        took += time.process_time() - started
        Failure.objects.bulk_create(
            week.failure(row, key) for row, key in zip(batch, keys, strict=True)
        )
        done += len(batch)
        show(done, rows)
    for pk, count in week.counts.items():
        FailureGroup.objects.filter(pk=pk).update(count=count, last_seen_at=week.now)
    return took, len(week.counts)


class Week:
    """Turns messages into rows of the last seven days."""

    def __init__(self, now: datetime, rows: int, agents: list[Any]) -> None:
        self.now, self._step, self._agents = now, timedelta(days=6.9) / rows, agents
        self._groups: dict[str, int] = {}
        self.counts: dict[int, int] = {}
        self._seen = 0

    def failure(self, row: Labelled, key: Grouping) -> Any:
        from failures.models import Failure

        self._seen += 1
        group = self._group(row, key)
        self.counts[group] = self.counts.get(group, 0) + 1
        return Failure(
            agent=self._agents[self._seen % len(self._agents)],
            group_id=group,
            error_type=row.error_type,
            message=row.message,
            fingerprint=key.fingerprint,
            created_at=self.now - timedelta(days=6.9) + self._step * self._seen,
        )

    def _group(self, row: Labelled, key: Grouping) -> int:
        from failures.models import FailureGroup

        if key.fingerprint not in self._groups:
            made = FailureGroup.objects.create(
                fingerprint=key.fingerprint,
                family=key.family,
                error_type=row.error_type,
                template=key.template,
                tool_code=key.tool_code[:120],
                error_class=key.error_class[:120],
                first_seen_at=self.now - timedelta(days=6.9),
                last_seen_at=self.now,
            )
            self._groups[key.fingerprint] = made.pk
        return self._groups[key.fingerprint]


def analysis() -> tuple[float, str]:
    """Seconds of the weekly analysis, and what it found."""
    import tempfile

    from django.conf import settings
    from django.db import connection

    from agents.clock import db_now
    from failures.services.group_proposals import proposals
    from learnings.services.analysis import analyse
    from learnings.states import Trigger

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    with tempfile.TemporaryDirectory() as folder:
        settings.EVOX_PATTERNS_DIR = Path(folder)
        started = time.perf_counter()
        run = analyse(Trigger.WEEKLY, now=db_now())
        merges = proposals(db_now())
        took = time.perf_counter() - started
    made = f"{run.learnings_made:,} learnings"
    return took, f"{run.patterns_found:,} patterns, {made}, {len(merges)} merges proposed"


def show(done: int, rows: int) -> None:
    """A progress bar, where somebody looks on."""
    if sys.stderr.isatty() or done >= rows or done % (rows // 20 or 1) < BATCH:
        full = "█" * (BAR * done // rows)
        end = "\n" if done >= rows else "\r"
        print(f"{full:░<{BAR}} {done:,} of {rows:,}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
