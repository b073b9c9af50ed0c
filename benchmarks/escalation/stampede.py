"""A thousand agents stall in one moment: how long until each level is recorded.

One beat and one worker, as `up` starts them, with the default sweep of 10 s.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from datetime import datetime, timedelta

from benchmarks.escalation import ground
from benchmarks.escalation.fleet import Fleet

AGENTS = 1_000
GOAL = 30.0
GIVE_UP = 120.0
POLL = 0.1
LEVELS = (1, 2, 3)
HEAD = ("level", "told", "median", "p99", "longest")

_MOVE_WORK = "UPDATE agents_dispatch SET last_progress_at = %(since)s WHERE status = 'running'"
_MOVE_CLOCK = """
UPDATE failures_incident SET stall_since = %(since)s, next_step_at = %(due)s
WHERE kind = 'stalled' AND status = 'open'
"""


def run(environment: Mapping[str, str], *, seed: int) -> tuple[list[tuple[str, ...]], list[str]]:
    """The table's rows, and what was violated."""
    from agents.clock import db_now

    chance = random.Random(seed)
    rows, wrong = [], []
    ground.empty()
    now = db_now()
    ground.team(now=now)
    agents = ground.workers(AGENTS, prefix="W", now=now)
    with Fleet(environment) as fleet:
        fleet.start(beats=1, workers=1)
        ground.work(agents, now=db_now())
        ground.analyse()
        for level in LEVELS:
            due = db_now() + timedelta(seconds=chance.uniform(2, 12))
            _stall(level, due=due)
            waits = sorted(_waits(level, due))
            if len(waits) < AGENTS:
                wrong.append(f"level {level} was told of {len(waits)} of {AGENTS} stalls")
                break
            p99 = waits[int(len(waits) * 0.99) - 1]
            if p99 > GOAL:
                wrong.append(f"level {level}: p99 is {p99:.1f} s")
            figures = (waits[len(waits) // 2], p99, waits[-1])
            rows.append((str(level), str(len(waits)), *(f"{s:.1f} s" for s in figures)))
        if fleet.tracebacks():
            wrong.append(f"{fleet.tracebacks()} errors in {fleet.logs}")
    return rows, wrong


def _stall(level: int, *, due: datetime) -> None:
    """All of them stand still since when that level falls due at `due`."""
    from django.conf import settings
    from django.db import connection, transaction

    since = due - settings.EVOX_ESCALATION_LADDER[level - 1]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_MOVE_WORK, {"since": since})
        cursor.execute(_MOVE_CLOCK, {"since": since, "due": due})


def _waits(level: int, due: datetime) -> list[float]:
    """For each incident the seconds from `due` until others see its level on the timeline."""
    from agents.clock import db_now
    from failures.models import IncidentEvent

    seen: dict[int, float] = {}
    told = IncidentEvent.objects.filter(kind="escalated", level=level).order_by()
    while len(seen) < AGENTS:
        after = (db_now() - due).total_seconds()
        if after > GIVE_UP:
            break
        for pk in told.values_list("incident_id", flat=True):
            seen.setdefault(pk, after)
        time.sleep(POLL)
    return list(seen.values())
