"""The auditor: looks, every minute, whether all that must hold does; repairs what is safe.

It trusts no timer and no memory of what was done: it reads the rows themselves, all open incidents
however old.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from agents import queries as agent_queries
from agents.services import outbox, records
from failures.services.incidents import resolve_by_key
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind
from monitoring.services import escalation, findings, stalls
from monitoring.services.findings import PROMISE, Found
from monitoring.states import AuditCheck, Part

logger = logging.getLogger(__name__)

LIMIT = 1_000
ROUNDS = (Part.SWEEPER, Part.WATCHER, Part.SENDER)

_OVERDUE = """
SELECT id, escalation_level, %(now)s - next_step_at FROM failures_incident
WHERE status IN ('open', 'acknowledged') AND next_step_at < %(late)s ORDER BY id LIMIT %(rows)s
"""
# A ladder with levels left and no timer would never be looked at again.
_TIMERS = """
UPDATE failures_incident i SET next_step_at = %(now)s
WHERE id IN (
    SELECT id FROM failures_incident
    WHERE status IN ('open', 'acknowledged') AND next_step_at IS NULL AND ladder <> '{}'
      AND escalation_level < (SELECT max(level::int) FROM jsonb_object_keys(ladder) AS level)
    ORDER BY id LIMIT %(rows)s FOR UPDATE SKIP LOCKED)
RETURNING id, escalation_level, NULL::interval
"""
# What was told of an open incident in a channel, and is not even on its way to a sink that was
# there before it.
_UNTOLD = """
SELECT m.id, 'incident:' || i.id, %(now)s - m.created_at
FROM failures_incident i
JOIN agents_message m ON m.subject_kind = 'incident' AND m.subject_id = i.id
JOIN agents_sink s ON s.channel_id = m.channel_id AND s.is_active AND s.created_at <= m.created_at
WHERE i.status = 'open'
  AND NOT EXISTS (SELECT 1 FROM agents_delivery d WHERE d.message_id = m.id AND d.sink_id = s.id)
ORDER BY m.id LIMIT %(rows)s
"""
_UNSAID = """
SELECT i.id, e.level, %(now)s - e.at FROM failures_incident i
JOIN failures_incidentevent e ON e.incident_id = i.id AND e.kind = 'escalated'
WHERE i.status IN ('open', 'acknowledged') AND NOT EXISTS (
    SELECT 1 FROM agents_message m WHERE m.dedup_key IN (
        'incident:' || i.id || ':L' || e.level,
        'incident:' || i.id || ':opened:' || (e.data->>'to')))
ORDER BY i.id LIMIT %(rows)s
"""
_WAITING = """
SELECT id, 0, %(now)s - next_try_at FROM agents_delivery
WHERE state = 'pending' AND next_try_at < %(late)s ORDER BY next_try_at LIMIT %(rows)s
"""
_UNFINISHED = """
SELECT id, attempts, %(now)s - lease_until FROM agents_delivery
WHERE state = 'sending' AND lease_until < %(late)s ORDER BY lease_until LIMIT %(rows)s
"""


def audit(*, now: datetime) -> list[Found]:
    """One audit: everything that was found wrong, repaired where that is safe, and written down."""
    found: list[Found] = []
    for check in (_overdue_steps, _lost_timers, _unseen, _unsaid, _untold, _deliveries, _beats):
        found += _checked(check, now)
    findings.write_down(found, now=now)
    records.beat(Part.AUDITOR, now=now)
    return found


def _checked(check: Callable[[datetime], list[Found]], now: datetime) -> list[Found]:
    try:
        with transaction.atomic():
            return check(now)
    except Exception:
        logger.exception("A check of the audit failed: %s; the others go on.", check.__name__)
        return []


def _overdue_steps(now: datetime) -> list[Found]:
    late = _rows(_OVERDUE, now)
    if late:
        escalation.escalate_due(now=now)  # Which writes down the levels that it tells late.
    still = {pk for pk, _, _ in _rows(_OVERDUE, now)} if late else set()
    return [
        Found(
            check=AuditCheck.STEP_OVERDUE,
            subject=f"incident:{pk}:level:{level + 1}",
            detail=f"INC-{pk} should have been looked at, and could not be.",
            late_by=by,
        )
        for pk, level, by in late
        if pk in still
    ]


def _lost_timers(now: datetime) -> list[Found]:
    return [
        Found(
            check=AuditCheck.STEP_OVERDUE,
            subject=f"incident:{pk}:level:{level + 1}",
            detail=f"INC-{pk} had levels left and no timer; it has one again.",
            repaired=True,
        )
        for pk, level, _ in _rows(_TIMERS, now)
    ]


def _unseen(now: datetime) -> list[Found]:
    """Opens what the watcher should have opened; what it opens itself is never found here."""
    first = settings.EVOX_ESCALATION_LADDER[0]
    late = now - PROMISE
    if not (stalls.unseen_stalls(first=first, now=late) or stalls.unseen_silences(now=late)):
        return []
    stalled, silent = stalls.open_stalls(now=now), stalls.open_silences(now=now)
    counts = {AuditCheck.STALL_UNSEEN: stalled, AuditCheck.SILENCE_UNSEEN: silent}
    return [
        Found(
            check=check,
            subject=f"audit:{now:%Y-%m-%dT%H:%M:%S}",
            detail=f"{count} were opened by the audit.",
            repaired=True,
        )
        for check, count in counts.items()
        if count
    ]


def _unsaid(now: datetime) -> list[Found]:
    return [
        Found(
            check=AuditCheck.LEVEL_UNTOLD,
            subject=f"incident:{pk}:level:{level}",
            detail=f"INC-{pk} has level {level} on its timeline, and no message of it.",
            late_by=by,
        )
        for pk, level, by in _rows(_UNSAID, now)
    ]


def _untold(now: datetime) -> list[Found]:
    missing = _rows(_UNTOLD, now)
    outbox.enqueue({message: key for message, key, _ in missing}, now=now)
    return [
        Found(
            check=AuditCheck.LEVEL_UNTOLD,
            subject=f"message:{message}",
            detail="It was not on its way to a sink of its channel; now it is.",
            late_by=by,
            repaired=True,
        )
        for message, _, by in missing
    ]


def _deliveries(now: datetime) -> list[Found]:
    waiting = [
        Found(check=AuditCheck.DELIVERY_LATE, subject=f"delivery:{pk}", late_by=by)
        for pk, _, by in _rows(_WAITING, now)
    ]
    unfinished = [
        Found(check=AuditCheck.TRY_UNFINISHED, subject=f"delivery:{pk}:try:{n}", late_by=by)
        for pk, n, by in _rows(_UNFINISHED, now)
    ]
    return waiting + unfinished


def _beats(now: datetime) -> list[Found]:
    """A part of EVOX that stopped is an incident until it goes again."""
    found = []
    beats = agent_queries.latest_beats()
    for name in ROUNDS:
        at, key = beats.get(name), f"self:beat:{name}"
        if at is None or at >= now - PROMISE:
            resolve_by_key(key, resolution=f"The {name} does its rounds again.", now=now)
            continue
        title = f"EVOX's {name} has done no round since {at:%H:%M:%S} UTC"
        new = NewIncident(kind=IncidentKind.SELF, title=title, dedup_key=key)
        open_incident(new, now=now)
        late = now - at
        subject = f"beat:{name}:{at:%Y-%m-%dT%H:%M:%S}"
        found.append(
            Found(check=AuditCheck.BEAT_STALE, subject=subject, detail=title, late_by=late)
        )
    return found


def _rows(sql: str, now: datetime) -> Sequence[tuple[Any, Any, timedelta | None]]:
    params: dict[str, Any] = {"now": now, "late": now - PROMISE, "rows": LIMIT}
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: Sequence[tuple[Any, Any, timedelta | None]] = cursor.fetchall()
        return found
