"""What an agent's page shows; a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.models import Agent, Attempt
from agents.states import AttemptOutcome
from failures.models import Failure, Incident
from monitoring import queries
from monitoring.marks import OUTCOME_MARKS, Mark
from monitoring.page_agents import AgentRow, agent_rows
from monitoring.page_incidents import IncidentRow, row_of
from monitoring.queries_health import figures

SHOWN = 15
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Tried:
    """An attempt of an agent, with how it ended."""

    attempt: Attempt
    mark: Mark


@dataclass(frozen=True)
class AgentPage:
    """An agent, what it did last, and what went wrong."""

    agent: Agent
    row: AgentRow | None
    """How it stands; None when it is retired."""
    attempts: Sequence[Tried]
    incidents: Sequence[IncidentRow]
    failures: Sequence[Failure]


def agent_page(agent: Agent, *, now: datetime) -> AgentPage:
    """The page of `agent` as of `now`: its last week, the newest first."""
    pauses = queries.pauses(now=now)
    rows = agent_rows(pauses, figures(now=now, window=queries.DAY))
    attempts = Attempt.objects.filter(agent=agent, ended_at__gt=now - WEEK)
    failures = Failure.objects.filter(agent=agent, created_at__gt=now - WEEK)
    incidents = Incident.objects.filter(agent=agent).select_related("agent").order_by("-id")
    return AgentPage(
        agent=agent,
        row=next((row for row in rows if row.agent.pk == agent.pk), None),
        attempts=[
            Tried(attempt, OUTCOME_MARKS[AttemptOutcome(attempt.outcome)])
            for attempt in attempts.select_related("dispatch").order_by("-ended_at")[:SHOWN]
        ],
        incidents=[row_of(one, now=now) for one in incidents[:SHOWN]],
        failures=list(failures.select_related("group").order_by("-id")[:SHOWN]),
    )
