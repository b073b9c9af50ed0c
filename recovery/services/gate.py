"""What a claim must know before it takes work, asked in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from agents.models import Agent
from agents.services import statements
from agents.services.pauses import HOLDS
from recovery.policy_breaker import Breaker
from recovery.services.breakers import breaker_from
from recovery.services.sweeps import ANYTHING_TO_DO

FRESH = timedelta(seconds=1)
"""A sign of life this young need not be written again: one write a second an agent."""

_GATE = """
SELECT ({anything_to_do}), {holds}, b.streak, b.trips, b.open_until,
       a.status <> 'offline' AND a.last_seen_at > %(fresh)s AND EXISTS (
           SELECT 1 FROM agents_agentsession s
           WHERE s.id = %(session)s::uuid AND s.agent_id = a.id AND s.ended_at IS NULL
             AND s.last_seen_at > %(fresh)s)
FROM agents_agent a LEFT JOIN recovery_agentbreaker b ON b.agent_id = a.id
WHERE a.id = %(agent)s
"""
_ASKED = _GATE.format(anything_to_do=ANYTHING_TO_DO, holds=HOLDS)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What was found."""

    sweep_waits: bool
    """Something's time has come: due, lost, overdue, lapsed."""
    paused: bool
    breaker: Breaker
    seen: bool
    """The agent and this session gave a sign of life within the last second."""


def look(agent: Agent, *, session: UUID | None, now: datetime) -> Gate:
    """How things stand for a claim by `agent`, in its `session`, at `now`."""
    values = {"agent": agent.pk, "session": session, "now": now, "fresh": now - FRESH}
    [(waits, paused, streak, trips, until, seen)] = statements.fetch(_ASKED, values)
    return Gate(
        sweep_waits=waits,
        paused=paused,
        breaker=breaker_from(streak, trips, until),
        seen=bool(seen),
    )
