"""What people and EVOX do with incidents. Each act is a line of the timeline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from agents.errors import InvalidInputError, NotFoundError
from agents.models.message import SYSTEM
from agents.policy import clip
from agents.services import outbox
from agents.states import check_move
from failures.models import Incident
from failures.services.opening import StaleVersionError
from failures.services.timeline import Line, add_lines
from failures.states import INCIDENT_MOVES, IncidentStatus

ACK_LASTS = timedelta(minutes=30)
MAX_SNOOZE = timedelta(days=7)


def acknowledge(pk: int, *, actor: str, version: int | None = None, now: datetime) -> Incident:
    """Take it on: its ladder stops for 30 minutes, then it comes back.

    Raises NotFoundError, IllegalMoveError, StaleVersionError.
    """
    with transaction.atomic():
        incident = _locked(pk, version)
        _move(incident, IncidentStatus.ACKNOWLEDGED)
        incident.acknowledged_by = actor[:64]
        incident.acknowledged_at, incident.ack_expires_at = now, now + ACK_LASTS
        incident.next_step_at = incident.ack_expires_at
        return _saved(incident, "acknowledged", actor=actor, now=now)


def snooze(
    pk: int,
    *,
    until: datetime,
    reason: str,
    actor: str,
    version: int | None = None,
    now: datetime,
) -> Incident:
    """Let it rest until then. Raises InvalidInputError, NotFoundError, StaleVersionError."""
    if not now < until <= now + MAX_SNOOZE:
        raise InvalidInputError("until", "An instant within the next seven days.")
    with transaction.atomic():
        incident = _locked(pk, version)
        if incident.status == IncidentStatus.RESOLVED:
            _move(incident, IncidentStatus.OPEN)
        incident.snoozed_until = incident.next_step_at = until
        data = {"until": until.isoformat(), "reason": reason}
        return _saved(incident, "snoozed", actor=actor, data=data, now=now)


def resolve(
    pk: int, *, resolution: str, actor: str, version: int | None = None, now: datetime
) -> Incident:
    """It is over. Raises NotFoundError, IllegalMoveError, StaleVersionError."""
    with transaction.atomic():
        incident = _locked(pk, version)
        _move(incident, IncidentStatus.RESOLVED)
        incident.resolved_at, incident.resolved_by = now, actor[:64]
        incident.resolution = clip(resolution, 4_000)
        incident.next_step_at = None
        data = {"resolution": clip(resolution, 500)}
        return _saved(incident, "resolved", actor=actor, data=data, now=now)


def resolve_by_key(dedup_key: str, *, resolution: str, now: datetime) -> Incident | None:
    """The cause is gone: resolve what is open for that key, if anything is."""
    found = (
        Incident.objects.filter(dedup_key=dedup_key)
        .exclude(status=IncidentStatus.RESOLVED.value)
        .first()
    )
    if found is None:
        return None
    return resolve(found.pk, resolution=resolution, actor=SYSTEM, now=now)


def _locked(pk: int, version: int | None) -> Incident:
    incident = Incident.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if incident is None:
        raise NotFoundError(f"There is no incident {pk}.")
    if version is not None and version != incident.version:
        raise StaleVersionError(f"{incident.number} has changed since; look at it again.")
    return incident


def _move(incident: Incident, new: IncidentStatus) -> None:
    old = IncidentStatus(incident.status)
    incident.status = check_move(INCIDENT_MOVES, old, new, noun="incident").value


def _saved(
    incident: Incident,
    verb: str,
    *,
    actor: str,
    data: dict[str, Any] | None = None,
    now: datetime,
) -> Incident:
    incident.version += 1
    outbox.cancel(cancel_key_of(incident), now=now)
    incident.save(
        update_fields=[
            "status",
            "acknowledged_by",
            "acknowledged_at",
            "ack_expires_at",
            "snoozed_until",
            "resolved_at",
            "resolved_by",
            "resolution",
            "next_step_at",
            "version",
        ]
    )
    add_lines([Line(incident=incident, kind=verb, actor=actor, data=data or {})], now=now)
    return incident


def cancel_key_of(incident: Incident) -> str:
    """By which what is still to be sent about it is found."""
    return f"incident:{incident.pk}"
