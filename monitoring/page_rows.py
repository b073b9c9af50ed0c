"""What the page and its detail pages read beside the figures; each in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from agents.models import Dispatch
from agents.services.statements import fetch
from agents.states import DispatchStatus
from failures.models import Incident, IncidentEvent
from failures.states import IncidentKind, IncidentStatus, Severity

WEEK = timedelta(days=7)
NEEDS_SHOWN = 5
INCIDENTS_SHOWN = 8
TELLING = ("told", "escalated", "reminded")
_OPEN, _RESOLVED = IncidentStatus.OPEN.value, IncidentStatus.RESOLVED.value
_GRAVE = (Severity.ERROR.value, Severity.CRITICAL.value)
_OF_WORK = (IncidentKind.BLOCKED.value, IncidentKind.EXHAUSTED.value)

# What the page shows changes with one of these, or with the time of day: each is the end of an
# index, or a row an agent. Heartbeats change none.
_VERSION = """
concat_ws('.',
    (SELECT max(id) FROM failures_incidentevent), (SELECT max(id) FROM failures_failure),
    (SELECT max(id) FROM agents_attempt),
    (SELECT extract(epoch FROM max(ended_at)) FROM agents_attempt WHERE ended_at IS NOT NULL),
    (SELECT max(id) FROM agents_dispatch), (SELECT max(id) FROM agents_auditentry),
    (SELECT md5(string_agg(concat_ws(' ', name, role, status, retired_at), ',' ORDER BY id))
     FROM agents_agent))
"""
_LOOK = f"SELECT clock_timestamp(), {_VERSION}"


@dataclass(frozen=True)
class Told:
    """Who heard of an incident last, and when."""

    name: str
    at: datetime


def look() -> tuple[datetime, str]:
    """The database's time, and the page's version by then.

    The version changes when an incident, an attempt, a dispatch, a failure, a pause or a state
    does.
    """
    [(now, version)] = fetch(_LOOK, {})
    return now, version


def asking(*, now: datetime) -> tuple[list[Incident], int]:
    """Incidents that wait for a person, the highest level first, and how many there are in all.

    Open, an error or worse, acknowledged by nobody and not snoozed. What gave up over a week ago
    no longer asks.
    """
    found = (
        Incident.objects.filter(status=_OPEN, severity__in=_GRAVE)
        .filter(Q(snoozed_until__isnull=True) | Q(snoozed_until__lte=now))
        .exclude(kind=IncidentKind.EXHAUSTED.value, opened_at__lte=now - WEEK)
        .select_related("agent", "dispatch")
        .order_by("-escalation_level", "opened_at")
    )
    rows = list(found[:NEEDS_SHOWN])
    return rows, len(rows) if len(rows) < NEEDS_SHOWN else found.count()


def known_as_silent() -> set[int]:
    """Ids of the agents whose silence is an incident that isn't over, whoever has it by now."""
    standing = Incident.objects.filter(kind=IncidentKind.SILENT.value, agent__isnull=False)
    return set(standing.exclude(status=_RESOLVED).values_list("agent_id", flat=True))


def forgotten_work(*, now: datetime) -> tuple[list[Dispatch], int]:
    """Blocked dispatches, and those that gave up within a week, that no incident speaks of."""
    spoken_of = Incident.objects.filter(dispatch=OuterRef("pk"), kind__in=_OF_WORK).filter(
        ~Q(status=_RESOLVED) | Q(opened_at__gte=OuterRef("updated_at"))
    )
    found = (
        Dispatch.objects.filter(
            Q(status=DispatchStatus.BLOCKED.value)
            | Q(status=DispatchStatus.EXHAUSTED.value, finished_at__gt=now - WEEK)
        )
        .filter(~Exists(spoken_of))
        .select_related("agent")
        .order_by("-updated_at", "-id")
    )
    rows = list(found[:NEEDS_SHOWN])
    return rows, len(rows) if len(rows) < NEEDS_SHOWN else found.count()


def told(incidents: Sequence[Incident]) -> dict[int, Told]:
    """Whom EVOX told last of each of these, by the incident's id."""
    events = IncidentEvent.objects.filter(incident__in=incidents, kind__in=TELLING)
    rows = events.order_by("at", "id").values_list("incident_id", "data__to", "at")
    return {pk: Told(name=person(str(to)), at=at) for pk, to, at in rows}


def person(name: str) -> str:
    """Agents' names are upper case; the rest are channels."""
    return name if name[:1].isupper() else f"#{name}"


def recent_incidents(*, since: datetime) -> list[Incident]:
    """What is not over, the newest first, then what was opened since then."""
    rows = Incident.objects.select_related("agent")
    standing = rows.exclude(status=_RESOLVED).order_by("-opened_at", "-id")
    shown = list(standing[:INCIDENTS_SHOWN])
    # What was opened since then was resolved since then: by that there is an index.
    over = rows.filter(status=_RESOLVED, opened_at__gte=since, resolved_at__gte=since)
    over = over.order_by("-id")
    return shown + list(over[: INCIDENTS_SHOWN - len(shown)])


def last_incident() -> Incident | None:
    """The newest of all."""
    return Incident.objects.order_by("-id").first()


def troubled_agents() -> dict[int, tuple[str, datetime, int]]:
    """Kind, beginning and level of what stands open about each agent, by the agent's id."""
    rows = Incident.objects.exclude(status=_RESOLVED).filter(
        agent__isnull=False,
        kind__in=(
            *(IncidentKind.STALLED.value, IncidentKind.ERROR_LOOP.value),
            IncidentKind.BLOCKED.value,
        ),
    )
    found = rows.order_by("escalation_level", "-opened_at").values_list(
        "agent_id", "kind", "stall_since", "opened_at", "escalation_level"
    )
    return {agent: (kind, since or opened, level) for agent, kind, since, opened, level in found}
