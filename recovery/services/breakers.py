"""Breakers: an agent whose own trouble fails one dispatch after the other gets a pause."""

from __future__ import annotations

import json
from datetime import datetime

from django.conf import settings
from django.db import transaction

from agents.models import Agent
from agents.services import statements
from agents.services.pauses import HOLDS
from agents.services.records import audit
from recovery import policy_breaker
from recovery.models import AgentBreaker
from recovery.policy_breaker import Breaker

_ASKED = """SELECT {holds}, b.streak, b.trips, b.open_until
FROM (SELECT %(agent)s::bigint AS id) a LEFT JOIN recovery_agentbreaker b ON b.agent_id = a.id"""
_STANDING = _ASKED.format(holds=HOLDS)


def standing(agent: Agent, *, now: datetime) -> tuple[bool, Breaker]:
    """Whether the agent is paused, and what is held against it: one statement."""
    [(paused, *held)] = statements.fetch(_STANDING, {"agent": agent.pk, "now": now})
    return paused, breaker_from(*held)


def breaker_from(streak: str | None, trips: int | None, open_until: datetime | None) -> Breaker:
    """The breaker whose columns these are; all None when nothing was ever held against it."""
    if trips is None:
        return Breaker()
    return Breaker(streak=tuple(json.loads(streak or "[]")), trips=trips, open_until=open_until)


def note_failure(agent: Agent, *, dispatch_id: int, others_have_it: bool, now: datetime) -> Breaker:
    """Count a failure of the agent; returns the breaker, perhaps opened."""
    with transaction.atomic():
        row, _ = AgentBreaker.objects.select_for_update().get_or_create(
            agent=agent, defaults={"updated_at": now}
        )
        after = policy_breaker.after_failure(
            _value(row),
            dispatch_id=dispatch_id,
            others_have_it=others_have_it,
            backoff=settings.EVOX_RETRY_BACKOFF,
            now=now,
        )
        row.streak, row.trips = list(after.streak), after.trips
        row.open_until, row.updated_at = after.open_until, now
        row.save(update_fields=["streak", "trips", "open_until", "updated_at"])
    return after


def note_success(agent: Agent, *, now: datetime) -> None:
    """It works: nothing is held against it any more."""
    AgentBreaker.objects.filter(agent=agent).exclude(streak=[], trips=0).update(
        streak=[], trips=0, open_until=None, updated_at=now
    )


def reset(agent: Agent, *, actor: str, now: datetime) -> None:
    """A person lets the agent back in, audited."""
    with transaction.atomic():
        note_success(agent, now=now)
        audit("reset_breaker", ("agent", agent.pk), actor=actor, now=now)


def _value(row: AgentBreaker) -> Breaker:
    return Breaker(streak=tuple(row.streak), trips=row.trips, open_until=row.open_until)
