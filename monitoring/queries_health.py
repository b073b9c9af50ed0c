"""All figures of one period together: what the API, the metrics and the page say alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Count, Max

from agents.models import Agent
from learnings.models import Learning
from monitoring import queries
from monitoring.policy_uptime import Seconds
from monitoring.queries_incidents import Course, Interventions, course, interventions
from monitoring.queries_reviews import ReviewFigures, review_figures
from monitoring.queries_rollbacks import RollbackFigures, rollback_figures
from monitoring.queries_rolled import Cut, cut, sums_by_agent
from monitoring.queries_uptime import Lately, lately, uptime_by_agent
from monitoring.queries_work import RetrySuccess, Work, retry_success, work_by_agent
from monitoring.targets import Facts, Target, targets

PERIODS: Mapping[str, timedelta] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
DEFAULT_PERIOD = "24h"


@dataclass(frozen=True)
class SameMistake:
    """How often agents that had been told made the mistake again, at most."""

    most: int | None
    """None when no learning is in force."""
    learnings: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of (now − window, now]."""

    now: datetime
    window: timedelta
    team: Sequence[Agent]
    uptime: Mapping[int, Seconds]
    """Of each of the team, by its id."""
    work: Mapping[int, Work]
    """Of each agent that finished an attempt, retired ones too, by its id."""
    retries: RetrySuccess
    course: Course
    interventions: Interventions
    rollbacks: RollbackFigures
    reviews: ReviewFigures
    same_mistake: SameMistake
    parts: Cut
    """The window in parts, and what is known of its end: for strips."""
    end: Lately | None

    @cached_property
    def team_uptime(self) -> Seconds:
        """The sum of its agents' seconds."""
        return sum(self.uptime.values(), Seconds())

    @cached_property
    def all_work(self) -> Work:
        """Everybody's."""
        return sum(self.work.values(), Work())

    @property
    def targets(self) -> list[Target]:
        """The promises, value against target."""
        return targets(
            Facts(
                retries_completed=self.retries.completed,
                retries_ended=self.retries.ended,
                rolled_back=self.rollbacks.rolled_back,
                rollback_p95=_seconds(self.rollbacks.p95),
                escalated=self.course.escalated,
                escalation_p95=_seconds(self.course.escalation_p95),
                reviews_triggered=self.reviews.triggered,
                reviews_eligible=self.reviews.eligible,
                interventions=self.interventions.total,
                days=self.interventions.days,
                repeats=self.same_mistake.most,
                learnings=self.same_mistake.learnings,
            )
        )


def figures(*, now: datetime, window: timedelta) -> Figures:
    """All figures of the period, in a number of statements that no number of rows changes."""
    parts = cut(since=now - window, until=now)
    sums = sums_by_agent(parts)
    team = queries.team()
    end = lately(team, parts)
    return Figures(
        now=now,
        window=window,
        team=team,
        uptime=uptime_by_agent(team, now=now, window=window, parts=parts, sums=sums, end=end),
        work=work_by_agent(now=now, window=window, parts=parts, sums=sums),
        retries=retry_success(now=now, window=window, parts=parts),
        course=course(now=now, window=window),
        interventions=interventions(now=now, window=window),
        rollbacks=rollback_figures(now=now, window=window),
        reviews=review_figures(now=now, window=window),
        same_mistake=same_mistake(),
        parts=parts,
        end=end,
    )


def same_mistake() -> SameMistake:
    """The most repeats of any learning in force, counted from its last revision on."""
    found: dict[str, Any] = (
        Learning.objects.all().told().aggregate(most=Max("exposed_repeats"), count=Count("id"))
    )
    return SameMistake(found["most"], found["count"])


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
