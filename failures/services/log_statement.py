"""The one statement that writes failures down, each in its group."""

from __future__ import annotations

# Groups come in the order of their fingerprints, so that two bulks that share groups can't lock
# each other out. In the same order, with a count of 0, come roots that regress: somebody called
# them resolved, and a member of theirs fails again.
LOG = """
WITH new AS (
    SELECT * FROM unnest(%(fingerprint)s::varchar[], %(family)s::varchar[],
        %(error_type)s::varchar[], %(template)s::varchar[], %(tool_code)s::varchar[],
        %(error_class)s::varchar[], %(classified)s::varchar[], %(n)s::bigint[])
    AS new (fingerprint, family, error_type, template, tool_code, error_class, classified_type, n)
), touched AS (
    SELECT DISTINCT r.fingerprint, r.family, r.error_type, r.template, r.tool_code, r.error_class,
           r.classified_type, 0::bigint AS n
    FROM new JOIN failures_failuregroup m USING (fingerprint)
    JOIN failures_failuregroup r ON r.id = m.merged_into_id
    WHERE r.status = 'resolved' AND r.fingerprint <> ALL (%(fingerprint)s::varchar[])
), grouped AS (
    INSERT INTO failures_failuregroup AS g (fingerprint, family, error_type, template, tool_code,
        error_class, classified_type, count, status, resolution, resolved_by, guidance,
        first_seen_at, last_seen_at)
    SELECT fingerprint, family, error_type, template, tool_code, error_class, classified_type, n,
           'open', '', '', '', %(now)s, %(now)s
    FROM (SELECT * FROM new UNION ALL SELECT * FROM touched) AS every
    ORDER BY fingerprint
    ON CONFLICT (fingerprint) DO UPDATE
    SET count = g.count + excluded.count,
        last_seen_at = CASE WHEN excluded.count = 0 THEN g.last_seen_at
                            ELSE greatest(g.last_seen_at, excluded.last_seen_at) END,
        status = CASE WHEN g.status = 'resolved' THEN 'regressed' ELSE g.status END
    RETURNING g.id, g.fingerprint, g.count, g.guidance, g.merged_into_id,
        g.merged_into_id IS NOT NULL OR EXISTS (
            SELECT 1 FROM failures_failuregroup m WHERE m.merged_into_id = g.id) AS is_merged
), logged AS (
    INSERT INTO failures_failure (agent_id, attempt_id, group_id, error_type, classified_type,
        message, context, ticket_id, fingerprint, resolution, outcome, created_at)
    SELECT f.agent_id, f.attempt_id, g.id, f.error_type, f.classified_type, f.message,
           f.context::jsonb, f.ticket_id, f.fingerprint, f.resolution, 'none', %(now)s
    FROM unnest(%(f_agent)s::bigint[], %(f_attempt)s::bigint[], %(f_error_type)s::varchar[],
        %(f_classified)s::varchar[], %(f_message)s::text[], %(f_context)s::text[],
        %(f_ticket)s::varchar[], %(f_fingerprint)s::varchar[], %(f_resolution)s::text[])
        WITH ORDINALITY AS f (agent_id, attempt_id, error_type, classified_type, message, context,
            ticket_id, fingerprint, resolution, place)
    JOIN grouped g USING (fingerprint)
    ORDER BY f.place
    RETURNING id, group_id
)
SELECT l.id, g.id, g.count, g.guidance, g.merged_into_id, g.is_merged
FROM logged l JOIN grouped g ON g.id = l.group_id ORDER BY l.id
"""
"""Answers a row a failure, in order: its id, its group's id, count, guidance and root, and whether
that group has a root or members."""
