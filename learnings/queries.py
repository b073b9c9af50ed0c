"""Reading patterns and learnings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Greatest

from agents.errors import NotFoundError
from agents.models.fields import one_of
from failures.models import Failure, FailureGroup
from failures.queries import ROOT_OF_FAILURE, ROOT_OF_GROUP, STATUS_OF_FAILURE
from failures.states import ErrorType, GroupStatus, ResolutionOutcome
from learnings.models import AnalysisRun, Learning, LearningQuerySet
from learnings.policy.drafts import WINDOW, Facts
from learnings.policy.lasting import MOST_HARMFUL
from learnings.states import LIVE, TOLD, LearningStatus, Trigger

_ROOT_OF_LEARNING = Coalesce(F("group__merged_into"), F("group"))


@dataclass(frozen=True)
class Pattern:
    """A group that failed often enough lately, with all that are held for it."""

    group: FailureGroup
    """The root."""
    count: int
    """Its failures within the window."""
    agents: list[str]
    learning_id: int | None = None


@dataclass(frozen=True)
class FamilyPattern:
    """A tool's code or an exception's class that failed often enough in groups that did not."""

    family: str
    error_type: ErrorType
    tool_code: str
    error_class: str
    learning_id: int | None = None


def patterns(*, threshold: int, now: datetime) -> list[Pattern]:
    """Groups at the threshold in the last seven days, the most frequent first."""
    return _patterns(_recent(now), threshold=threshold)


def count_patterns(*, threshold: int, now: datetime) -> int:
    """How many `patterns` there are."""
    return _frequent(_recent(now), ROOT_OF_FAILURE, threshold=threshold).count()


def patterns_without_learning(
    *, threshold: int, seen_since: datetime, now: datetime
) -> list[FailureGroup]:
    """Of roots seen since `seen_since` those at the threshold that nobody wrote about.

    The most frequent first.

    After a retirement only newer failures count; a rejection holds until its review date.
    """
    # Groups first, by the index of when they were last seen: mostly there are none.
    fresh = FailureGroup.objects.filter(last_seen_at__gte=seen_since)
    roots = set(fresh.order_by().values_list(ROOT_OF_GROUP, flat=True))
    if not roots:
        return []
    written = set(
        Learning.objects.filter(Q(group__in=roots) | Q(group__merged_into__in=roots))
        .filter(_holds(now))
        .values_list(_ROOT_OF_LEARNING, flat=True)
    )
    unwritten = roots - written
    if not unwritten:
        return []
    counted = _held_for(unwritten).values(stands=ROOT_OF_GROUP).annotate(n=Sum("count"))
    unwritten = set(counted.filter(n__gte=threshold).values_list("stands", flat=True))
    if not unwritten:
        return []
    members = list(_held_for(unwritten).values_list("id", flat=True))
    found = _recent(now).filter(group__in=members)
    ended = Learning.objects.filter(group__in=members, retired_at__gte=now - WINDOW)
    newer = _newer_than(found, ended, of="root", by=_ROOT_OF_LEARNING)
    ids = _roots_at(newer, threshold=threshold)
    rows = FailureGroup.objects.in_bulk(ids)
    return [rows[pk] for pk in ids]


def family_patterns(*, threshold: int, now: datetime) -> list[FamilyPattern]:
    """Families at the threshold in the last seven days, the most frequent first.

    None of which a group is a pattern itself or has a learning. After a retirement only newer
    failures count; a rejection holds until its review date.
    """
    recent = _recent(now).exclude(group__family="")
    ended = Learning.objects.filter(retired_at__gte=now - WINDOW).exclude(family="")
    newer = _newer_than(recent, ended, of="group__family", by=F("family"))
    frequent = _frequent(newer, F("group__family"), threshold=threshold)
    found = list(frequent.values_list("about", flat=True))
    families = set(found)
    if not families:
        return []
    families -= _families_covered(families, recent, threshold=threshold, now=now)
    faces = {group.family: group for group in FailureGroup.objects.filter(family__in=families)}
    live = Learning.objects.live().filter(family__in=families)
    learnings = dict(live.values_list("family", "id"))
    return [
        FamilyPattern(
            family=face.family,
            error_type=ErrorType(face.error_type),
            tool_code=face.tool_code,
            error_class=face.error_class,
            learning_id=learnings.get(face.family),
        )
        for family in found
        if (face := faces.get(family)) is not None
    ]


def _held_for(roots: Collection[int]) -> QuerySet[FailureGroup]:
    held = FailureGroup.objects.filter(Q(pk__in=roots) | Q(merged_into__in=roots))
    return held.order_by()


def _families_covered(
    families: Collection[str], recent: QuerySet[Failure], *, threshold: int, now: datetime
) -> set[str]:
    """Those of which a group is a pattern, or was written about; and rejected ones."""
    own = _roots_at(recent.filter(group__family__in=families), threshold=threshold)
    roots = Learning.objects.filter(_holds(now), group__isnull=False).values(root=_ROOT_OF_LEARNING)
    groups = FailureGroup.objects.filter(family__in=families)
    own_or_roots = Q(pk__in=roots) | Q(merged_into__in=roots)
    rejected = Learning.objects.filter(
        family__in=families, status=LearningStatus.REJECTED.value, review_at__gt=now
    )
    return {
        *FailureGroup.objects.filter(pk__in=own).values_list("family", flat=True),
        *groups.filter(own_or_roots).order_by().values_list("family", flat=True),
        *rejected.values_list("family", flat=True),
    }


def _holds(now: datetime) -> Q:
    """Of a learning: that nobody has to write another one."""
    rejected = Q(status=LearningStatus.REJECTED.value, review_at__gt=now)
    return one_of("status", LIVE) | rejected


def _newer_than(
    found: QuerySet[Failure], ended: QuerySet[Learning], *, of: str, by: F | Coalesce
) -> QuerySet[Failure]:
    """Without failures from before a retirement: `of` names in a failure what `by` is in `ended`.

    Asked first, since a subquery for each failure would look at all learnings each time.
    """
    last = ended.order_by().values(about=by).annotate(at=Max("retired_at"))
    older = Q(pk__in=[])
    for about, at in last.values_list("about", "at"):
        older |= Q(**{of: about, "created_at__lte": at})
    return found.annotate(root=ROOT_OF_FAILURE).exclude(older)


def _recent(now: datetime) -> QuerySet[Failure]:
    found = Failure.objects.filter(created_at__gte=now - WINDOW)
    return found.annotate(stands=STATUS_OF_FAILURE).exclude(stands=GroupStatus.IGNORED.value)


def _frequent(
    found: QuerySet[Failure], about: F | Coalesce, *, threshold: int
) -> QuerySet[Any, Any]:
    """What enough of these failures are `about`, the most frequent first."""
    counted = found.order_by().values(about=about).annotate(n=Count("id"))
    return counted.filter(n__gte=threshold).order_by("-n", "about")


def _roots_at(found: QuerySet[Failure], *, threshold: int) -> list[int]:
    rows = _frequent(found, ROOT_OF_FAILURE, threshold=threshold)
    return list(rows.values_list("about", flat=True))


def _patterns(found: QuerySet[Failure], *, threshold: int) -> list[Pattern]:
    rows: list[Any] = list(
        found.order_by()
        .values(root_id=ROOT_OF_FAILURE)
        .annotate(n=Count("id"), names=ArrayAgg("agent__name", distinct=True))
        .filter(n__gte=threshold)
        .order_by("-n", "root_id")
    )
    ids = [row["root_id"] for row in rows]
    groups = FailureGroup.objects.in_bulk(ids) if ids else {}
    learnings = _learnings_of(ids)
    return [
        Pattern(
            groups[row["root_id"]],
            row["n"],
            sorted(row["names"]),
            learnings.get(row["root_id"]),
        )
        for row in rows
    ]


def _learnings_of(roots: list[int]) -> dict[int, int]:
    """The live learnings of these roots; where members have some, too, the root's own."""
    if not roots:
        return {}
    live = Learning.objects.live().annotate(root=_ROOT_OF_LEARNING)
    about = live.filter(Q(group__in=roots) | Q(group__merged_into__in=roots))
    return dict(
        about.order_by(F("group__merged_into").desc(nulls_last=True), "-id").values_list(
            "root", "id"
        )
    )


def facts_of(group: FailureGroup, *, fix_known: bool = False) -> Facts:
    """What a draft needs to know of a group."""
    return Facts(
        error_type=ErrorType(group.error_type),
        template=group.template,
        tool_code=group.tool_code,
        error_class=group.error_class,
        fix_known=fix_known,
    )


def with_known_fix(roots: Collection[int]) -> set[int]:
    """Those of these roots of which a failure has a note of what helped, in one statement."""
    helped = Failure.objects.filter(group=OuterRef("pk"), resolution__regex=r"\S").exclude(
        outcome=ResolutionOutcome.NONE.value
    )
    return set(_held_for(roots).filter(Exists(helped)).values_list(ROOT_OF_GROUP, flat=True))


def learnings() -> LearningQuerySet:
    """All learnings, the newest first."""
    return Learning.objects.prefetch_related("measurements").order_by("-id")


def learning_by_id(pk: int) -> Learning:
    """That learning; raises NotFoundError."""
    learning = learnings().filter(pk=pk).first()
    if learning is None:
        raise NotFoundError(f"There is no learning {pk}.")
    return learning


def last_weekly_run() -> AnalysisRun | None:
    """The newest weekly run."""
    return AnalysisRun.objects.filter(trigger=Trigger.WEEKLY.value).order_by("-iso_week").first()


def anything_due(*, now: datetime) -> bool:
    """Whether a learning waits to be announced, asked about, or retired for harm."""
    told = one_of("status", TOLD)
    due = Q(status=LearningStatus.ACTIVE.value, announced_at__isnull=True)
    due |= told & Q(review_asked_at__isnull=True, review_at__lte=now)
    due |= told & Q(harmful_count__gt=Greatest(F("helpful_count"), Value(MOST_HARMFUL)))
    return Learning.objects.filter(due).exists()
