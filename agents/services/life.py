"""Signs of life, written down as stretches of time: one statement each, whatever is to be written.

Moving the open stretch's `alive_until` touches no index, so PostgreSQL writes it in place.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from agents.services import statements
from agents.states import AgentStatus

HEARD_EVERY = timedelta(seconds=10)
"""How often a web process says that it can hear."""
HEARD_FOR = timedelta(seconds=30)
"""How long that counts: a process that died is known to be deaf after this, or sooner."""

# `seen` locks the agent's row first, so two signs of life of one agent come one after the other. In
# READ COMMITTED the second may miss a stretch that the first just opened: it then runs into the
# exclusion constraint, and its sign of life adds nothing to the first's.
_SEGMENTS = """
, kept AS (
    UPDATE agents_lifesegment s SET
        alive_until = CASE
            WHEN s.state <> 'alive' THEN s.alive_until
            WHEN s.alive_until < %(now)s THEN s.alive_until
            WHEN seen.goes THEN greatest(s.started_at, %(now)s)
            ELSE greatest(s.alive_until, %(now)s + seen.proof) END,
        ended_at = CASE
            WHEN s.state <> 'alive' THEN
                CASE WHEN seen.comes THEN greatest(s.started_at, %(now)s) END
            WHEN s.alive_until < %(now)s THEN s.alive_until
            WHEN seen.goes THEN greatest(s.started_at, %(now)s) END,
        promised_at = coalesce(s.promised_at, CASE WHEN seen.promises THEN %(now)s END)
    FROM seen WHERE s.agent_id = seen.id AND s.ended_at IS NULL
    RETURNING s.agent_id, s.ended_at
), opened AS (
    INSERT INTO agents_lifesegment (agent_id, state, started_at, alive_until, promised_at)
    SELECT seen.id, CASE WHEN seen.goes THEN 'offline' ELSE 'alive' END, since,
           CASE WHEN NOT seen.goes THEN since + seen.proof END,
           CASE WHEN seen.promises THEN since END
    FROM seen LEFT JOIN kept ON kept.agent_id = seen.id,
         LATERAL (SELECT greatest(kept.ended_at, %(now)s) AS since) AS start
    WHERE kept.agent_id IS NULL OR kept.ended_at IS NOT NULL
    ON CONFLICT DO NOTHING
)
"""
_PROOF = "make_interval(secs => heartbeat_seconds + heartbeat_grace_seconds)"

# A row that somebody else touches now is left to them: waiting for it, two bulks that name the same
# agents in another order would lock each other out.
_TOUCH = f"""
WITH seen AS (
    UPDATE agents_agent SET last_seen_at = %(now)s WHERE id = (
        SELECT id FROM agents_agent
        WHERE id = %(id)s AND (last_seen_at IS NULL OR last_seen_at < %(fresh)s)
        FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id, {_PROOF} AS proof, FALSE AS goes, FALSE AS comes, FALSE AS promises
){_SEGMENTS}
SELECT 1 FROM seen
"""  # noqa: S608 - put together of the constants above

_HEARTBEAT = f"""
WITH seen AS (
    UPDATE agents_agent SET
        last_seen_at = greatest(last_seen_at, %(now)s),
        status = coalesce(%(status)s::varchar,
                          CASE WHEN status = 'offline' THEN 'idle' ELSE status END)
    WHERE id = %(id)s AND NOT EXISTS (
        SELECT 1 FROM agents_agentsession t
        WHERE t.id = %(session)s::uuid AND t.agent_id <> %(id)s)
    RETURNING id, {_PROOF} AS proof, status = 'offline' AS goes, status <> 'offline' AS comes,
              status <> 'offline' AND %(session)s::uuid IS NULL AS promises
){_SEGMENTS}, meant AS (
    INSERT INTO agents_agentsession (id, agent_id, started_at, last_seen_at, ended_at)
    SELECT %(session)s::uuid, id, %(now)s, %(now)s, CASE WHEN goes THEN %(now)s::timestamptz END
    FROM seen WHERE %(session)s::uuid IS NOT NULL
    ON CONFLICT (id) DO UPDATE
    SET last_seen_at = excluded.last_seen_at,
        ended_at = CASE WHEN excluded.ended_at IS NOT NULL
                        THEN greatest(excluded.ended_at, agents_agentsession.started_at) END
    WHERE agents_agentsession.agent_id = excluded.agent_id
)
SELECT 1 FROM seen
"""  # noqa: S608 - put together of the constants above

_LISTEN = """
WITH kept AS (
    UPDATE agents_listeningsegment SET
        ended_at = CASE WHEN alive_until < %(now)s THEN alive_until END,
        alive_until = CASE WHEN alive_until < %(now)s THEN alive_until
                           ELSE greatest(alive_until, %(until)s) END
    WHERE ended_at IS NULL
    RETURNING ended_at
)
INSERT INTO agents_listeningsegment (started_at, alive_until)
SELECT %(now)s, %(until)s WHERE NOT EXISTS (SELECT 1 FROM kept WHERE ended_at IS NULL)
ON CONFLICT DO NOTHING
RETURNING id
"""


def touch(agent_id: int, *, now: datetime) -> None:
    """Record a sign of life; at most one write a second an agent."""
    values = {"id": agent_id, "now": now, "fresh": now - timedelta(seconds=1)}
    statements.fetch(_TOUCH, values)


def heartbeat(
    agent_id: int, *, status: AgentStatus | None, session: UUID | None, now: datetime
) -> bool:
    """Record a heartbeat with what it says; False, and nothing written, for another's session.

    One that says offline ends its session, and the agent's life, at once. One outside of a session
    is a promise: the agent is expected to go on.
    """
    said = None if status is None else status.value
    values = {"id": agent_id, "now": now, "status": said, "session": session}
    return bool(statements.fetch(_HEARTBEAT, values))


def listen(*, now: datetime) -> None:
    """Record that EVOX can hear its agents now, and does for `HEARD_FOR`."""
    statements.fetch(_LISTEN, {"now": now, "until": now + HEARD_FOR})
