"""How each agent stands, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.models import Agent, Dispatch, Pause
from agents.states import AgentStatus
from failures.kinds import LEAD
from failures.states import IncidentKind
from monitoring import marks, page_rows, queries
from monitoring.marks import Mark

AGENTS_SHOWN = 100


@dataclass(frozen=True)
class AgentRow:
    """An agent and how it stands."""

    agent: Agent
    mark: Mark
    since: datetime | None
    """Since when it is in trouble."""
    work: Sequence[Dispatch]
    failures: int
    working: bool
    """Holds a lease and shows life; so may one that is paused."""
    pause: Pause | None


def agent_rows(
    pauses: Mapping[int | None, Pause], *, now: datetime, window: timedelta
) -> list[AgentRow]:
    """Every agent, worst first: in trouble, then with many failures, then by name."""
    held = queries.work_in_hand()
    failed = queries.failures_by_agent(now=now, window=window)
    troubled = page_rows.troubled_agents()
    rows = []
    for agent in queries.agents():
        work = held.get(agent.pk, [])
        mark, since = _trouble(agent, troubled.get(agent.pk), holds_work=bool(work), now=now)
        resting = [pauses[pk] for pk in (agent.pk, None) if pk in pauses]
        rows.append(
            AgentRow(
                agent=agent,
                mark=marks.PAUSED if resting else mark,
                since=None if resting else since,
                work=work,
                failures=failed.get(agent.pk, 0),
                working=bool(work) and agent.is_online(now=now),
                pause=max(resting, key=lambda pause: pause.until, default=None),
            )
        )
    return sorted(rows, key=lambda r: (marks.WORST_FIRST.index(r.mark), -r.failures, r.agent.name))


def mark_of(agent: Agent, *, holds_work: bool, now: datetime) -> Mark:
    """How an agent stands: proven alive or not, with work or without."""
    online = agent.is_online(now=now)
    if holds_work:
        return marks.WORKING if online else marks.SILENT
    if agent.last_seen_at is None:
        return marks.NEVER
    if agent.status == AgentStatus.OFFLINE:
        return marks.OFFLINE
    return marks.IDLE if online else marks.AWAY


def _trouble(
    agent: Agent, trouble: tuple[str, datetime, int] | None, *, holds_work: bool, now: datetime
) -> tuple[Mark, datetime | None]:
    """How it stands, and since when when that is trouble; an incident says more than its life."""
    mark = mark_of(agent, holds_work=holds_work, now=now)
    if mark is marks.SILENT:
        return mark, agent.last_seen_at
    if trouble is None:
        return mark, None
    kind, since, level = trouble
    if kind == IncidentKind.STALLED:
        return (marks.STUCK if level >= LEAD else marks.STALLED), since
    return (marks.BLOCKED if kind == IncidentKind.BLOCKED else marks.LOOPS), since
