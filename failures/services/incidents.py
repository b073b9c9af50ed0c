"""Opening incidents, and what people and EVOX do with them. Each act is a line of the timeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from agents import queries as agent_queries
from agents.errors import EvoxError, InvalidInputError, NotFoundError
from agents.models import Agent, Dispatch
from agents.models.message import SYSTEM
from agents.policy import clip
from agents.services.messages import send_message, team_channel
from agents.states import Priority, check_move
from failures import kinds
from failures.models import Incident, IncidentEvent
from failures.policy import MESSAGE_LIMIT, bounded_context
from failures.states import INCIDENT_MOVES, IncidentKind, IncidentStatus, Severity

ACK_LASTS = timedelta(minutes=30)
MAX_SNOOZE = timedelta(days=7)
REPEATS_KEPT = 50
"""Lines of the timeline that repeats may use up; more of them only count."""


class StaleVersionError(EvoxError):
    """The incident changed since the caller looked. HTTP 409."""

    code = "stale_version"
    status = 409


@dataclass(frozen=True, kw_only=True)
class NewIncident:
    """What happened. One at most is open for each `dedup_key`."""

    kind: IncidentKind
    title: str
    dedup_key: str
    message: str = ""
    severity: Severity | None = None
    agent: Agent | None = None
    dispatch: Dispatch | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    report_key: str | None = None
    reported_by: str = SYSTEM
    stall_since: datetime | None = None


@dataclass(frozen=True)
class Opened:
    """The incident, and whether it is new."""

    incident: Incident
    created: bool


def open_incident(new: NewIncident, *, now: datetime) -> Opened:
    """Open it and tell who hears first, in one transaction; a repeat lands on its timeline."""
    with transaction.atomic():
        found = _existing(new)
        if found is None:
            try:
                with transaction.atomic():
                    return Opened(_create(new, now=now), created=True)
            except IntegrityError:
                found = _existing(new)  # Somebody else was first, and is visible now.
            if found is None:
                raise StaleVersionError("This incident was resolved just now; report it again.")
        if new.report_key is None or found.report_key != new.report_key:
            _repeat(found, new, now=now)
        return Opened(found, created=False)


def _existing(new: NewIncident) -> Incident | None:
    rows = Incident.objects.select_for_update(of=("self",))
    if new.report_key is not None:
        reported = rows.filter(report_key=new.report_key).first()
        if reported is not None:
            return reported
    return (
        rows.filter(dedup_key=new.dedup_key).exclude(status=IncidentStatus.RESOLVED.value).first()
    )


def _create(new: NewIncident, *, now: datetime) -> Incident:
    rule = kinds.rule_for(new.kind, new.severity)
    ladder = {str(level): int(kinds.LADDER[level].total_seconds()) for level in rule.levels}
    since = new.stall_since or now
    incident = Incident.objects.create(
        kind=new.kind.value,
        severity=rule.severity.value,
        status=(IncidentStatus.RESOLVED if rule.born_resolved else IncidentStatus.OPEN).value,
        title=clip(new.title, 200),
        message=clip(new.message, MESSAGE_LIMIT),
        metadata=bounded_context(new.metadata),
        dedup_key=new.dedup_key,
        report_key=new.report_key,
        agent=new.agent,
        dispatch=new.dispatch,
        reported_by=new.reported_by[:64],
        opened_at=now,
        stall_since=new.stall_since,
        ladder={} if rule.born_resolved else ladder,
        next_step_at=(
            since + timedelta(seconds=min(ladder.values()))
            if ladder and not rule.born_resolved
            else None
        ),
        resolved_at=now if rule.born_resolved else None,
        resolved_by=SYSTEM if rule.born_resolved else "",
        resolution="Kept as a record." if rule.born_resolved else "",
    )
    _event(incident, "opened", actor=new.reported_by, now=now)
    _tell_first(incident, rule, now=now)
    return incident


def _tell_first(incident: Incident, rule: kinds.KindRule, *, now: datetime) -> None:
    text = f"{incident.number} {incident.title}"
    if incident.message and incident.message != incident.title:
        text = f"{text}\n{clip(incident.message, 2_000)}"
    destinations: list[Any] = []
    if rule.tells_dev:
        destinations.append(team_channel(now=now))
    if rule.tells_lead:
        destinations.append(agent_queries.lead() or team_channel(now=now))
    for to in dict.fromkeys(destinations):
        name = to.name
        send_message(
            text,
            to=to,
            priority=Priority.HIGH if rule.tells_lead else Priority.NORMAL,
            about=("incident", incident.pk),
            dedup_key=f"incident:{incident.pk}:opened:{name}",
            now=now,
        )
        _event(incident, "told", actor=SYSTEM, data={"to": name}, now=now)


def _repeat(incident: Incident, new: NewIncident, *, now: datetime) -> None:
    if incident.events.filter(kind="repeated").count() < REPEATS_KEPT:
        said = {"message": clip(new.message, 500)}
        _event(incident, "repeated", actor=new.reported_by, data=said, now=now)


def acknowledge(pk: int, *, actor: str, version: int | None = None, now: datetime) -> Incident:
    """Take it on: its ladder stops for 30 minutes, then it comes back.

    Raises NotFoundError, IllegalMoveError, StaleVersionError.
    """
    with transaction.atomic():
        incident = _locked(pk, version)
        _move(incident, IncidentStatus.ACKNOWLEDGED)
        incident.acknowledged_by = actor[:64]
        incident.acknowledged_at, incident.ack_expires_at = now, now + ACK_LASTS
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
        incident.snoozed_until = until
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
    _event(incident, verb, actor=actor, data=data, now=now)
    return incident


def _event(
    incident: Incident,
    kind: str,
    *,
    actor: str,
    data: dict[str, Any] | None = None,
    now: datetime,
) -> None:
    # The incident's row is locked or new, so nobody else numbers its lines now.
    seq = incident.events.count() + 1
    IncidentEvent.objects.create(
        incident=incident, seq=seq, kind=kind, actor=actor[:64], at=now, data=data or {}
    )
