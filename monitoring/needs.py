"""What waits for a person, as sentences: who, what, since when, who was told, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents.models import Agent, Dispatch, Pause
from agents.states import DispatchStatus
from failures.models import Incident
from monitoring import queries
from monitoring.marks import Mark

DISPATCH_PAGE, INCIDENT_PAGE = "admin:agents_dispatch_change", "admin:failures_incident_change"
ACTED_UPON = "Acknowledge it when you take it on; resolve it when it is over."


@dataclass(frozen=True)
class Need:
    """One thing that waits for a person."""

    who: str
    text: str
    title: str
    advice: str
    since: datetime | None
    page: str
    pk: int
    told: queries.Told | None = None
    next_at: datetime | None = None
    """When EVOX tells somebody again."""


@dataclass(frozen=True)
class AgentRow:
    """An agent and how it stands."""

    agent: Agent
    mark: Mark
    work: Sequence[Dispatch]
    failures: int
    working: bool
    """Holds a lease and shows life; so may one that is paused."""
    pause: Pause | None


def needs_of(silent: Sequence[AgentRow], *, now: datetime) -> tuple[list[Need], int]:
    """The first of what needs somebody, the worst first, and how much there is in all."""
    stuck = queries.needs(now=now, window=queries.WEEK)
    incidents = queries.incident_needs(now=now)
    told = queries.told(stuck.dispatches, incidents.rows)
    known = {row.agent_id for row in incidents.rows if row.kind == "silent"}
    fresh = [row for row in silent if row.agent.pk not in known]
    needs = [
        *(_of_incident(row, told.get(row.dedup_key)) for row in incidents.rows),
        *(_silent(row) for row in fresh),
        *(_of_dispatch(row, told.get(f"{row.status}:{row.pk}")) for row in stuck.dispatches),
    ]
    total = incidents.total + len(fresh) + stuck.total
    return needs[: queries.NEEDS_SHOWN], total


def _of_incident(incident: Incident, told: queries.Told | None) -> Need:
    return Need(
        who=incident.number,
        text="",
        title=incident.title,
        advice=" ".join([" ".join(incident.message.split())[:200], ACTED_UPON]).strip(),
        since=incident.stall_since or incident.opened_at,
        page=INCIDENT_PAGE,
        pk=incident.pk,
        told=told,
        next_at=incident.next_step_at,
    )


def _silent(row: AgentRow) -> Need:
    work = row.work[0]
    return Need(
        who=row.agent.name,
        text="has gone silent while it holds",
        title=f"#{work.pk} {work.title}",
        advice="EVOX gives the work to another when its lease ends. Look whether it still runs.",
        since=row.agent.last_seen_at,
        page=DISPATCH_PAGE,
        pk=work.pk,
    )


def _of_dispatch(dispatch: Dispatch, told: queries.Told | None) -> Need:
    title = f"#{dispatch.pk} {dispatch.title}"
    if dispatch.status == DispatchStatus.BLOCKED:
        return Need(
            who=dispatch.agent.name if dispatch.agent else "An agent",
            text="is blocked on",
            title=title,
            advice=f"{dispatch.reason} Unblock it when that is there, reassign it, or cancel it.",
            since=dispatch.updated_at,
            page=DISPATCH_PAGE,
            pk=dispatch.pk,
            told=told,
        )
    tried = f" {dispatch.agent.name} tried last." if dispatch.agent else ""
    return Need(
        who="EVOX",
        text="gave up on",
        title=title,
        advice=f"{dispatch.reason}{tried} Look at its tries, then retry it.",
        since=dispatch.finished_at,
        page=DISPATCH_PAGE,
        pk=dispatch.pk,
        told=told,
    )
