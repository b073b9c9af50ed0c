"""Incidents as rows of the page, and their timelines as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from agents.models.message import SYSTEM
from failures.models import Incident, IncidentEvent
from failures.states import IncidentKind, IncidentStatus
from monitoring import marks, page_rows
from monitoring.marks import Mark
from monitoring.needs import next_words
from monitoring.policy_words import LEVEL_WORDS
from recovery.policy import spoken

EVENTS_SHOWN = 200
KIND_WORDS = {
    IncidentKind.STALLED: "no progress",
    IncidentKind.BLOCKED: "blocked",
    IncidentKind.ERROR_LOOP: "same failure again",
    IncidentKind.SILENT: "silence",
    IncidentKind.EXHAUSTED: "given up",
    IncidentKind.ROLLED_BACK: "commit rolled back",
    IncidentKind.ROLLBACK_BLOCKED: "rollback not possible",
    IncidentKind.BASE_ALREADY_BROKEN: "broken before",
    IncidentKind.BUILD_FAILED_ROOT: "first commit broken",
    IncidentKind.BUILD_FLAKY: "build not reliable",
    IncidentKind.VERIFY_INCONCLUSIVE: "check undecided",
    IncidentKind.ROLLBACK_MOOT: "rollback not needed",
    IncidentKind.FIXED_FORWARD: "mended by a later commit",
    IncidentKind.VERIFY_DEFERRED: "check put off",
    IncidentKind.NO_REVIEWER: "nobody reviews",
    IncidentKind.WEBHOOK_FAILED: "GitHub's news not processed",
    IncidentKind.DELIVERY_DEAD: "message not delivered",
    IncidentKind.SELF: "EVOX itself",
    IncidentKind.REPORTED: "reported",
}


@dataclass(frozen=True)
class IncidentRow:
    """An incident in a list."""

    incident: Incident
    kind: str
    mark: Mark
    said: str
    """What became of it, or who has it."""
    at: datetime | None
    """Until when that holds."""
    took: str
    """How long it lasted; empty while it does."""


@dataclass(frozen=True)
class Happened:
    """A line of a timeline, as a sentence."""

    at: datetime
    what: str
    who: str
    more: str


def row_of(incident: Incident, *, now: datetime) -> IncidentRow:
    """How it stands at `now`."""
    mark, said, at = _standing(incident, now=now)
    over = incident.resolved_at
    return IncidentRow(
        incident=incident,
        kind=KIND_WORDS[IncidentKind(incident.kind)],
        mark=mark,
        said=said,
        at=at,
        took=spoken(over - incident.opened_at) if over and over > incident.opened_at else "",
    )


def _standing(incident: Incident, *, now: datetime) -> tuple[Mark, str, datetime | None]:
    status = IncidentStatus(incident.status)
    if status is IncidentStatus.RESOLVED:
        if incident.resolved_at == incident.opened_at:
            return marks.NOTED, "", None
        who = "by itself" if incident.resolved_by == SYSTEM else f"by {incident.resolved_by}"
        return marks.INCIDENT_MARKS[status], who, None
    if incident.snoozed_until is not None and incident.snoozed_until > now:
        return marks.RESTS, "until", incident.snoozed_until
    if status is IncidentStatus.ACKNOWLEDGED:
        return (
            marks.INCIDENT_MARKS[status],
            f"by {incident.acknowledged_by} until",
            (incident.ack_expires_at),
        )
    return marks.INCIDENT_MARKS[status], next_words(incident), incident.next_step_at


def timeline_of(incident: Incident) -> tuple[Sequence[Happened], int]:
    """The last EVENTS_SHOWN lines in their order, and how many are older."""
    newest = list(incident.events.order_by("-seq")[:EVENTS_SHOWN])
    older = newest[-1].seq - 1 if newest else 0
    return [_happened(event) for event in reversed(newest)], older


# What is said of each kind of line, and where its data has more of it.
_SENTENCES = {
    "told": ("told {to}", ""),
    "escalated": ("told {to}{level}", "instead"),
    "reminded": ("reminded {to}", ""),
    "superseded": ("passed over {level}, since EVOX was not running in time", ""),
    "snoozed": ("let it rest{until}", "reason"),
    "snooze_ended": ("ended its rest", ""),
    "acknowledged": ("took it on", ""),
    "acknowledgement_ended": ("opened it again, since {by} took it on and it is not over", ""),
    "resolved": ("ended it", "resolution"),
    "repeated": ("reported it again", "message"),
    "opened": ("opened it", ""),
}


def _happened(event: IncidentEvent) -> Happened:
    data: dict[str, Any] = event.data if isinstance(event.data, dict) else {}
    to = page_rows.person(str(data.get("to", "")))
    level = LEVEL_WORDS.get(event.level or 0, "")
    if event.kind == "escalated":
        level = f" ({level})" if level and not to.startswith("#") else ""
    until = parse_datetime(str(data.get("until", "")))
    rest = f" until {timezone.localtime(until):%d %b %H:%M}" if until else ""
    words, more = _SENTENCES.get(event.kind, (event.kind.replace("_", " "), ""))
    return Happened(
        at=event.at,
        what=words.format(to=to, level=level, until=rest, by=data.get("by", "somebody")),
        who="EVOX" if event.actor == SYSTEM else event.actor,
        more=str(data.get(more) or ""),
    )
