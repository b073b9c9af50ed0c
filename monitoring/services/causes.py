"""Whether what an incident is about is over, by what the rows say and nobody has to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from failures.models import Incident
from failures.services.incidents import resolve_locked
from failures.states import IncidentKind, IncidentStatus

LIMIT = 500
STANDING = (IncidentStatus.OPEN.value, IncidentStatus.ACKNOWLEDGED.value)

# By kind: why it is over, else NULL. `d` is its dispatch, `a` its agent; either may be missing.
_STALLED = """CASE
    WHEN d.status <> 'running' THEN 'The work is ' || d.status || ' now.'
    WHEN d.agent_id <> i.agent_id THEN 'Another agent has the work now.'
    WHEN d.last_progress_at + coalesce(d.expected_progress_every, interval '0') > i.stall_since
    THEN 'It made progress again.' END"""
_SILENT = """CASE
    WHEN a.retired_at IS NOT NULL THEN a.name || ' was retired.'
    WHEN a.last_seen_at > i.stall_since THEN a.name || ' gave a sign of life again.' END"""
_ERROR_LOOP = """CASE
    WHEN d.finished_at > i.opened_at THEN 'The work is ' || d.status || ' now.'
    WHEN EXISTS (SELECT 1 FROM agents_attempt t WHERE t.outcome = 'succeeded'
                 AND t.agent_id = i.agent_id AND t.ended_at > i.opened_at
                 AND (d.id IS NULL OR t.dispatch_id = d.id))
    THEN a.name || ' succeeded.' END"""
_GONE = f"""
SELECT id, why FROM (
    SELECT i.id, CASE i.kind WHEN 'stalled' THEN {_STALLED}
                             WHEN 'silent' THEN {_SILENT}
                             WHEN 'error_loop' THEN {_ERROR_LOOP} END AS why
    FROM failures_incident i
    LEFT JOIN agents_dispatch d ON d.id = i.dispatch_id
    LEFT JOIN agents_agent a ON a.id = i.agent_id
    WHERE i.status IN ('open', 'acknowledged') AND i.kind IN ('stalled', 'silent', 'error_loop')
      AND (%(ids)s::bigint[] IS NULL OR i.id = ANY (%(ids)s::bigint[]))
) AS judged WHERE why IS NOT NULL ORDER BY id LIMIT %(limit)s
"""  # noqa: S608 - put together of the constants above
KINDS = (IncidentKind.STALLED, IncidentKind.SILENT, IncidentKind.ERROR_LOOP)


def resolve_gone(incidents: Sequence[Incident], *, now: datetime) -> set[int]:
    """Resolve those of these locked incidents whose cause is gone; returns their ids."""
    by_id = {incident.pk: incident for incident in incidents}
    gone = _gone(list(by_id))
    if gone:
        resolve_locked([(by_id[pk], why) for pk, why in gone.items()], actor="SYSTEM", now=now)
    return set(gone)


def sweep(*, now: datetime) -> int:
    """Resolve every incident whose cause is gone, at most LIMIT; returns how many that was."""
    candidates = _gone(None)
    if not candidates:
        return 0
    with transaction.atomic():
        rows = Incident.objects.filter(pk__in=list(candidates), status__in=STANDING)
        locked = rows.select_for_update(of=("self",), skip_locked=True).order_by("id")
        return len(resolve_gone(list(locked), now=now))


def _gone(ids: list[int] | None) -> dict[int, str]:
    if ids == []:
        return {}
    params: dict[str, Any] = {"ids": ids, "limit": LIMIT}
    with connection.cursor() as cursor:
        cursor.execute(_GONE, params)
        return dict(cursor.fetchall())
