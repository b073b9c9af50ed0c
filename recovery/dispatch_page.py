"""What a dispatch's page in the admin shows: its attempts side by side, and all that happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agents.models import Attempt, AuditEntry, Dispatch
from agents.policy import clip
from agents.states import AttemptOutcome
from failures.models import Failure, Incident
from recovery.policy import spoken

ATTEMPTS = 24
ACTS = 100
INCIDENTS = 20
MESSAGE = 400


@dataclass(frozen=True)
class Try:
    """One attempt, with the failure that it reported."""

    attempt: Attempt
    failure: Failure | None
    ran: str
    message: str
    kind: str
    """good, bad or open: how it is coloured."""


@dataclass(frozen=True)
class Event:
    """Something that happened, by whom, and why."""

    at: datetime
    what: str
    who: str = ""
    why: str = ""
    incident: Incident | None = None


@dataclass(frozen=True)
class DispatchPage:
    """Everything beside the dispatch's own columns; a fixed number of queries."""

    tries: list[Try]
    earlier: int
    """Attempts before those that are shown."""
    events: list[Event]


def page_of(dispatch: Dispatch, *, now: datetime) -> DispatchPage:
    """The last ATTEMPTS attempts, ACTS acts and INCIDENTS incidents of the dispatch, in order."""
    newest = dispatch.attempts.select_related("agent").order_by("-lease_epoch")
    attempts = list(reversed(newest[:ATTEMPTS]))
    found = Failure.objects.select_related("group").in_bulk(
        [one.failure_id for one in attempts if one.failure_id is not None]
    )
    tries = [_try(one, found.get(one.failure_id or 0), now=now) for one in attempts]
    acts = AuditEntry.objects.filter(subject_kind="dispatch", subject_id=dispatch.pk)
    incidents = Incident.objects.filter(dispatch=dispatch).order_by("-id")[:INCIDENTS]
    events = [Event(dispatch.created_at, "Made", who=dispatch.created_by)]
    for one in attempts:
        events += _events_of(one)
    events += [
        Event(act.at, act.verb.replace("_", " ").capitalize(), who=act.actor, why=act.reason)
        for act in acts.order_by("-id")[:ACTS]
    ]
    events += [Event(i.opened_at, "Incident", why=i.title, incident=i) for i in incidents]
    if dispatch.finished_at is not None:
        why = "" if attempts and dispatch.reason == attempts[-1].reason else dispatch.reason
        events.append(Event(dispatch.finished_at, dispatch.get_status_display(), why=why))
    # Of two at one instant the one that was added first came first: sorting keeps their order.
    events.sort(key=lambda event: event.at)
    earlier = attempts[0].number - 1 if attempts else 0
    return DispatchPage(tries=tries, earlier=earlier, events=events)


def _try(attempt: Attempt, failure: Failure | None, *, now: datetime) -> Try:
    kinds = {AttemptOutcome.SUCCEEDED: "good", AttemptOutcome.RUNNING: "open"}
    return Try(
        attempt=attempt,
        failure=failure,
        ran=spoken((attempt.ended_at or now) - attempt.started_at),
        message=clip(failure.message, MESSAGE) if failure else "",
        kind=kinds.get(AttemptOutcome(attempt.outcome), "bad"),
    )


def _events_of(attempt: Attempt) -> list[Event]:
    name, strategy = attempt.agent.name, attempt.get_strategy_display().lower()
    events = [Event(attempt.started_at, f"Attempt {attempt.number} begins", name, strategy)]
    if attempt.ended_at is not None:
        what = f"Attempt {attempt.number} {attempt.get_outcome_display().lower()}"
        events.append(Event(attempt.ended_at, what, name, attempt.reason))
    return events
