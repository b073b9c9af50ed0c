"""What a round of watching and an audit cost with 100, 1,000 and 10,000 open incidents."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from statistics import median

from benchmarks.escalation import ground

SIZES = (100, 1_000, 10_000)
AUDIT_LIMIT = 1.0
REPEATS = 7
HISTORY = 20_000


class Counter:
    """Counts the statements of a block."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute, sql, params, many, context):
        self.count += 1
        return execute(sql, params, many, context)


@contextmanager
def counted():
    """The statements that the block sends."""
    from django.db import connection

    counter = Counter()
    with connection.execute_wrapper(counter):
        yield counter


def measured(act: Callable[[], object]) -> tuple[int, float, float]:
    """Statements, and median and longest seconds, of that act."""
    took = []
    for _ in range(REPEATS):
        with counted() as counter:
            started = time.perf_counter()
            act()
            took.append(time.perf_counter() - started)
    return counter.count, median(took), max(took)


def fill(size: int, *, now) -> None:
    """`size` open incidents that are not due, of four kinds, after a long history."""
    ground.empty()
    ground.team(now=now)
    agents = ground.workers(size, prefix="W", now=now)
    for _ in range(0, HISTORY, size):
        ground.work(agents[:HISTORY], status="completed", now=now)
    _open(agents, now=now)
    ground.analyse()


def _open(agents: list[int], *, now) -> None:
    """Every second agent stands still; the others are silent, in a loop, or reported something."""
    from agents.models import Agent
    from failures.models import Incident
    from failures.services.opening import NewIncident, create_incidents
    from failures.states import IncidentKind, Severity

    since = now - timedelta(minutes=20)
    stuck, others = agents[::2], agents[1::2]
    rows = [(IncidentKind.STALLED, *pair) for pair in _works(stuck, progress=since, now=now)]
    kinds = (IncidentKind.SILENT, IncidentKind.ERROR_LOOP, IncidentKind.REPORTED)
    for n, pair in enumerate(_works(others, now=now)):
        rows.append((kinds[n % 3], *pair))
    silent = [agent for kind, agent, _ in rows if kind is IncidentKind.SILENT]
    Agent.objects.filter(pk__in=silent).update(last_seen_at=since)
    for start in range(0, len(rows), 500):
        part = rows[start : start + 500]
        news = [
            NewIncident(
                kind=kind,
                title=f"{kind.value} {dispatch}",
                dedup_key=f"{kind.value}:{dispatch}",
                severity=Severity.CRITICAL if kind is IncidentKind.REPORTED else None,
                stall_since=None if kind is IncidentKind.REPORTED else since,
            )
            for kind, _, dispatch in part
        ]
        made = create_incidents(news, now=now - timedelta(minutes=4))
        for incident, (_, agent, dispatch) in zip(made, part, strict=True):
            incident.agent_id, incident.dispatch_id = agent, dispatch
            incident.next_step_at = now + timedelta(minutes=10)
        Incident.objects.bulk_update(made, ["agent", "dispatch", "next_step_at"])


def _works(agents: list[int], *, progress=None, now) -> list[tuple[int, int]]:
    return list(zip(agents, ground.work(agents, progress=progress, now=now), strict=True))


def run() -> tuple[list[tuple[str, ...]], list[str]]:
    """The table's rows, and what was violated."""
    from agents.clock import db_now
    from failures.models import Incident
    from monitoring.models import AuditFinding
    from monitoring.services.auditor import audit
    from monitoring.services.watch import watch

    rows, wrong, statements = [], [], set()
    for size in SIZES:
        now = db_now()
        fill(size, now=now)
        done = watch(now=now)
        if any(vars(done).values()):
            wrong.append(f"with {size} incidents and nothing due, a round did {done}")
        sweep = measured(lambda now=now: watch(now=now))
        check = measured(lambda now=now: audit(now=now))
        standing = Incident.objects.exclude(status="resolved").count()
        found = AuditFinding.objects.count()
        statements.add(sweep[0])
        if found:
            wrong.append(f"with {size} incidents the audit found {found}")
        if check[2] > AUDIT_LIMIT:
            wrong.append(f"with {size} incidents the audit took {check[2]:.2f} s")
        rows.append((f"{standing:,} open", *_figures(sweep), *_figures(check)))
    if len(statements) > 1:
        wrong.append(f"the statements of a round are not the same: {sorted(statements)}")
    return rows, wrong


def _figures(figures: tuple[int, float, float]) -> tuple[str, str, str]:
    count, middle, longest = figures
    return (str(count), f"{middle * 1000:.1f} ms", f"{longest * 1000:.1f} ms")


HEAD = ("", "round: statements", "median", "longest", "audit: statements", "median", "longest")
