"""How each agent stands, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from agents.models import Agent, Pause
from agents.states import AgentStatus
from failures.kinds import LEAD
from failures.states import IncidentKind
from monitoring import marks, page_rows, queries
from monitoring.marks import Mark
from monitoring.page_strip import Availability, Strip, strip_of
from monitoring.policy_uptime import Seconds
from monitoring.queries_rolled import Cut
from monitoring.queries_uptime import Lately, stretches_by_agent
from monitoring.queries_work import Work

AGENTS_SHOWN = 100


@dataclass(frozen=True)
class AgentRow:
    """An agent and how it stands."""

    agent: Agent
    mark: Mark
    since: datetime | None
    """Since when it is in trouble."""
    work: Sequence[queries.Held]
    done: Work
    """What its attempts came to in the period."""
    availability: Availability
    strip: Strip | None
    working: bool
    """Holds a lease and shows life; so may one that is paused."""
    pause: Pause | None


class TeamFigures(Protocol):
    """What is asked of figures here; see `queries_health.Figures`."""

    @property
    def now(self) -> datetime: ...
    @property
    def team(self) -> Sequence[Agent]: ...
    @property
    def uptime(self) -> Mapping[int, Seconds]: ...
    @property
    def work(self) -> Mapping[int, Work]: ...
    @property
    def parts(self) -> Cut: ...
    @property
    def end(self) -> Lately | None: ...


def agent_rows(pauses: Mapping[int | None, Pause], figures: TeamFigures) -> list[AgentRow]:
    """Every agent, worst first: in trouble, then with many failed attempts, then by name.

    The strips of the first AGENTS_SHOWN alone are drawn.
    """
    rows = _in_order(_rows(pauses, figures))
    shown = rows[:AGENTS_SHOWN]
    team = [row.agent for row in shown]
    lives = stretches_by_agent(
        team, now=figures.now, window=queries.DAY, parts=figures.parts, end=figures.end
    )
    since = figures.now - queries.DAY
    return [
        *(
            replace(row, strip=strip_of(lives[row.agent.pk], since=since, until=figures.now))
            for row in shown
        ),
        *rows[AGENTS_SHOWN:],
    ]


def _in_order(rows: list[AgentRow]) -> list[AgentRow]:
    return sorted(
        rows, key=lambda r: (marks.WORST_FIRST.index(r.mark), -r.done.failed, r.agent.name)
    )


def _rows(pauses: Mapping[int | None, Pause], figures: TeamFigures) -> list[AgentRow]:
    now = figures.now
    held = queries.work_in_hand()
    troubled = page_rows.troubled_agents()
    rows = []
    for agent in figures.team:
        work = held.get(agent.pk, [])
        mark, since = _trouble(agent, troubled.get(agent.pk), holds_work=bool(work), now=now)
        resting = [pauses[pk] for pk in (agent.pk, None) if pk in pauses]
        rows.append(
            AgentRow(
                agent=agent,
                mark=marks.PAUSED if resting else mark,
                since=None if resting else since,
                work=work,
                done=figures.work.get(agent.pk, Work()),
                availability=Availability(figures.uptime.get(agent.pk, Seconds())),
                strip=None,
                working=bool(work) and agent.is_online(now=now),
                pause=max(resting, key=lambda pause: pause.until, default=None),
            )
        )
    return rows


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
