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
from typing import TYPE_CHECKING, Any, NamedTuple

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
        looks = analyses()
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    mined, _ = drain(python_with_drain(), (row.message for row in stream(messages, asked.rows)))
    times = (named + looks.first) / mined
    print(f"{asked.rows:,} messages, of {len(messages):,} different rows, in {groups:,} groups")
    print(f"fingerprints: {named:.1f} s of processor time, {asked.rows / named:,.0f} a second")
    print(f"analysis: {looks.first:.1f} s, {looks.found}")
    print(f"the same again: {looks.again:.1f} s; a week later: {looks.week_later:.1f} s")
    print(f"Drain3: {mined:.1f} s of processor time; EVOX takes {times:.1f} × as long")
    print(f"EVOX's process had {megabytes:.0f} MB at most")
    missed = looks.first > MOST_SECONDS or megabytes > MOST_MEGABYTES or times > MOST_TIMES
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


class Analyses(NamedTuple):
    """Three looks at the same failures."""

    first: float
    """Seconds of the weekly run that finds everything new, and of the proposals of merges."""
    found: str
    again: float
    """Seconds of a run right after it, which changes nothing."""
    week_later: float
    """Seconds of the next weekly run, with nothing new in its week."""


def analyses() -> Analyses:
    """Run them, with documents in a folder of their own."""
    import tempfile

    from django.conf import settings
    from django.db import connection

    from agents.clock import db_now
    from agents.models import Message
    from failures.services.group_proposals import proposals
    from learnings.models import Learning
    from learnings.services.analysis import analyse
    from learnings.states import Trigger

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    now, statements = db_now(), 0

    def count(execute: Any, *said: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*said)

    with tempfile.TemporaryDirectory() as folder:
        settings.EVOX_PATTERNS_DIR = Path(folder)
        started = time.perf_counter()
        with connection.execute_wrapper(count):
            run = analyse(Trigger.WEEKLY, now=now, watch=watch)
        merges = proposals(now)
        first = time.perf_counter() - started
        told = Learning.objects.told().count()
        posts = Message.objects.filter(channel__isnull=False).count()
        started = time.perf_counter()
        analyse(Trigger.COMMAND, now=now + timedelta(seconds=1), watch=watch)
        again = time.perf_counter() - started
        started = time.perf_counter()
        analyse(Trigger.WEEKLY, now=now + timedelta(days=7), watch=watch)
        week_later = time.perf_counter() - started
    found = (
        f"{run.patterns_found:,} patterns, {run.learnings_made:,} learnings, {told:,} documents,"
        f" {posts} posts, {len(merges)} merges proposed, in {statements:,} statements"
    )
    return Analyses(first, found, again, week_later)


def watch(what: str, done: int, of: int) -> None:
    """The bar of an analysis."""
    show(done, of, what=what)


def show(done: int, of: int, *, what: str = "Messages") -> None:
    """A progress bar, where somebody looks on."""
    if sys.stderr.isatty() or done >= of or done % (of // 20 or 1) < BATCH:
        full = "█" * (BAR * done // of)
        end = "\n" if done >= of else "\r"
        print(f"{what:9} {full:░<{BAR}} {done:,} of {of:,}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
