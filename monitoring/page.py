"""What the page says: figures turned into sentences, rows and states. No HTML here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents.models import Pause
from agents.states import DispatchStatus
from failures.models import Incident
from monitoring import health, marks, page_rows, queries
from monitoring.needs import Needs, Silent, needs_of
from monitoring.page_agents import AGENTS_SHOWN, AgentRow, agent_rows
from monitoring.page_incidents import IncidentRow, row_of
from monitoring.page_strip import Availability
from monitoring.page_targets import Promise, promises
from monitoring.page_words import Change, Period, Share, change, uptime_change
from monitoring.policy_uptime import Seconds
from monitoring.queries_health import Figures, figures
from monitoring.queries_incidents import Course
from monitoring.queries_reviews import ReviewFigures
from monitoring.queries_rolled import cut
from monitoring.queries_uptime import uptime_by_agent
from monitoring.queries_work import Work, retry_success, work_by_agent

AT_A_GLANCE = 20
FIRST_AGENTS = 15


@dataclass(frozen=True)
class Page:
    """All that the page shows."""

    period: Period
    headline: str
    everybody: Pause | None
    """The kill switch, when it is on."""
    needs: Needs
    working: int
    agents: Sequence[AgentRow]
    more_agents: int
    availability: Availability
    """The team's."""
    availability_change: Change | None
    errors: Share
    errors_change: Change | None
    retries: Share
    retries_change: Change | None
    retries_under_way: int
    incidents: Sequence[IncidentRow]
    last_incident: Incident | None
    """The newest of all, when none is shown."""
    course: Course
    promises: Sequence[Promise]
    system: health.Readiness
    watching: health.Watching
    reviews: ReviewFigures
    completeness: str

    @property
    def first_agents(self) -> Sequence[AgentRow]:
        """The worst, or all of a team that can be taken in at a glance."""
        return self.agents if len(self.agents) <= AT_A_GLANCE else self.agents[:FIRST_AGENTS]

    @property
    def other_agents(self) -> Sequence[AgentRow]:
        """Those that a large team's page shows when it is asked to."""
        return self.agents[len(self.first_agents) :]

    @property
    def known(self) -> int:
        """How many agents there are."""
        return len(self.agents) + self.more_agents


def page(*, now: datetime, period: Period = Period.DAY) -> Page:
    """The whole page as of `now`, in a number of queries that no number of rows changes."""
    found = figures(now=now, window=period.span)
    before = _before(found)
    pauses = queries.pauses(now=now)
    agents = agent_rows(pauses, found)
    needs = needs_of([Silent(r.agent, r.work[0]) for r in agents if _is_silent(r)], now=now)
    working = sum(row.working for row in agents)
    retrying = queries.waiting_counts().get(DispatchStatus.RETRYING.value, 0)
    errors = Share(found.all_work.failed, found.all_work.finished)
    retries = Share(found.retries.completed, found.retries.ended)
    incidents = page_rows.recent_incidents(since=now - period.span)
    return Page(
        period=period,
        headline=_headline(needs, working=working, retrying=retrying, known=len(agents)),
        everybody=pauses.get(None),
        needs=needs,
        working=working,
        agents=agents[:AGENTS_SHOWN],
        more_agents=len(agents[AGENTS_SHOWN:]),
        availability=Availability(found.team_uptime),
        availability_change=uptime_change(found.team_uptime, before.uptime),
        errors=errors,
        errors_change=change(errors, before.errors, good_when_up=False),
        retries=retries,
        retries_change=change(retries, before.retries, good_when_up=True),
        retries_under_way=found.retries.under_way,
        incidents=[row_of(row, now=now) for row in incidents],
        last_incident=None if incidents else page_rows.last_incident(),
        course=found.course,
        promises=promises(found.targets, period),
        system=health.readiness(now=now),
        watching=health.watching(now=now),
        reviews=found.reviews,
        completeness=found.reviews.completeness(now=now),
    )


@dataclass(frozen=True)
class _Before:
    """The figures of the stretch before, as far as they are compared."""

    uptime: Seconds
    errors: Share
    retries: Share


def _before(found: Figures) -> _Before:
    then, window = found.now - found.window, found.window
    parts = cut(since=then - window, until=then)
    uptime = uptime_by_agent(found.team, now=then, window=window, parts=parts)
    work = sum(work_by_agent(now=then, window=window, parts=parts).values(), Work())
    retried = retry_success(now=then, window=window, parts=parts)
    return _Before(
        uptime=sum(uptime.values(), Seconds()),
        errors=Share(work.failed, work.finished),
        retries=Share(retried.completed, retried.ended),
    )


def _is_silent(row: AgentRow) -> bool:
    return row.mark is marks.SILENT and bool(row.work)


def _headline(needs: Needs, *, working: int, retrying: int, known: int) -> str:
    if needs.total:
        noun = "incident" if needs.incidents == needs.total else "thing"
        verb = "needs" if needs.total == 1 else "need"
        return f"{needs.total} {noun}{'' if needs.total == 1 else 's'} {verb} you."
    if not known:
        return "Nothing needs you. No agent has come yet."
    work = f"{working or 'No'} {'agents are' if working > 1 else 'agent is'} working"
    if not retrying:
        return f"Nothing needs you. {work}."
    waits = "1 retry waits its time" if retrying == 1 else f"{retrying} retries wait their time"
    return f"Nothing needs you. {work}, {waits}."
