"""Opening incidents: one at most for each cause, and who hears first hears in the same moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from agents import queries as agent_queries
from agents.errors import EvoxError
from agents.models import Agent, Channel, Dispatch
from agents.models.message import SYSTEM
from agents.policy import clip
from agents.services.messages import Words, send_messages, team_channel
from agents.states import Priority
from failures import kinds
from failures.models import Incident
from failures.policy import MESSAGE_LIMIT, bounded_context
from failures.services.timeline import ESCALATED, TOLD, Line, add_lines
from failures.states import IncidentKind, IncidentStatus, Severity

REPEATS_KEPT = 50
"""Lines of the timeline that repeats may use up; more of them are dropped."""


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
    """Since when its clock runs; the opening, when None."""


@dataclass(frozen=True)
class Opened:
    """The incident, and whether it is new."""

    incident: Incident
    created: bool


def open_incident(new: NewIncident, *, now: datetime) -> Opened:
    """Open it and tell who hears first, in one transaction; a repeat lands on its timeline.

    Raises StaleVersionError when it was resolved in this very moment.
    """
    with transaction.atomic():
        found = _existing(new)
        if found is None:
            try:
                with transaction.atomic():
                    [incident] = create_incidents([new], now=now)
                    return Opened(incident, created=True)
            except IntegrityError:
                found = _existing(new)  # Somebody else was first, and is visible now.
            if found is None:
                raise StaleVersionError("This incident was resolved just now; report it again.")
        if new.report_key is None or found.report_key != new.report_key:
            _repeat(found, new, now=now)
        return Opened(found, created=False)


def open_all(news: Sequence[NewIncident], *, now: datetime) -> int:
    """Open those that are not open yet, in a number of statements that theirs doesn't change.

    Returns how many. When somebody else opens one of them in the same moment, one by one.
    """
    with transaction.atomic():
        standing = Incident.objects.filter(dedup_key__in=[new.dedup_key for new in news])
        standing = standing.exclude(status=IncidentStatus.RESOLVED.value)
        known = set(standing.values_list("dedup_key", flat=True))
        fresh = [new for new in news if new.dedup_key not in known]
        try:
            with transaction.atomic():
                return len(create_incidents(fresh, now=now))
        except IntegrityError:
            return sum(open_incident(new, now=now).created for new in fresh)


def create_incidents(news: Sequence[NewIncident], *, now: datetime) -> list[Incident]:
    """Write new incidents with their first lines and messages.

    Raises IntegrityError when one is open already for a `dedup_key`.
    """
    rows = [(_build(new, now=now), new) for new in news]
    Incident.objects.bulk_create([incident for incident, _ in rows], batch_size=500)
    lines: list[Line] = []
    words: list[Words] = []
    hearers: dict[kinds.KindRule, dict[Agent | Channel, int | None]] = {}
    for incident, new in rows:
        lines.append(Line(incident=incident, kind="opened", actor=new.reported_by))
        rule = kinds.rule_for(new.kind, new.severity)
        if rule not in hearers:
            hearers[rule] = _first_hearers(rule, now=now)
        for to, level in hearers[rule].items():
            words.append(_first_words(incident, rule, to))
            kind, data = (ESCALATED if level else TOLD), {"to": to.name}
            lines.append(Line(incident=incident, kind=kind, level=level, actor=SYSTEM, data=data))
    add_lines(lines, now=now)
    send_messages(words, now=now)
    return [incident for incident, _ in rows]


def _existing(new: NewIncident) -> Incident | None:
    rows = Incident.objects.select_for_update(of=("self",))
    if new.report_key is not None:
        reported = rows.filter(report_key=new.report_key).first()
        if reported is not None:
            return reported
    return (
        rows.filter(dedup_key=new.dedup_key).exclude(status=IncidentStatus.RESOLVED.value).first()
    )


def _build(new: NewIncident, *, now: datetime) -> Incident:
    rule = kinds.rule_for(new.kind, new.severity)
    times = settings.EVOX_ESCALATION_LADDER
    ladder = {str(level): int(times[level - 1].total_seconds()) for level in rule.levels}
    since = new.stall_since or now
    incident = Incident(
        kind=new.kind.value,
        severity=rule.severity.value,
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
    )
    if rule.born_resolved:
        incident.status = IncidentStatus.RESOLVED.value
        incident.resolved_at, incident.resolved_by = now, SYSTEM
        incident.resolution = "Kept as a record."
    elif ladder:
        incident.ladder = ladder
        incident.next_step_at = since + timedelta(seconds=min(ladder.values()))
        incident.escalation_level = kinds.LEAD if rule.tells_lead else 0
    return incident


def _first_hearers(rule: kinds.KindRule, *, now: datetime) -> dict[Agent | Channel, int | None]:
    """Who is told at once, and which level of the ladder that is, if any."""
    hearers: dict[Agent | Channel, int | None] = {}
    if rule.tells_dev:
        hearers[team_channel(now=now)] = None
    if rule.tells_lead:
        # With a ladder, the lead's first message is its second level, told at once.
        level = kinds.LEAD if rule.levels else None
        hearers[agent_queries.lead(now=now) or team_channel(now=now)] = level
    return hearers


def _first_words(incident: Incident, rule: kinds.KindRule, to: Agent | Channel) -> Words:
    text = f"{incident.number} {incident.title}"
    if incident.message and incident.message != incident.title:
        text = f"{text}\n{clip(incident.message, 2_000)}"
    return Words(
        text=text,
        to=to,
        priority=Priority.HIGH if rule.tells_lead else Priority.NORMAL,
        about=("incident", incident.pk),
        dedup_key=f"incident:{incident.pk}:opened:{to.name}",
    )


def _repeat(incident: Incident, new: NewIncident, *, now: datetime) -> None:
    if incident.events.filter(kind="repeated").count() < REPEATS_KEPT:
        said = {"message": clip(new.message, 500)}
        line = Line(incident=incident, kind="repeated", actor=new.reported_by, data=said)
        add_lines([line], now=now)
