"""Throw-away servers and a filled database for the benchmarks of escalation."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = ("DATABASE_URL", "REDIS_URL", "EVOX_", "GITHUB_", "SECRET_KEY", "DJANGO_")


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """The environment for children, with fresh servers in it; they end with this process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    keeper = subprocess.Popen(
        [sys.executable, "-m", "evox.embedded.throwaway", "postgres", "redis"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert keeper.stdin
    assert keeper.stdout
    try:
        line = keeper.stdout.readline()
        if not line:
            sys.exit("The throw-away servers did not start.")
        urls: Mapping[str, str] = json.loads(line)
        yield kept | dict(urls) | {"SECRET_KEY": "benchmark", "PYTHONPATH": str(ROOT)}
    finally:
        with suppress(BrokenPipeError):
            keeper.stdin.close()
        keeper.wait(60)


def use(environment: Mapping[str, str]) -> None:
    """Make this process speak to those servers, with the schema in place."""
    for name in [name for name in os.environ if name.startswith(OWN)]:
        del os.environ[name]
    os.environ.update(environment)
    os.environ["DJANGO_SETTINGS_MODULE"] = "evox.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def empty() -> None:
    """Delete every row that a benchmark makes."""
    from django.apps import apps
    from django.db import connection

    labels = ("agents", "failures", "recovery", "learnings", "monitoring")
    tables = [m._meta.db_table for label in labels for m in apps.get_app_config(label).get_models()]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")


def analyse() -> None:
    """What autovacuum does in a living database."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


_AGENTS = """
INSERT INTO agents_agent (name, role, skills, status, heartbeat_seconds, heartbeat_grace_seconds,
                          last_seen_at, created_at)
SELECT %(prefix)s || n, 'worker', '{}', 'busy', 3600, 3600, %(now)s, %(now)s - interval '9 days'
FROM generate_series(1, %(count)s) AS n RETURNING id
"""
_DISPATCHES = """
INSERT INTO agents_dispatch
  (title, command, payload, ticket_id, priority, rank_at, status, reason, agent_id, open_to_all,
   excluded_agents, required_skills, attempt, crash_count, max_attempts, max_crashes,
   next_strategy, instructions, last_fingerprint, lease_epoch, lease_seconds, lease_expires_at,
   deadline_at, last_progress_at, last_marker, unmarked_notes, created_at, created_by, updated_at,
   finished_at)
SELECT 'Work ' || n, 'run', '{}', %(ticket)s, 2, %(now)s, %(status)s, '', a.id, true,
   '{}', '{}', 1, 0, 4, 3, 'first_try', '', '', 1,
   CASE WHEN %(status)s = 'running' THEN 3600 END,
   CASE WHEN %(status)s = 'running' THEN %(now)s + interval '1 day' END,
   CASE WHEN %(status)s = 'running' THEN %(now)s + interval '1 day' END,
   %(progress)s, '', 0, %(now)s - interval '1 day', 'MAX', %(now)s,
   CASE WHEN %(status)s <> 'running' THEN %(now)s END
FROM unnest(%(agents)s::bigint[]) WITH ORDINALITY AS a (id, n) RETURNING id
"""


def workers(count: int, *, prefix: str, now) -> list[int]:
    """That many agents at work, by their ids."""
    return _ids(_AGENTS, count=count, prefix=prefix, now=now)


def work(
    agents: list[int], *, status: str = "running", progress=None, ticket: str = "AGT-1", now
) -> list[int]:
    """A dispatch of each agent's; its last progress was at `progress`, now when None."""
    params = {"agents": agents, "status": status, "progress": progress or now, "ticket": ticket}
    return _ids(_DISPATCHES, **params, now=now)


def team(*, now) -> None:
    """The seeded team at work: a lead, the CEO, and peers who can help."""
    from agents.models import Agent
    from agents.services.agents import seed_team

    seed_team(now=now - timedelta(days=9))
    Agent.objects.update(last_seen_at=now, heartbeat_seconds=3600, heartbeat_grace_seconds=3600)


def _ids(sql: str, **params: object) -> list[int]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [pk for (pk,) in cursor.fetchall()]


def heading(seed: int) -> list[tuple[str, str]]:
    """Which machine, which commit, when, which seed."""
    from agents.clock import db_now

    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return [
        ("machine", f"{machine}, Python {platform.python_version()}, PostgreSQL without fsync"),
        ("commit", commit),
        ("date", f"{db_now():%Y-%m-%d %H:%M} UTC"),
        ("seed", str(seed)),
    ]
