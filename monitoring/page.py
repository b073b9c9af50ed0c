"""What the page says: figures turned into sentences, rows and states. No HTML here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agents.models import Agent, Attempt, Dispatch, Pause
from agents.states import AgentStatus, AttemptOutcome, DispatchStatus, Strategy
from monitoring import health, queries
from monitoring.marks import (
    _WORST_FIRST,
    AWAY,
    DISPATCH_MARKS,
    IDLE,
    NEVER,
    OFFLINE,
    OUTCOME_MARKS,
    PAUSED,
    SILENT,
    STRATEGIES,
    WORKING,
    Mark,
)
from monitoring.needs import AgentRow, Need, needs_of
from monitoring.queries_reviews import ReviewFigures, review_figures

FEW = 20
"""Under this many events a share says nothing; only the counts are shown."""
TRIES_SHOWN = 6
REVIEWS_OVER = timedelta(days=30)

RATE_TITLE = (
    "Failed attempts ÷ finished attempts of the last 24 hours. "
    "Running, cancelled and lost attempts are left out."
)
RETRY_TITLE = (
    "Of dispatches that failed for the first time in the last 24 hours and were tried again: "
    "how many of those that ended were completed."
)


@dataclass(frozen=True)
class Share:
    """A share with its counts; without a percentage when there is too little to tell."""

    part: int
    whole: int

    @property
    def percent(self) -> str:
        """Such as "3.5 %"; empty under FEW events."""
        return f"{100 * self.part / self.whole:.1f} %" if self.whole >= FEW else ""


@dataclass(frozen=True)
class Try:
    """One attempt in a dispatch's row."""

    number: int
    agent: str
    strategy: str
    mark: Mark
    why: str
    detail: str


@dataclass(frozen=True)
class DispatchRow:
    """A dispatch, its tries side by side."""

    dispatch: Dispatch
    mark: Mark
    tries: Sequence[Try]
    earlier: int


@dataclass(frozen=True)
class Page:
    """All that the page shows."""

    headline: str
    everybody: Pause | None
    """The kill switch, when it is on."""
    needs: Sequence[Need]
    more_needs: int
    working: int
    agents: Sequence[AgentRow]
    waiting: int
    retrying: int
    dispatches_done: int
    errors: Share
    retries: Share
    retries_under_way: int
    dispatches: Sequence[DispatchRow]
    repeats: Sequence[queries.Repeat]
    system: health.Readiness
    watching: health.Watching
    reviews: ReviewFigures
    completeness: str
    titles: dict[str, str] = field(
        default_factory=lambda: {"rate": RATE_TITLE, "retries": RETRY_TITLE}
    )


def page(*, now: datetime, window: timedelta = queries.DAY) -> Page:
    """The whole page as of `now`, in a number of queries that no number of rows changes."""
    pauses = queries.pauses(now=now)
    agents = agent_rows(pauses, now=now, window=window)
    waiting = queries.waiting_counts()
    figures = queries.attempt_figures(now=now, window=window)
    retried = queries.retry_success(now=now, window=window)
    reviews = review_figures(now=now, window=REVIEWS_OVER)
    needs, total = needs_of([row for row in agents if row.mark is SILENT], now=now)
    working = sum(row.working for row in agents)
    retrying = waiting.get(DispatchStatus.RETRYING.value, 0)
    return Page(
        headline=_headline(total, working=working, retrying=retrying, known=len(agents)),
        everybody=pauses.get(None),
        needs=needs,
        more_needs=total - len(needs),
        working=working,
        agents=agents,
        waiting=waiting.get(DispatchStatus.PENDING.value, 0),
        retrying=retrying,
        dispatches_done=figures.dispatches_done,
        errors=Share(figures.failed, figures.finished),
        retries=Share(retried.completed, retried.ended),
        retries_under_way=retried.under_way,
        dispatches=[_dispatch_row(row) for row in queries.recent_dispatches()],
        repeats=queries.repeats(now=now),
        system=health.readiness(now=now),
        watching=health.watching(now=now),
        reviews=reviews,
        completeness=reviews.completeness(now=now),
    )


def agent_rows(
    pauses: Mapping[int | None, Pause], *, now: datetime, window: timedelta
) -> list[AgentRow]:
    """Every agent, worst first: silent with work, then many failures, then by name."""
    held = queries.work_in_hand()
    failed = queries.failures_by_agent(now=now, window=window)
    rows = []
    for agent in queries.agents():
        mark = mark_of(agent, holds_work=agent.pk in held, now=now)
        resting = [pauses[pk] for pk in (agent.pk, None) if pk in pauses]
        rows.append(
            AgentRow(
                agent=agent,
                mark=PAUSED if resting else mark,
                work=held.get(agent.pk, []),
                failures=failed.get(agent.pk, 0),
                working=mark is WORKING,
                pause=max(resting, key=lambda pause: pause.until, default=None),
            )
        )
    return sorted(rows, key=lambda r: (_WORST_FIRST.index(r.mark), -r.failures, r.agent.name))


def mark_of(agent: Agent, *, holds_work: bool, now: datetime) -> Mark:
    """How an agent stands: proven alive or not, with work or without."""
    online = agent.is_online(now=now)
    if holds_work:
        return WORKING if online else SILENT
    if agent.last_seen_at is None:
        return NEVER
    if agent.status == AgentStatus.OFFLINE:
        return OFFLINE
    return IDLE if online else AWAY


def _headline(total: int, *, working: int, retrying: int, known: int) -> str:
    if total:
        return "1 thing needs you." if total == 1 else f"{total} things need you."
    if not known:
        return "Nothing needs you. No agent has come yet."
    work = f"{working or 'No'} {'agents are' if working > 1 else 'agent is'} working"
    if not retrying:
        return f"Nothing needs you. {work}."
    waits = "1 retry waits its time" if retrying == 1 else f"{retrying} retries wait their time"
    return f"Nothing needs you. {work}, {waits}."


def _dispatch_row(dispatch: Dispatch) -> DispatchRow:
    tries = [_try(attempt) for attempt in dispatch.attempts.all()]
    shown = tries[-TRIES_SHOWN:]
    return DispatchRow(
        dispatch=dispatch,
        mark=DISPATCH_MARKS[DispatchStatus(dispatch.status)],
        tries=shown,
        earlier=len(tries) - len(shown),
    )


def _try(attempt: Attempt) -> Try:
    failure = next(iter(attempt.failures.all()), None)
    why = str(failure.group) if failure else attempt.reason
    return Try(
        number=attempt.number,
        agent=attempt.agent.name,
        strategy=STRATEGIES[Strategy(attempt.strategy)],
        mark=OUTCOME_MARKS[AttemptOutcome(attempt.outcome)],
        why=why,
        detail=attempt.reason,
    )
