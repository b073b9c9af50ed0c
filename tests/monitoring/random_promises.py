"""What a random database needs for every promise to have a value: rollbacks, reviews, learnings,
work that stood still, sessions and pauses."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from uuid import UUID

from agents.models import Agent, AgentSession, Attempt, Dispatch, Pause
from failures.models import Incident, IncidentEvent
from learnings.models import Learning
from recovery.models import PullRequest, Repository, ReviewHead, Rollback

SPAN = timedelta(days=33)


def build_promises(seed: int, *, now: datetime) -> None:
    """Fill the rest of the database, by a seed; nothing is later than `now`."""
    chance = random.Random(f"promises of {seed}")
    agents = list(Agent.objects.exclude(role="ceo").order_by("id"))
    for number in range(chance.randrange(25)):
        _rollback(chance, number, now=now)
    _reviews(chance, now=now)
    for number in range(chance.randrange(4)):
        _learning(chance, number, now=now)
    for agent in agents * 2:
        if chance.random() < 0.5:
            _stall(chance, agent, now=now)
        if chance.random() < 0.5:
            _session(chance, agent, now=now)
    for _ in range(chance.randrange(3)):
        _pause(chance, chance.choice([None, *agents]), now=now)
    _sessions_of_attempts(chance)


def _sessions_of_attempts(chance: random.Random) -> None:
    for attempt in Attempt.objects.exclude(outcome="running"):
        if chance.random() < 0.4:
            attempt.session = UUID(int=chance.getrandbits(128))
            attempt.save(update_fields=["session"])


def _when(chance: random.Random, now: datetime) -> datetime:
    return now - SPAN * chance.choice([chance.random(), chance.random() ** 4])


def _rollback(chance: random.Random, number: int, *, now: datetime) -> None:
    at, kind = _when(chance, now), chance.choice(["rolled_back", "rolled_back", "build_flaky"])
    record = Incident.objects.create(
        kind=kind,
        severity="warn",
        status="resolved",
        title="A commit",
        dedup_key=f"commit {number}",
        opened_at=at,
        resolved_at=at,
        resolved_by="SYSTEM",
    )
    Rollback.objects.create(
        incident=record,
        kind=kind,
        commit=f"{number:040}",
        command="make",
        committed_at=at - timedelta(seconds=chance.uniform(-20, 300)),
        received_at=at,
        late=chance.random() < 0.2,
    )


def _reviews(chance: random.Random, *, now: datetime) -> None:
    if chance.random() < 0.3:
        return
    Repository.objects.create(repository_id=1, name="acme/shop", next_check_at=now)
    pull = PullRequest.objects.create(
        repository_id=1,
        repository="acme/shop",
        number=1,
        title="Pay",
        author="ann",
        branch="pay",
        base="main",
        head_sha="0",
        base_sha="1",
        state="open",
        url="https://example.org/1",
        updated_at=now,
    )
    for number in range(chance.randrange(40)):
        seen = _when(chance, now)
        if chance.random() < 0.2:
            seen = now - timedelta(seconds=chance.uniform(0, 120))
        work = _done(seen) if chance.random() < 0.7 else None
        ReviewHead.objects.create(
            pull=pull,
            head_sha=f"{number:040}",
            changed_at=seen - timedelta(seconds=3),
            seen_at=seen,
            dispatch=work,
            triggered_at=seen if work else None,
            source=chance.choice(["webhook", "redelivery", "reconcile"]) if work else "",
        )


def _done(at: datetime) -> Dispatch:
    return Dispatch.objects.create(
        title="Review",
        command="review",
        rank_at=at,
        status="cancelled",
        finished_at=at,
        created_at=at,
        updated_at=at,
    )


def _learning(chance: random.Random, number: int, *, now: datetime) -> None:
    at, status = _when(chance, now), chance.choice(["active", "watch", "retired", "proposed"])
    published = status != "proposed"
    Learning.objects.create(
        slug=f"l{number}",
        title="A learning",
        category="build",
        origin="person",
        status=status,
        proposed_by="max",
        approved_by="eve" if published else "",
        created_at=at,
        published_at=at if published else None,
        watch_since=at if status == "watch" else None,
        retired_at=at if status == "retired" else None,
        review_at=at + timedelta(days=90),
        exposed_repeats=chance.randrange(5),
    )


def _stall(chance: random.Random, agent: Agent, *, now: datetime) -> None:
    opened = _when(chance, now)
    over = min(opened + timedelta(minutes=chance.uniform(1, 300)), now)
    resolved = chance.random() < 0.8
    incident = Incident.objects.create(
        kind="stalled",
        severity="error",
        status="resolved" if resolved else "open",
        title="Stuck",
        dedup_key=f"stall {Incident.objects.count()}",
        agent=agent,
        opened_at=opened,
        stall_since=opened - timedelta(minutes=15) if chance.random() < 0.7 else None,
        resolved_at=over if resolved else None,
        resolved_by="SYSTEM" if resolved else "",
    )
    told = opened + timedelta(minutes=chance.uniform(0, 40))
    if told <= over:
        IncidentEvent.objects.create(
            incident=incident, seq=1, kind="escalated", level=1, actor="SYSTEM", at=told
        )


def _session(chance: random.Random, agent: Agent, *, now: datetime) -> None:
    begun = now - timedelta(hours=chance.uniform(1, 40))
    ended = begun + timedelta(hours=chance.uniform(0.1, 20))
    over = ended <= now
    AgentSession.objects.create(
        id=UUID(int=chance.getrandbits(128)),
        agent=agent,
        started_at=begun,
        last_seen_at=min(ended, now),
        ended_at=ended if over else None,
    )


def _pause(chance: random.Random, agent: Agent | None, *, now: datetime) -> None:
    begun = now - timedelta(hours=chance.uniform(2, 40))
    until = begun + timedelta(hours=chance.uniform(0.1, 10))
    early = chance.random() < 0.5
    Pause.objects.create(
        agent=agent,
        reason="Disk",
        started_by="ann",
        started_at=begun,
        until=until,
        lifted_at=min(begun + (until - begun) / 2, now) if early else min(until, now),
        lifted_by="ann",
    )
