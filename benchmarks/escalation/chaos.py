"""Incidents × three levels under hard kills: is a level missed, doubled, or not delivered?

Nobody who could help is at work and there is no lead, so every level is said in a channel, and
leaves for its sinks. The clock is real; the ladder is seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.escalation import chaos_verdict, ground
from benchmarks.escalation.faults import Tickets

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ROLES = (
    *("watcher", "watcher", "careless", "auditor"),
    *("sender", "sender", "sender", "sender", "person", "person"),
)
SINKS = (("dev", "dev one"), ("ceo", "ceo one"), ("ceo", "ceo two"))


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a run is, and how its seconds stand for minutes."""

    alone: int = 300
    """Stalls that nobody acts on: each of their levels must be told."""
    acted: int = 60
    """Stalls that people acknowledge, snooze and resolve meanwhile."""
    critical: int = 40
    """Reports that speak to #dev at once and to #ceo later."""
    spread: float = 60
    ladder: tuple[int, int, int] = (10, 24, 40)
    kills_per_point: int = 15
    lease: float = 12
    """Of a sender on a delivery; the product's is 30 s, and the patience below 10 s."""
    patience: float = 4
    ack_lasts: float = 6
    drain: float = 300


SMALL = Size(
    alone=40,
    acted=10,
    critical=16,
    spread=8,
    ladder=(4, 8, 12),
    kills_per_point=3,
    lease=4,
    patience=2,
    ack_lasts=2,
    drain=60,
)


def run(
    environment: Mapping[str, str], *, seed: int, size: Size, without: str
) -> tuple[list[tuple[str, ...]], list[str]]:
    """The table's rows, and what was violated."""
    from django.test import override_settings

    folder = Path(tempfile.mkdtemp(prefix="evox-escalation-"))
    started = time.monotonic()
    ground.empty()
    if without == "unique":
        _drop_the_constraint()
    with ExitStack() as stack:
        port = stack.enter_context(_receiver(folder, seed, size))
        _begin(folder, seed, size, without, port=port)
        own = {**environment, "EVOX_ESCALATION_LADDER": ",".join(map(str, size.ladder))}
        ladder = tuple(timedelta(seconds=s) for s in size.ladder)
        stack.enter_context(override_settings(EVOX_ESCALATION_LADDER=ladder))
        stack.enter_context(_nursery(folder, own))
        _report_criticals(size)
        over = _wait(folder, size)
    took = time.monotonic() - started
    rows, wrong = chaos_verdict.judged(folder, size, over=over, took=took)
    if not wrong:
        shutil.rmtree(folder)
    return rows, wrong


def _begin(folder: Path, seed: int, size: Size, without: str, *, port: int) -> None:
    from django.db.models import F, Func

    from agents.clock import db_now
    from agents.models import Agent, Channel, Sink

    now = db_now()
    for channel, name in SINKS:
        place, _ = Channel.objects.get_or_create(name=channel, defaults={"created_at": now})
        url = f"http://127.0.0.1:{port}/{name.replace(' ', '-')}"
        Sink.objects.create(
            channel=place, name=name, kind="webhook", url=url, secret=SECRET, created_at=now
        )
    count = size.alone + size.acted
    for n, agent in enumerate(ground.workers(count, prefix="W", now=now)):
        at = now + timedelta(seconds=size.spread * n / count - size.ladder[0] / 2)
        ticket = "acted" if n % (count // size.acted) == 0 else "alone"
        ground.work([agent], progress=at, ticket=ticket, now=now)
    Agent.objects.update(
        skills=Func(F("name"), template="ARRAY[%(expressions)s]")
    )  # So that nobody can help anybody.
    terms = asdict(size) | {
        "seed": seed,
        "without": without,
        "roles": ROLES,
        "acts_until": time.time() + size.spread + size.ladder[-1],
    }
    (folder / "terms.json").write_text(json.dumps(terms))
    telling = size.spread + size.ladder[0]
    Tickets(folder / "tickets").issue(
        size.kills_per_point, opening=size.spread * 0.9, telling=telling
    )


def _report_criticals(size: Size) -> None:
    """Reports come in evenly while everything dies around them."""
    from agents.clock import db_now
    from failures.services.opening import NewIncident, open_incident
    from failures.states import IncidentKind, Severity

    for n in range(size.critical):
        new = NewIncident(
            kind=IncidentKind.REPORTED,
            title=f"Report {n}",
            dedup_key=f"report:{n}",
            severity=Severity.CRITICAL,
            reported_by="SAM",
        )
        open_incident(new, now=db_now())
        time.sleep(size.spread / size.critical)


def _wait(folder: Path, size: Size) -> bool:
    """Wait until every level is told, every ticket used, and the outbox empty; False: too long."""
    deadline = time.monotonic() + size.ladder[-1] + size.drain
    while time.monotonic() < deadline:
        if not Tickets(folder / "tickets").left() and chaos_verdict.is_over(folder, size):
            return True
        time.sleep(0.5)
    return False


@contextmanager
def _receiver(folder: Path, seed: int, size: Size):
    arguments = (folder / "book.jsonl", SECRET, seed, 0.15, 0.1, 0.005, size.patience)
    with _child("benchmarks.escalation.receiver", *arguments, env=os.environ, log=folder) as child:
        yield int(child.stdout.readline())


@contextmanager
def _nursery(folder: Path, environment: Mapping[str, str]):
    own = {"EVOX_SINK_ALLOW": "127.0.0.1", "DJANGO_SETTINGS_MODULE": "evox.settings"}
    module = "benchmarks.escalation.nursery"
    with _child(module, folder, env={**environment, **own}, log=folder) as child:
        yield child


@contextmanager
def _child(module: str, *arguments: object, env: Mapping[str, str], log: Path):
    """A process that ends when its input does."""
    with (log / f"{module.rpartition('.')[2]}.log").open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=ground.ROOT,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert child.stdin
    try:
        yield child
    finally:
        child.stdin.close()
        child.wait(30)


def _drop_the_constraint() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX incidentevent_each_level_once")
