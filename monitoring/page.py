"""What the page says: figures turned into sentences, rows and states. No HTML here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.models import Pause
from agents.states import DispatchStatus
from failures.models import Incident
from monitoring import health, marks, page_rows, queries
from monitoring.needs import Needs, Silent, needs_of
from monitoring.page_agents import AGENTS_SHOWN, AgentRow, agent_rows
from monitoring.page_incidents import IncidentRow, row_of
from monitoring.page_words import Change, Period, Share, change
from monitoring.queries_reviews import ReviewFigures, review_figures

REVIEWS_OVER = timedelta(days=30)


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
    waiting: int
    retrying: int
    dispatches_done: int
    errors: Share
    errors_change: Change | None
    retries: Share
    retries_change: Change | None
    retries_under_way: int
    incidents: Sequence[IncidentRow]
    last_incident: Incident | None
    """The newest of all, when none is shown."""
    system: health.Readiness
    watching: health.Watching
    reviews: ReviewFigures
    completeness: str

    @property
    def known(self) -> int:
        """How many agents there are."""
        return len(self.agents) + self.more_agents


def page(*, now: datetime, period: Period = Period.DAY) -> Page:
    """The whole page as of `now`, in a number of queries that no number of rows changes."""
    window = period.span
    pauses = queries.pauses(now=now)
    agents = agent_rows(pauses, now=now, window=window)
    waiting = queries.waiting_counts()
    needs = needs_of([Silent(r.agent, r.work[0]) for r in agents if _is_silent(r)], now=now)
    working = sum(row.working for row in agents)
    retrying = waiting.get(DispatchStatus.RETRYING.value, 0)
    figures = queries.attempt_figures(now=now, window=window)
    earlier = queries.attempt_figures(now=now - window, window=window)
    retried = queries.retry_success(now=now, window=window)
    retried_earlier = queries.retry_success(now=now - window, window=window)
    errors = Share(figures.failed, figures.finished)
    retries = Share(retried.completed, retried.ended)
    reviews = review_figures(now=now, window=REVIEWS_OVER)
    incidents = [row_of(row, now=now) for row in page_rows.recent_incidents(since=now - window)]
    return Page(
        period=period,
        headline=_headline(needs, working=working, retrying=retrying, known=len(agents)),
        everybody=pauses.get(None),
        needs=needs,
        working=working,
        agents=agents[:AGENTS_SHOWN],
        more_agents=len(agents[AGENTS_SHOWN:]),
        waiting=waiting.get(DispatchStatus.PENDING.value, 0),
        retrying=retrying,
        dispatches_done=figures.dispatches_done,
        errors=errors,
        errors_change=change(errors, Share(earlier.failed, earlier.finished), good_when_up=False),
        retries=retries,
        retries_change=change(
            retries, Share(retried_earlier.completed, retried_earlier.ended), good_when_up=True
        ),
        retries_under_way=retried.under_way,
        incidents=incidents,
        last_incident=None if incidents else page_rows.last_incident(),
        system=health.readiness(now=now),
        watching=health.watching(now=now),
        reviews=reviews,
        completeness=reviews.completeness(now=now),
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
