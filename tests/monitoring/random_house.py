"""A random database: attempts, failures, retries, incidents and acts around one instant."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from agents.models import Agent, Attempt, AuditEntry, Dispatch
from agents.services import life
from agents.services.agents import record_heartbeat, seed_team
from failures.models import Failure, FailureGroup, Incident, IncidentEvent
from failures.states import ErrorType

OUTCOMES = ("failed", "failed", "lost", "blocked", "superseded", "released", "cancelled")
SPAN = timedelta(days=33)


def build(seed: int, *, now: datetime) -> None:
    """Fill the database, by a seed; nothing is later than `now`."""
    chance = random.Random(seed)
    seed_team(now=now - SPAN)
    Agent.objects.create(name="EVA", role="ceo", created_at=now - SPAN)
    agents = list(Agent.objects.exclude(role="ceo"))
    group = FailureGroup.objects.create(
        fingerprint="f1:x", error_type="test", first_seen_at=now, last_seen_at=now
    )
    for _ in range(chance.randrange(60)):
        _work(chance, agents, group, now=now)
    for number in range(chance.randrange(25)):
        _incident(chance, number, now=now)
    for _ in range(chance.randrange(12)):
        AuditEntry.objects.create(
            at=_when(chance, now),
            actor=chance.choice(["EVA", "eva", "CEO", "ann", "SYSTEM"]),
            verb="retry",
            subject_kind="dispatch",
            subject_id=1,
        )
    _lives(chance, agents, now=now)


def in_hand(seed: int, *, now: datetime) -> None:
    """Some hold work, of whom some show life."""
    chance = random.Random(seed)
    for agent in Agent.objects.exclude(role="ceo").order_by("id"):
        if chance.random() < 0.6:
            continue
        held = Dispatch.objects.create(
            title="Work",
            command="make",
            rank_at=now,
            status="running",
            agent=agent,
            lease_epoch=1,
            lease_expires_at=now + timedelta(minutes=9),
            deadline_at=now + timedelta(hours=2),
            lease_seconds=1800,
            created_at=now - timedelta(minutes=30),
            updated_at=now,
        )
        Attempt.objects.create(
            dispatch=held,
            lease_epoch=1,
            agent=agent,
            strategy="first_try",
            claim=f"{held.pk}-1",
            started_at=now - timedelta(minutes=20),
        )
        seen = now - timedelta(minutes=chance.choice([0.1, 15]))
        Agent.objects.filter(pk=agent.pk).update(last_seen_at=seen)


def _when(chance: random.Random, now: datetime) -> datetime:
    """Mostly lately, at times on the hour, where windows and hours begin."""
    ago = SPAN * chance.choice([chance.random(), chance.random() ** 4, chance.random() ** 12])
    at = now - ago
    return at.replace(minute=0, second=0, microsecond=0) if chance.random() < 0.1 else at


def _work(chance, agents, group, *, now: datetime) -> None:
    begun = _when(chance, now)
    tries = chance.randrange(1, 5)
    ended = chance.random() < 0.8
    status = chance.choice(["completed", "exhausted", "cancelled"]) if ended else "retrying"
    dispatch = Dispatch.objects.create(
        title="Work",
        command="make",
        rank_at=begun,
        status=status,
        run_at=None if ended else now + timedelta(hours=1),
        finished_at=now if ended else None,
        lease_epoch=tries,
        created_at=begun,
        updated_at=now,
    )
    at = begun
    for epoch in range(1, tries + 1):
        last = epoch == tries
        outcome = "succeeded" if last and status == "completed" else chance.choice(OUTCOMES)
        end = min(at + timedelta(minutes=chance.uniform(0, 90)), now)
        attempt = Attempt.objects.create(
            dispatch=dispatch,
            lease_epoch=epoch,
            agent=chance.choice(agents),
            strategy="first_try",
            claim=f"{dispatch.pk}-{epoch}",
            started_at=at,
            ended_at=end,
            outcome=outcome,
        )
        if outcome == "failed" and chance.random() < 0.9:
            failure = Failure.objects.create(
                agent=attempt.agent,
                attempt=attempt,
                group=group,
                error_type=chance.choice(list(ErrorType)).value,
                fingerprint="f1:x",
                created_at=end,
            )
            Attempt.objects.filter(pk=attempt.pk).update(failure_id=failure.pk)
        at = end


def _incident(chance, number: int, *, now: datetime) -> None:
    opened = _when(chance, now)
    length = timedelta(minutes=chance.uniform(1, 600))
    over = opened + length <= now and chance.random() < 0.8
    record = over and chance.random() < 0.2
    person = chance.choice(["ann", "EVA", "SYSTEM"])
    incident = Incident.objects.create(
        kind="rolled_back" if record else "blocked",
        severity=chance.choice(["error", "critical", "warn"]),
        status="resolved" if over else "open",
        title="Trouble",
        dedup_key=f"d{number}",
        opened_at=opened,
        stall_since=opened - timedelta(minutes=20) if chance.random() < 0.3 else None,
        resolved_at=(opened if record else opened + length) if over else None,
        resolved_by=("SYSTEM" if record else person) if over else "",
    )
    if record:
        return
    lines = [("escalated", 2, "SYSTEM", opened)]
    if chance.random() < 0.5:
        lines.append(("acknowledged", None, chance.choice(["ann", "EVA"]), opened + length / 3))
    if chance.random() < 0.4:
        lines += [("escalated", 3, "SYSTEM", opened + length / 2)]
        lines += [("reminded", 3, "SYSTEM", opened + length * 0.6)]
    if over:
        lines.append(("resolved", None, person, opened + length))
    for seq, (kind, level, actor, at) in enumerate(lines, 1):
        if at <= now:
            IncidentEvent.objects.create(
                incident=incident, seq=seq, kind=kind, level=level, actor=actor, at=at
            )


def _lives(chance, agents, *, now: datetime) -> None:
    at = now - timedelta(hours=30)
    while at <= now:
        if chance.random() < 0.9:
            life.listen(now=at)
            life.listen(now=at + timedelta(seconds=29))
        for agent in agents[:3]:
            if chance.random() < 0.7:
                record_heartbeat(agent, status=None, session=None, now=at)
        at += timedelta(minutes=chance.choice([0.5, 2, 30]))
