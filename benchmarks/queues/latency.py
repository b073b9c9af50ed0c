"""How long the one claim statement takes, deep into a big queue."""

import os
import random
import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from statistics import quantiles

import psycopg

from benchmarks.queues import rows

GOAL_MS = 1.0
"""The 95th percentile of a claim in the database."""
OPEN, CLAIMS, WARM_UP = 50_000, 2_000, 50
LEASE, DEADLINE = timedelta(minutes=5), timedelta(hours=4)


def measure(url: str, finished: int) -> bool:
    """Fill, claim one by one, print the percentiles; whether the goal holds.

    `finished` completed rows with their attempts; 50,000 pending rows of an agent that is offline,
    at the head; 50,000 that the ten workers may claim.
    """
    os.environ["DATABASE_URL"], os.environ["DJANGO_SETTINGS_MODULE"] = url, "evox.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    with psycopg.connect(url, autocommit=True) as connection:
        began = time.perf_counter()
        rows.team(connection)
        rows.history(connection, finished)
        rows.obstacles(connection)
        rows.work(connection, OPEN)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
        print(f"\nFilled {finished:,} finished rows in {time.perf_counter() - began:.0f} s.")
        return _report(*_claims(connection), finished)


def _claims(connection: psycopg.Connection) -> tuple[list[float], list[float]]:
    """Milliseconds of each claim: as the client saw it, and in the server alone."""
    from agents.services.leases import claim_statement
    from agents.services.statements import numbered
    from recovery.services.gate import WIDE_OPEN

    agents = list(connection.execute("SELECT id, skills FROM agents_agent WHERE name LIKE 'W%'"))
    sql, names = numbered(claim_statement(1, one=False, condition=WIDE_OPEN))
    connection.execute(f"PREPARE explained AS {sql}")
    prepared, seen, spent = psycopg.RawCursor(connection), [], []
    for number in range(WARM_UP + CLAIMS):
        values = _values(*random.choice(agents))
        began = time.perf_counter()
        prepared.execute(sql, [values[name] for name in names], prepare=True)
        found = prepared.fetchall()
        seen.append((time.perf_counter() - began) * 1000)
        assert len(found) == 1
        if number % 10 == 0:
            values = _values(*random.choice(agents))
            spent.append(_explained(connection, [values[name] for name in names]))
    return seen[WARM_UP:], spent[WARM_UP // 10 :]


def _explained(connection: psycopg.Connection, values: list[object]) -> float:
    """Planned and executed in the server, as a prepared statement."""
    marks = ", ".join(["%s"] * len(values))
    cursor = psycopg.ClientCursor(connection)
    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY) EXECUTE explained ({marks})", values)
    text = "\n".join(line for (line,) in cursor.fetchall())
    times = re.findall(r"(?:Planning|Execution) Time: ([\d.]+) ms", text)
    assert len(times) == 2
    return sum(float(one) for one in times)


def _values(agent: int, skills: list[str]) -> dict[str, object]:
    now = datetime.now(tz=UTC)
    return {
        "agent": agent,
        "skills": skills,
        "lease_seconds": int(LEASE.total_seconds()),
        "lease_expires_at": now + LEASE,
        "deadline_at": now + DEADLINE,
        "session": None,
        "claims": [secrets.token_urlsafe(18)],
        "now": now,
    }


def _report(seen: list[float], spent: list[float], finished: int) -> bool:
    pending = rows.AWAY + rows.OUT_OF_REACH + OPEN
    print(f"One claim at {finished:,} finished and {pending:,} pending rows:")
    measured = {
        "statement and commit, as the client sees it": seen,
        "planned and executed in the server (EXPLAIN ANALYZE)": spent,
    }
    for name, found in measured.items():
        cuts = quantiles(found, n=100)
        print(f"- {name}: p50 {cuts[49]:.2f} ms, p95 {cuts[94]:.2f} ms, p99 {cuts[98]:.2f} ms")
    p95 = quantiles(spent, n=100)[94]
    word = "met" if p95 <= GOAL_MS else "MISSED"
    print(f"p95 in SQL = {p95:.2f} ms (goal {GOAL_MS:.0f} ms: {word})")
    return p95 <= GOAL_MS
