"""Two beats and three workers at once; then one of each is killed in the middle of it.

The default sweep of 10 s; the ladder is 30, 60, 90 s, so that three levels fit into a run.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from datetime import timedelta

from benchmarks.escalation import ground, verdict
from benchmarks.escalation.fleet import Fleet

AGENTS = 300
SPREAD = 60.0
LADDER = (30, 60, 90)
KILL_AFTER = 45.0
PROMISE = 300.0
HEAD = ("", "levels", "told", "superseded", "missed", "doubled", "said twice", "median", "longest")


def run(environment: Mapping[str, str], *, seed: int) -> tuple[list[tuple[str, ...]], list[str]]:
    """The table's rows, and what was violated."""
    from agents.clock import db_now

    chance = random.Random(seed)
    ground.empty()
    now = db_now()
    ground.team(now=now)
    ladder = ",".join(map(str, LADDER))
    with Fleet({**environment, "EVOX_ESCALATION_LADDER": ladder}) as fleet:
        fleet.start(beats=2, workers=3)
        now = db_now()
        for n, agent in enumerate(ground.workers(AGENTS, prefix="W", now=now)):
            start = now + timedelta(seconds=SPREAD * n / AGENTS)
            ground.work([agent], progress=start, now=start)
        time.sleep(KILL_AFTER)
        killed = (f"beat{chance.choice((1, 2))}", f"worker{chance.choice((1, 2, 3))}")
        for name in killed:
            fleet.kill(name)
        dead_at = db_now()
        _wait_until_all_is_told()
        tracebacks = fleet.tracebacks()
    return _judged(dead_at, tracebacks, fleet)


def _wait_until_all_is_told() -> None:
    from failures.models import IncidentEvent

    deadline = time.monotonic() + SPREAD + LADDER[-1] + PROMISE
    top = IncidentEvent.objects.filter(kind="escalated", level=3)
    while top.count() < AGENTS and time.monotonic() < deadline:
        time.sleep(0.5)


def _judged(dead_at, tracebacks: int, fleet: Fleet) -> tuple[list[tuple[str, ...]], list[str]]:
    from failures.models import Incident

    incidents = list(Incident.objects.filter(kind="stalled"))
    found = verdict.levels(incidents)
    wrong = found.violations()
    if found.expected != AGENTS * len(LADDER):
        wrong.append(f"{found.expected} levels of {AGENTS * len(LADDER)} were there to be told")
    late = verdict.lateness(incidents)
    if late and late[-1] > PROMISE:
        wrong.append(f"a level was {late[-1]:.0f} s late")
    if tracebacks:
        wrong.append(f"{tracebacks} errors in {fleet.logs}")
    counts = (found.expected, found.told, found.superseded, found.missed, found.doubled)
    figures = tuple(f"{n:,}" for n in (*counts, found.said_twice))
    times = (f"{late[len(late) // 2]:.1f} s", f"{late[-1]:.1f} s") if late else ("–", "–")
    return [(f"one of each dead at {dead_at:%H:%M:%S}", *figures, *times)], wrong
