"""Whether EVOX itself is well: its database, its broker, its sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db import DatabaseError

from agents.clock import db_now
from agents.services.statements import fetch
from monitoring.queries import beat_of
from monitoring.queries_rolled import typed
from monitoring.services import findings
from monitoring.states import Part

SWEEPER = Part.SWEEPER
BROKER_TIMEOUT = 1.0
_WATCHING = """
SELECT (SELECT count(*) FROM monitoring_auditfinding
        WHERE check_name = 'step_overdue' AND found_at > %(since)s),
       (SELECT at FROM agents_systembeat WHERE name = 'auditor'),
       (SELECT count(*) FROM agents_delivery WHERE state IN ('pending', 'sending')),
       (SELECT count(*) FROM agents_delivery WHERE state = 'dead' AND finished_at > %(since)s)
"""


@dataclass(frozen=True)
class Readiness:
    """What works; `swept_at` is None when no sweep was ever seen."""

    database: bool
    broker: bool
    sweeps: bool
    swept_at: datetime | None = None

    @property
    def ready(self) -> bool:
        """Whether every part works."""
        return self.database and self.broker and self.sweeps

    @property
    def parts(self) -> dict[str, str]:
        """Each part with its state in a word."""
        return {
            "database": "ok" if self.database else "unreachable",
            "broker": "ok" if self.broker else "unreachable",
            "sweeps": "ok" if self.sweeps else "stale",
        }


@dataclass(frozen=True)
class Watching:
    """How well EVOX watches: what the auditor says, and what still waits to leave."""

    missed_30d: int
    """Levels of incidents that were told over five minutes late, or not, in 30 days."""
    audited_at: datetime | None
    waiting: int
    """Messages on their way to sinks outside."""
    dead_30d: int
    """Messages that could not be delivered in 30 days."""


def watching(*, now: datetime) -> Watching:
    """The auditor's book and the outbox, as they stand."""
    [row] = fetch(typed(_WATCHING), {"since": now - findings.MONTH})
    return Watching(*row)


def sweep_limit() -> timedelta:
    """How old the last sweep may be: six rounds, and a minute at least."""
    limit: timedelta = max(timedelta(seconds=60), 6 * settings.EVOX_SWEEP)
    return limit


def broker_answers() -> bool:
    """Whether Redis answers a ping within a second."""
    url = settings.CACHES["default"]["LOCATION"]
    try:
        client = redis.Redis.from_url(
            url, socket_timeout=BROKER_TIMEOUT, socket_connect_timeout=BROKER_TIMEOUT
        )
        with client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def readiness(*, now: datetime) -> Readiness:
    """The state of every part, as seen from a database that answers."""
    swept_at = beat_of(SWEEPER)
    fresh = swept_at is not None and now - swept_at < sweep_limit()
    return Readiness(database=True, broker=broker_answers(), sweeps=fresh, swept_at=swept_at)


def probe() -> Readiness:
    """The state of every part; a database that is away is an answer, not an error."""
    try:
        return readiness(now=db_now())
    except DatabaseError:
        return Readiness(database=False, broker=broker_answers(), sweeps=False)
