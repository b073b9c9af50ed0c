"""The one statement that writes failures down, each in its group."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.services.statements import fetch
from failures.fingerprint import Grouping
from failures.states import ErrorType

# Groups come in the order of their fingerprints, so that two bulks that share groups can't lock
# each other out. In the same order, with a count of 0, come roots that regress: somebody called
# them resolved, and a member of theirs fails again.
# LIMIT and OFFSET keep PostgreSQL to the groups' indexes: with a plan from when they were few, it
# read and hashed all of them for each report.
_LOG = """
WITH new AS (
    SELECT * FROM json_to_recordset(%(groups)s::json)
    AS new (fingerprint varchar, family varchar, error_type varchar, template varchar,
            tool_code varchar, error_class varchar, classified_type varchar, n int)
), touched AS (
    SELECT DISTINCT r.fingerprint, r.family, r.error_type, r.template, r.tool_code, r.error_class,
           r.classified_type, 0 AS n
    FROM new CROSS JOIN LATERAL (
        SELECT * FROM failures_failuregroup WHERE id = (
            SELECT m.merged_into_id FROM failures_failuregroup m
            WHERE m.fingerprint = new.fingerprint LIMIT 1)
        OFFSET 0) AS r
    WHERE r.status = 'resolved'
      AND NOT EXISTS (SELECT 1 FROM new AS own WHERE own.fingerprint = r.fingerprint)
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
    RETURNING g.id, g.fingerprint, g.count, g.guidance,
        g.merged_into_id IS NOT NULL OR (
            SELECT m.id FROM failures_failuregroup m WHERE m.merged_into_id = g.id LIMIT 1
        ) IS NOT NULL AS is_merged
), logged AS (
    INSERT INTO failures_failure (agent_id, attempt_id, group_id, error_type, classified_type,
        message, context, ticket_id, fingerprint, resolution, outcome, created_at)
    SELECT f.agent, f.attempt, g.id, f.error_type, f.classified_type, f.message, f.context,
           f.ticket, f.fingerprint, f.resolution, 'none', %(now)s
    FROM json_to_recordset(%(failures)s::json)
        AS f (place int, agent bigint, attempt bigint, error_type varchar, classified_type varchar,
              message text, context jsonb, ticket varchar, fingerprint varchar, resolution text)
    JOIN grouped g USING (fingerprint)
    ORDER BY f.place
    RETURNING id, group_id
)
SELECT g.fingerprint, g.id, g.count, g.guidance, g.is_merged, l.ids
FROM grouped g JOIN (SELECT group_id, array_agg(id ORDER BY id) AS ids FROM logged
                     GROUP BY group_id) AS l ON l.group_id = g.id
"""


@dataclass(slots=True)
class Entry:
    """A report as it is written down; what follows `resolution` is known afterwards."""

    agent_id: int
    attempt_id: int | None
    error_type: ErrorType
    classified: ErrorType
    message: str
    context: Any
    ticket: str
    key: Grouping
    resolution: str
    pk: int = 0
    group_id: int = 0
    is_merged: bool = False
    """Whether its group has a root or members. Then what follows is to be asked of the root."""
    root_pk: int = 0
    root_print: str = ""
    occurrences: int = 0
    known_fix: str = ""
    fix_of: int = 0
    """The group whose guidance `known_fix` is."""


def write(entries: Sequence[Entry], *, now: datetime) -> None:
    """Write the entries down in order, and note on each what it became."""
    failures = [_failure(place, entry) for place, entry in enumerate(entries)]
    params = {"groups": _json(_groups(entries)), "failures": _json(failures), "now": now}
    found = {row[0]: (row, iter(row[-1])) for row in fetch(_LOG, params)}
    for entry in entries:
        (fingerprint, group_id, count, guidance, is_merged, _), pks = found[entry.key.fingerprint]
        entry.pk = next(pks)
        entry.group_id = entry.root_pk = entry.fix_of = group_id
        entry.root_print, entry.occurrences = fingerprint, count
        entry.known_fix, entry.is_merged = guidance, is_merged


def _groups(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for entry in entries:
        key = entry.key
        group = groups.get(key.fingerprint)
        if group is not None:
            group["n"] += 1
            continue
        groups[key.fingerprint] = {
            "fingerprint": key.fingerprint,
            "family": key.family,
            "error_type": entry.error_type.value,
            "template": key.template,
            "tool_code": key.tool_code[:120],
            "error_class": key.error_class[:120],
            "classified_type": entry.classified.value,
            "n": 1,
        }
    return list(groups.values())


def _failure(place: int, entry: Entry) -> dict[str, Any]:
    return {
        "place": place,
        "agent": entry.agent_id,
        "attempt": entry.attempt_id,
        "error_type": entry.error_type.value,
        "classified_type": entry.classified.value,
        "message": entry.message,
        "context": entry.context,
        "ticket": entry.ticket,
        "fingerprint": entry.key.fingerprint,
        "resolution": entry.resolution,
    }


def _json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
