"""What an agent's page shows; a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.models import Agent, Attempt
from agents.states import AttemptOutcome
from failures.models import Failure, Incident
from monitoring import queries
from monitoring.marks import OUTCOME_MARKS, Mark
from monitoring.page_agents import AgentRow, agent_rows
from monitoring.page_incidents import IncidentRow, row_of
from monitoring.policy_uptime import Seconds
from monitoring.queries_rolled import Cut, cut
from monitoring.queries_uptime import Lately, lately, uptime_by_agent
from monitoring.queries_work import Work, work_by_agent

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


@dataclass(frozen=True)
class _Alone:
    """The figures of one agent."""

    now: datetime
    team: Sequence[Agent]
    uptime: Mapping[int, Seconds]
    work: Mapping[int, Work]
    parts: Cut
    end: Lately | None


def _alone(agent: Agent, *, now: datetime) -> _Alone:
    window = queries.DAY
    parts = cut(since=now - window, until=now)
    end = lately([agent], parts)
    return _Alone(
        now=now,
        team=[agent],
        uptime=uptime_by_agent([agent], now=now, window=window, parts=parts, end=end),
        work=work_by_agent(now=now, window=window, parts=parts),
        parts=parts,
        end=end,
    )


def agent_page(agent: Agent, *, now: datetime) -> AgentPage:
    """The page of `agent` as of `now`: its last week, the newest first."""
    pauses = queries.pauses(now=now)
    rows = [] if agent.retired_at else agent_rows(pauses, _alone(agent, now=now))
    attempts = Attempt.objects.filter(agent=agent, ended_at__gt=now - WEEK)
    failures = Failure.objects.filter(agent=agent, created_at__gt=now - WEEK)
    incidents = Incident.objects.filter(agent=agent).select_related("agent").order_by("-id")
    return AgentPage(
        agent=agent,
        row=rows[0] if rows else None,
        attempts=[
            Tried(attempt, OUTCOME_MARKS[AttemptOutcome(attempt.outcome)])
            for attempt in attempts.select_related("dispatch").order_by("-ended_at")[:SHOWN]
        ],
        incidents=[row_of(one, now=now) for one in incidents[:SHOWN]],
        failures=list(failures.select_related("group").order_by("-id")[:SHOWN]),
    )
