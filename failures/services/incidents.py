"""What people and EVOX do with incidents. Each act is a line of the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from agents.errors import InvalidInputError, NotFoundError
from agents.models.message import SYSTEM
from agents.policy import clip
from agents.services import outbox
from agents.services.messages import Words, ceo_channel, send_messages
from agents.states import check_move
from failures import kinds
from failures.models import Incident
from failures.services.opening import StaleVersionError
from failures.services.timeline import Line, add_lines
from failures.states import INCIDENT_MOVES, IncidentStatus

ACK_LASTS = timedelta(minutes=30)
MAX_SNOOZE = timedelta(days=7)
RESOLVED_FIELDS = ("status", "resolved_at", "resolved_by", "resolution", "next_step_at", "version")


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
        resolve_locked([(incident, resolution)], actor=actor, now=now)
        return incident


def resolve_by_key(dedup_key: str, *, resolution: str, now: datetime) -> Incident | None:
    """The cause is gone: resolve what is open for that key, if anything is."""
    with transaction.atomic():
        found = Incident.objects.select_for_update(of=("self",)).filter(dedup_key=dedup_key)
        incident = found.exclude(status=IncidentStatus.RESOLVED.value).first()
        if incident is not None:
            resolve_locked([(incident, resolution)], actor=SYSTEM, now=now)
        return incident


def resolve_locked(over: Sequence[tuple[Incident, str]], *, actor: str, now: datetime) -> None:
    """Resolve incidents whose rows the caller has locked, each with what it says of its end.

    What was not sent of them yet is cancelled; a CEO who was told hears that it is over. A fixed
    number of statements. Raises IllegalMoveError when one is resolved already.
    """
    lines: list[Line] = []
    for incident, resolution in over:
        _move(incident, IncidentStatus.RESOLVED)
        incident.resolved_at, incident.resolved_by = now, actor[:64]
        incident.resolution, incident.next_step_at = clip(resolution, 4_000), None
        incident.version += 1
        data = {"resolution": clip(resolution, 500)}
        lines.append(Line(incident=incident, kind="resolved", actor=actor, data=data))
    incidents = [incident for incident, _ in over]
    Incident.objects.bulk_update(incidents, RESOLVED_FIELDS, batch_size=500)
    outbox.cancel([cancel_key_of(incident) for incident in incidents], now=now)
    add_lines(lines, now=now)
    _tell_that_it_is_over([i for i in incidents if i.escalation_level >= kinds.CEO], now=now)


def _tell_that_it_is_over(incidents: Sequence[Incident], *, now: datetime) -> None:
    if not incidents:
        return
    ceo = ceo_channel(now=now)
    send_messages(
        [
            Words(
                text=f"{incident.number} is over: {clip(incident.resolution, 500)}",
                to=ceo,
                about=("incident", incident.pk),
                keep=True,
                dedup_key=f"incident:{incident.pk}:over",
            )
            for incident in incidents
        ],
        now=now,
    )


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
    outbox.cancel([cancel_key_of(incident)], now=now)
    incident.save(
        update_fields=[
            "status",
            "acknowledged_by",
            "acknowledged_at",
            "ack_expires_at",
            "snoozed_until",
            "next_step_at",
            "version",
        ]
    )
    add_lines([Line(incident=incident, kind=verb, actor=actor, data=data or {})], now=now)
    return incident


def cancel_key_of(incident: Incident) -> str:
    """By which what is still to be sent about it is found."""
    return f"incident:{incident.pk}"
