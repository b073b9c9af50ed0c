"""The figures counted again by SQL that was written by hand, from their definitions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

# Whole seconds as ranges of integers: what was up, down and so on is a union, an intersection or
# a difference of them. Nothing of it goes by turns or by hours, as the figures themselves do.
SECONDS = """
WITH spans (lane, agent_id, since, until) AS (
    SELECT 'alive', agent_id, started_at, alive_until FROM agents_lifesegment
    WHERE state = 'alive'
    UNION ALL
    SELECT 'away', agent_id, started_at, coalesce(ended_at, %(now)s) FROM agents_lifesegment
    WHERE state = 'offline'
    UNION ALL
    SELECT 'away', a.id, p.started_at, least(p.until, p.lifted_at)
    FROM agents_pause p JOIN agents_agent a ON p.agent_id = a.id OR p.agent_id IS NULL
    UNION ALL
    SELECT 'meant', agent_id, promised_at, alive_until + interval '24 hours'
    FROM agents_lifesegment WHERE promised_at IS NOT NULL AND state = 'alive'
    UNION ALL
    SELECT 'meant', agent_id, started_at, coalesce(ended_at, %(now)s) FROM agents_agentsession
    UNION ALL
    SELECT 'meant', t.agent_id, t.started_at, CASE t.outcome
               WHEN 'running' THEN d.lease_expires_at + a.heartbeat_grace_seconds * interval '1 s'
               WHEN 'lost' THEN t.ended_at + a.heartbeat_grace_seconds * interval '1 s'
               ELSE t.ended_at END
    FROM agents_attempt t JOIN agents_dispatch d ON d.id = t.dispatch_id
    JOIN agents_agent a ON a.id = t.agent_id WHERE t.session IS NULL OR t.outcome = 'running'
    UNION ALL
    SELECT 'held', agent_id, started_at, coalesce(ended_at, %(now)s) FROM agents_attempt
    UNION ALL
    SELECT 'stuck', agent_id, coalesce(stall_since, opened_at), coalesce(resolved_at, %(now)s)
    FROM failures_incident WHERE kind = 'stalled' AND agent_id IS NOT NULL
    UNION ALL
    SELECT 'listening', a.id, l.started_at, l.alive_until
    FROM agents_listeningsegment l, agents_agent a
), whole (lane, agent_id, x, y) AS (
    SELECT lane, agent_id, floor(extract(epoch FROM since))::bigint,
           floor(extract(epoch FROM until))::bigint FROM spans
), lanes AS (
    SELECT lane, agent_id, range_agg(int8range(x, greatest(x, y))) AS seconds
    FROM whole GROUP BY lane, agent_id
), agents AS (
    SELECT a.name, a.heartbeat_seconds + a.heartbeat_grace_seconds AS proof,
           int8multirange(int8range(
               greatest(floor(extract(epoch FROM %(since)s::timestamptz))::bigint,
                        floor(extract(epoch FROM a.created_at))::bigint),
               floor(extract(epoch FROM %(now)s::timestamptz))::bigint)) AS span,
           (SELECT jsonb_object_agg(lane, seconds::text) FROM lanes l WHERE l.agent_id = a.id)
               AS known
    FROM agents_agent a WHERE a.retired_at IS NULL
), by_lane AS (
    SELECT name, proof, span,
           coalesce(known ->> 'alive', '{}')::int8multirange AS alive,
           coalesce(known ->> 'away', '{}')::int8multirange AS away,
           coalesce(known ->> 'meant', '{}')::int8multirange AS meant,
           coalesce(known ->> 'held', '{}')::int8multirange AS held,
           coalesce(known ->> 'stuck', '{}')::int8multirange AS stuck,
           coalesce(known ->> 'listening', '{}')::int8multirange AS listening
    FROM agents
), heard AS (
    SELECT *, coalesce((SELECT range_agg(int8range(least(lower(r) + proof, upper(r)), upper(r)))
                        FROM unnest(listening) r), '{}') AS able
    FROM by_lane
), kinds AS (
    SELECT *, span * alive * meant - away AS up FROM heard
), judged AS (
    SELECT name, span, up, (span - away) - up - able AS unknown,
           ((span - away) * meant * able) - up AS down, (up * held) - stuck AS productive
    FROM kinds
), counted AS (
    SELECT name, span, up, unknown, down, productive, ((span - up) - unknown) - down AS excluded
    FROM judged
)
SELECT name,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(up) r)::bigint,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(down) r)::bigint,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(excluded) r)::bigint,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(unknown) r)::bigint,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(productive) r)::bigint
FROM counted
"""

# Key, value, whether it is kept; the value is null when there is nothing to judge by.
PROMISES = """
WITH firsts AS (
    SELECT DISTINCT ON (dispatch_id) dispatch_id, ended_at, lease_epoch
    FROM agents_attempt WHERE outcome = 'failed' ORDER BY dispatch_id, lease_epoch
), retried AS (
    SELECT d.status FROM firsts f JOIN agents_dispatch d ON d.id = f.dispatch_id
    WHERE f.ended_at > %(since)s AND f.ended_at <= %(now)s
      AND d.status IN ('completed', 'exhausted', 'cancelled')
      AND EXISTS (SELECT FROM agents_attempt l
                  WHERE l.dispatch_id = d.id AND l.lease_epoch > f.lease_epoch)
), told AS (
    SELECT i.id, min(e.at) AS at, coalesce(i.stall_since, i.opened_at) AS since
    FROM failures_incident i JOIN failures_incidentevent e ON e.incident_id = i.id
    WHERE e.kind = 'escalated' GROUP BY i.id
), ceo AS (
    SELECT upper(name) AS name FROM agents_agent WHERE role = 'ceo' UNION SELECT 'CEO'
), calls AS (
    SELECT at FROM failures_incidentevent WHERE level = 3 AND kind IN ('escalated', 'reminded')
    UNION ALL SELECT at FROM failures_incidentevent WHERE upper(actor) IN (SELECT name FROM ceo)
    UNION ALL SELECT at FROM agents_auditentry WHERE upper(actor) IN (SELECT name FROM ceo)
), heads AS (
    SELECT triggered_at IS NOT NULL OR seen_at >= %(now)s::timestamptz - interval '1 minute' AS ok
    FROM recovery_reviewhead WHERE seen_at > %(since)s AND seen_at <= %(now)s
), found (key, value, count) AS (
    SELECT 'retry_success', avg((status = 'completed')::int)::float, count(*) FROM retried
    UNION ALL
    SELECT 'rollback', percentile_cont(0.95) WITHIN GROUP (
               ORDER BY extract(epoch FROM received_at - committed_at))
               FILTER (WHERE committed_at <= received_at), count(*)
    FROM recovery_rollback WHERE kind = 'rolled_back' AND NOT late
      AND received_at > %(since)s AND received_at <= %(now)s
    UNION ALL
    SELECT 'escalation', percentile_cont(0.95) WITHIN GROUP (
               ORDER BY extract(epoch FROM at - since)), count(*)
    FROM told WHERE at > %(since)s AND at <= %(now)s
    UNION ALL
    SELECT 'reviews', avg(ok::int)::float, count(*) FROM heads
    UNION ALL
    SELECT 'ceo_interventions', count(*) * 86400.0 / %(seconds)s, count(*) FROM calls
    WHERE at > %(since)s AND at <= %(now)s
    UNION ALL
    SELECT 'same_mistake', max(exposed_repeats), count(*) FROM learnings_learning
    WHERE status IN ('active', 'watch')
)
SELECT key, value, count, CASE key
           WHEN 'retry_success' THEN value > 0.8
           WHEN 'rollback' THEN value < 120
           WHEN 'escalation' THEN value < 1800
           WHEN 'reviews' THEN value >= 1
           WHEN 'ceo_interventions' THEN value < 1
           WHEN 'same_mistake' THEN value <= 2 END
FROM found
"""


def rows(sql: str, now: datetime, window: timedelta) -> list[tuple[Any, ...]]:
    """What a statement says of (now − window, now]."""
    span = {"since": now - window, "now": now, "seconds": int(window.total_seconds())}
    with connection.cursor() as cursor:
        cursor.execute(sql, span)
        return list(cursor.fetchall())
