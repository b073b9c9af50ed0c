"""The ordinary report, by one statement: its key is judged, its group counts it, it is written.

It reads the clock along, since asking for the time first took as long as a third of the writing.

What takes more than that is left to `failures.services.log`, and nothing of it is written here: a
group with a root, members or a known fix, and a failure that would close an agent's loop.
"""

from __future__ import annotations

import json
from datetime import datetime

from django.conf import settings

from agents.models import Agent
from agents.services.agents import touch_agent
from agents.services.statements import fetch, instance_of
from failures.models import Failure
from failures.services.log import NewFailure, entry_of
from failures.services.log_statement import Entry
from failures.states import ResolutionOutcome

# The filter of DO UPDATE sees the group's row as it is now, under its lock, but all else as it was
# when the statement began. So it first asks whether those are one: while another report of this
# group was being written, a loop can't be judged.
_LOG_ONE = """
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), caller AS MATERIALIZED (
    SELECT clock.now, a.last_seen_at < clock.now - interval '1 s' IS NOT FALSE AS is_silent
    FROM clock, agents_agentkey k JOIN agents_agent a ON a.id = k.agent_id
    WHERE k.prefix = %(prefix)s AND k.hashed_key = %(hashed)s AND NOT k.revoked
      AND (k.expiry_date IS NULL OR k.expiry_date >= clock.now)
      AND a.id = %(agent)s AND a.name = %(name)s AND a.retired_at IS NULL
), grouped AS (
    INSERT INTO failures_failuregroup AS g (fingerprint, family, error_type, template, tool_code,
        error_class, classified_type, count, status, resolution, resolved_by, guidance,
        first_seen_at, last_seen_at)
    SELECT %(fingerprint)s, %(family)s, %(error_type)s, %(template)s, %(tool_code)s,
           %(error_class)s, %(classified)s, 1, 'open', '', '', '', now, now
    FROM caller
    ON CONFLICT (fingerprint) DO UPDATE
    SET count = g.count + 1,
        last_seen_at = greatest(g.last_seen_at, excluded.last_seen_at),
        status = CASE WHEN g.status = 'resolved' THEN 'regressed' ELSE g.status END
    WHERE g.merged_into_id IS NULL AND g.guidance = ''
      AND (SELECT m.id FROM failures_failuregroup m WHERE m.merged_into_id = g.id LIMIT 1) IS NULL
      AND (g.count + 1 < %(loop)s OR
           g.count = (SELECT s.count FROM failures_failuregroup s WHERE s.id = g.id)
           AND %(loop)s > 1 + CASE WHEN %(ticket)s <> '' THEN
               (SELECT count(*) FROM (
                    SELECT 1 FROM failures_failure f
                    WHERE f.ticket_id <> '' AND f.ticket_id = %(ticket)s
                      AND f.agent_id + 0 = %(agent)s AND f.group_id + 0 = g.id LIMIT %(loop)s
                ) AS seen)
           ELSE
               (SELECT count(*) FROM (
                    SELECT 1 FROM failures_failure f
                    WHERE f.created_at > excluded.last_seen_at - interval '24 h'
                      AND f.agent_id = %(agent)s AND f.group_id = g.id LIMIT %(loop)s) AS seen)
           END)
    RETURNING g.id, g.count
), logged AS (
    INSERT INTO failures_failure (agent_id, group_id, error_type, classified_type, message,
        context, ticket_id, fingerprint, resolution, outcome, created_at)
    SELECT %(agent)s, g.id, %(error_type)s, %(classified)s, %(message)s, %(context)s, %(ticket)s,
           %(fingerprint)s, %(resolution)s, 'none', now
    FROM caller, grouped g
    RETURNING id
)
SELECT caller.now, caller.is_silent, logged.id, grouped.id, grouped.count
FROM caller LEFT JOIN (logged CROSS JOIN grouped) ON TRUE
"""


class KeyGoneError(Exception):
    """The key that was known is dead, or its agent has another name."""


def log_one(report: NewFailure, *, prefix: str, hashed: str) -> Failure | None:
    """Store `report`, which names no attempt, if the key of that prefix and hash is its agent's.

    Returns it as `failures.services.log.log_failure` does, but for its group's object; None, and
    nothing written, where that has to do it. Raises KeyGoneError.
    """
    agent, entry = report.agent, entry_of(report)
    found = fetch(
        _LOG_ONE,
        {
            "prefix": prefix,
            "hashed": hashed,
            "agent": agent.pk,
            "name": agent.name,
            "loop": settings.EVOX_ERROR_LOOP,
            "fingerprint": entry.key.fingerprint,
            "family": entry.key.family,
            "template": entry.key.template,
            "tool_code": entry.key.tool_code[:120],
            "error_class": entry.key.error_class[:120],
            "error_type": entry.error_type.value,
            "classified": entry.classified.value,
            "message": entry.message,
            "context": json.dumps(entry.context, ensure_ascii=False),
            "ticket": entry.ticket,
            "resolution": entry.resolution,
        },
    )
    if not found:
        raise KeyGoneError("This key is no longer its agent's.")
    now, is_silent, pk, group, count = found[0]
    if pk is None:
        return None
    if is_silent:
        touch_agent(agent, now=now)
    entry.pk, entry.group_id, entry.occurrences = pk, group, count
    return _failure(agent, entry, now)


def _failure(agent: Agent, entry: Entry, now: datetime) -> Failure:
    values = {
        "id": entry.pk,
        "agent_id": agent.pk,
        "attempt_id": None,
        "group_id": entry.group_id,
        "error_type": entry.error_type.value,
        "classified_type": entry.classified.value,
        "message": entry.message,
        "context": entry.context,
        "ticket_id": entry.ticket,
        "fingerprint": entry.key.fingerprint,
        "resolution": entry.resolution,
        "outcome": ResolutionOutcome.NONE.value,
        "created_at": now,
        "root_pk": entry.group_id,
        "occurrences": entry.occurrences,
        "known_fix": "",
        "fix_of": entry.group_id,
    }
    failure = instance_of(Failure, values)
    failure.agent = agent
    return failure
