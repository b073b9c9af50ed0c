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

_CONDITION = """
    NOT ({anything_to_do}) AND NOT {holds}
    AND NOT EXISTS (SELECT 1 FROM recovery_agentbreaker b
                    WHERE b.agent_id = %(agent)s AND b.open_until IS NOT NULL)
    AND (%(session)s::uuid IS NULL OR EXISTS (
        SELECT 1 FROM agents_agent a JOIN agents_agentsession s ON s.agent_id = a.id
        WHERE a.id = %(agent)s AND a.status <> 'offline' AND s.id = %(session)s::uuid
          AND s.ended_at IS NULL
          AND least(a.last_seen_at, s.last_seen_at) > %(now)s::timestamptz - interval '1 s'))
"""
WIDE_OPEN = _CONDITION.format(anything_to_do=ANYTHING_TO_DO, holds=HOLDS)
"""`Gate.wide_open` as a condition of the claim itself, which saves asking before it."""
_GATE = """
SELECT ({anything_to_do}), {holds}, b.streak, b.trips, b.open_until,
       a.status <> 'offline' AND a.last_seen_at > %(fresh)s AND EXISTS (
           SELECT 1 FROM agents_agentsession s
           WHERE s.id = %(session)s::uuid AND s.agent_id = a.id AND s.ended_at IS NULL
             AND s.last_seen_at > %(fresh)s)
FROM agents_agent a LEFT JOIN recovery_agentbreaker b ON b.agent_id = a.id
WHERE a.id = %(agent)s
"""
ASKED = _GATE.format(anything_to_do=ANYTHING_TO_DO, holds=HOLDS)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What was found."""

    sweep_waits: bool
    """Something's time has come: due, lost, overdue, lapsed."""
    paused: bool
    breaker: Breaker
    seen: bool
    """The agent and this session gave a sign of life within the last second."""

    def wide_open(self, *, in_session: bool) -> bool:
        """Nothing is to be done before a claim, and nothing limits it."""
        clear = not (self.sweep_waits or self.paused or self.breaker.open_until)
        return clear and (self.seen or not in_session)


def look(agent: Agent, *, session: UUID | None, now: datetime) -> Gate:
    """How things stand for a claim by `agent`, in its `session`, at `now`."""
    values = {"agent": agent.pk, "session": session, "now": now, "fresh": now - FRESH}
    [(waits, paused, streak, trips, until, seen)] = statements.fetch(ASKED, values)
    return Gate(
        sweep_waits=waits,
        paused=paused,
        breaker=breaker_from(streak, trips, until),
        seen=bool(seen),
    )
