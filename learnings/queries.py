"""Reading patterns and learnings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery

from agents.errors import NotFoundError
from failures.models import Failure, FailureGroup
from failures.states import ErrorType, GroupStatus, ResolutionOutcome
from learnings.models import AnalysisRun, Learning, LearningQuerySet
from learnings.policy.drafts import WINDOW, Facts, PastResolution
from learnings.states import LearningStatus, Trigger

MOST_RESOLUTIONS = 50


@dataclass(frozen=True)
class Pattern:
    """A group that failed often enough lately."""

    group: FailureGroup
    count: int
    """Its failures within the window."""
    agents: list[str]
    learning_id: int | None = None


def patterns(*, threshold: int, now: datetime) -> list[Pattern]:
    """Groups at the threshold in the last seven days, the most frequent first."""
    return _patterns(_recent(now), threshold=threshold)


def patterns_without_learning(
    *, threshold: int, seen_since: datetime, now: datetime
) -> list[Pattern]:
    """Of groups seen since `seen_since` those at the threshold that nobody wrote about.

    After a retirement only newer failures count; a rejection holds until its review date.
    """
    # Groups first, by the index of when they were last seen: mostly there are none.
    mine = Learning.objects.filter(group=OuterRef("pk"))
    rejected = mine.filter(status=LearningStatus.REJECTED.value, review_at__gt=now)
    unwritten = list(
        FailureGroup.objects.filter(last_seen_at__gte=seen_since, count__gte=threshold)
        .exclude(Exists(mine.live()))
        .exclude(Exists(rejected))
        .order_by()
        .values_list("id", flat=True)
    )
    if not unwritten:
        return []
    retired = Learning.objects.filter(group=OuterRef("group"), retired_at__isnull=False)
    found = (
        _recent(now)
        .filter(group__in=unwritten)
        .annotate(retired=Subquery(retired.order_by("-retired_at").values("retired_at")[:1]))
        .filter(Q(retired__isnull=True) | Q(created_at__gt=F("retired")))
    )
    return _patterns(found, threshold=threshold)


def _recent(now: datetime) -> QuerySet[Failure]:
    return Failure.objects.filter(created_at__gte=now - WINDOW).exclude(
        group__status=GroupStatus.IGNORED.value
    )


def _patterns(found: QuerySet[Failure], *, threshold: int) -> list[Pattern]:
    rows: list[Any] = list(
        found.order_by()
        .values("group_id")
        .annotate(n=Count("id"), names=ArrayAgg("agent__name", distinct=True))
        .filter(n__gte=threshold)
        .order_by("-n", "group_id")
    )
    ids = [row["group_id"] for row in rows]
    groups = FailureGroup.objects.in_bulk(ids) if ids else {}
    written = Learning.objects.live().filter(group__in=ids).values_list("group_id", "id")
    learnings = dict(written) if ids else {}
    return [
        Pattern(
            groups[row["group_id"]],
            row["n"],
            sorted(row["names"]),
            learnings.get(row["group_id"]),
        )
        for row in rows
    ]


def facts_of(group: FailureGroup, *, resolution: str = "") -> Facts:
    """What a draft needs to know of a group."""
    return Facts(
        error_type=ErrorType(group.error_type),
        template=group.template,
        tool_code=group.tool_code,
        error_class=group.error_class,
        resolution=resolution,
    )


def past_resolutions(group: FailureGroup) -> list[PastResolution]:
    """How failures of this group were dealt with: all kinds of outcome, the newest of each."""
    found: list[PastResolution] = []
    for outcome in (ResolutionOutcome.FIXED, ResolutionOutcome.WORKAROUND):
        rows = Failure.objects.filter(group=group, outcome=outcome.value).exclude(resolution="")
        newest = rows.order_by("-id").values_list("resolution", "created_at")[:MOST_RESOLUTIONS]
        found += [PastResolution(text, outcome, at) for text, at in newest]
    return found


def learnings() -> LearningQuerySet:
    """All learnings, the newest first."""
    return Learning.objects.all().order_by("-id")


def learning_by_id(pk: int) -> Learning:
    """That learning; raises NotFoundError."""
    learning = Learning.objects.filter(pk=pk).first()
    if learning is None:
        raise NotFoundError(f"There is no learning {pk}.")
    return learning


def last_weekly_run() -> AnalysisRun | None:
    """The newest weekly run."""
    return AnalysisRun.objects.filter(trigger=Trigger.WEEKLY.value).order_by("-iso_week").first()
