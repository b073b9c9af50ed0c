"""Reading the failure log.

Groups that are held for one mistake have one root, and what is shown is the root's: its status,
the sum of its members' failures, the first and last of their times, its own guidance or else a
member's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import (
    CharField,
    DateTimeField,
    F,
    Field,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce

from agents.errors import NotFoundError
from agents.models import Dispatch
from failures.models import Failure, FailureGroup, GroupAlias, Incident
from failures.states import GroupStatus

ROOT_OF_FAILURE = Coalesce(F("group__merged_into"), F("group"))
"""In a query of failures: the id of a failure's root."""
ROOT_OF_GROUP = Coalesce(F("merged_into"), F("id"))
"""In a query of groups: the id of a group's root."""
STATUS_OF_FAILURE = Coalesce(F("group__merged_into__status"), F("group__status"))
"""In a query of failures: the status of a failure's root."""
ROOT_SQL = "coalesce(g.merged_into_id, g.id)"
"""In SQL with `failures_failuregroup g`: the id of that group's root."""


def failures() -> QuerySet[Failure]:
    """Failures with what their representation needs, the newest first."""
    root: dict[str, Any] = {"root_pk": ROOT_OF_FAILURE}
    told: dict[str, Any] = {
        "occurrences": _of_members("root_pk", Sum("count"), IntegerField()),
        "known_fix": _known_fix("root_pk"),
    }
    found = Failure.objects.select_related("agent", "group")
    return found.annotate(**root).annotate(**told).order_by("-id")


def failure_by_id(pk: int) -> Failure:
    """That failure; raises NotFoundError."""
    failure = failures().filter(pk=pk).first()
    if failure is None:
        raise NotFoundError(f"There is no failure {pk}.")
    return failure


def groups() -> QuerySet[FailureGroup]:
    """Roots with what they stand at, the most recently seen first."""
    told: dict[str, Any] = {
        "total": _of_members("pk", Sum("count"), IntegerField()),
        "seen_first": _of_members("pk", Min("first_seen_at"), DateTimeField()),
        "seen_last": _of_members("pk", Max("last_seen_at"), DateTimeField()),
        "known_fix": _known_fix("pk"),
        "fix_of": Subquery(_guided("pk").values("id")[:1]),
    }
    roots = FailureGroup.objects.filter(merged_into__isnull=True)
    return roots.annotate(**told).order_by(F("seen_last").desc(), "-id")


def group_by_id(pk: int) -> FailureGroup:
    """The root of that group, as `groups` has it; raises NotFoundError."""
    roots = FailureGroup.objects.filter(pk=pk).values(root=ROOT_OF_GROUP)
    group = groups().filter(pk=Subquery(roots)).first()
    if group is None:
        raise NotFoundError(f"There is no failure group {pk}.")
    return group


def root_of(group: FailureGroup) -> FailureGroup:
    """The group that stands for `group` now: its root, or itself."""
    return FailureGroup.objects.get(
        pk=Subquery(FailureGroup.objects.filter(pk=group.pk).values(root=ROOT_OF_GROUP))
    )


def member_ids(group: FailureGroup | int) -> list[int]:
    """All groups, by id, that are one with `group` now: its root, and all that have that root."""
    pk = group if isinstance(group, int) else group.pk
    return member_ids_of([pk])[pk]


def member_ids_of(pks: Iterable[int]) -> dict[int, list[int]]:
    """`member_ids` of many groups in one query; an unknown id is alone."""
    roots = _roots(pks)
    members: dict[int, list[int]] = {}
    found = _held_for(roots.values()).order_by("id").values_list("id", "merged_into")
    for pk, root in found:
        members.setdefault(root or pk, []).append(pk)
    return {pk: members.get(root, [pk]) for pk, root in roots.items()}


@dataclass(frozen=True)
class Total:
    """What a group's root stands at."""

    root: int
    fingerprint: str
    count: int
    status: GroupStatus
    guidance: str
    guidance_of: int
    """The group that the guidance is written on."""
    first_seen_at: datetime
    last_seen_at: datetime


def totals(pks: Iterable[int]) -> dict[int, Total]:
    """What the root of each of these groups stands at, by the group's own id, in two queries."""
    roots = _roots(pks)
    found = {group.pk: _total(group) for group in groups().filter(pk__in=set(roots.values()))}
    return {pk: found[root] for pk, root in roots.items() if root in found}


def aliases_of(root: FailureGroup) -> list[GroupAlias]:
    """The standing aliases of `root` with their groups: who its members are, and why; by age."""
    standing = GroupAlias.objects.filter(root=root, undone_at__isnull=True)
    return list(standing.select_related("group").order_by("group_id"))


def counts_by_agent(group: FailureGroup) -> dict[str, int]:
    """How many failures of `group`'s root are whose, by the agent's name, the most first."""
    found = Failure.objects.filter(group__in=member_ids(group)).order_by()
    counted: Mapping[str, int] = dict(
        found.values("agent__name").annotate(n=Sum(Value(1))).values_list("agent__name", "n")
    )
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _total(group: FailureGroup) -> Total:
    return Total(
        root=group.pk,
        fingerprint=group.fingerprint,
        count=group.total,
        status=GroupStatus(group.status),
        guidance=group.known_fix,
        guidance_of=group.fix_of or group.pk,
        first_seen_at=group.seen_first,
        last_seen_at=group.seen_last,
    )


def _roots(pks: Iterable[int]) -> dict[int, int]:
    wanted = list(pks)
    found = FailureGroup.objects.filter(pk__in=wanted, merged_into__isnull=False)
    roots = dict(found.order_by().values_list("id", "merged_into"))
    return {pk: roots.get(pk) or pk for pk in wanted}


def _held_for(roots: Iterable[int]) -> QuerySet[FailureGroup]:
    wanted = set(roots)
    return FailureGroup.objects.filter(Q(pk__in=wanted) | Q(merged_into__in=wanted))


def _of_members(root: str, what: Sum | Min | Max, kind: Field[Any, Any]) -> Subquery:
    """An aggregate over the root that the outer query's column `root` names, and its members."""
    held = Q(pk=OuterRef(root)) | Q(merged_into=OuterRef(root))
    found = FailureGroup.objects.filter(held).order_by().values(root=ROOT_OF_GROUP)
    return Subquery(found.annotate(found=what).values("found"), output_field=kind)


def _known_fix(root: str) -> Coalesce:
    return Coalesce(
        Subquery(_guided(root).values("guidance")[:1]), Value(""), output_field=CharField()
    )


def _guided(root: str) -> QuerySet[FailureGroup]:
    """The groups of a root with guidance: the root itself first, then its members by age."""
    held = Q(pk=OuterRef(root)) | Q(merged_into=OuterRef(root))
    found = FailureGroup.objects.filter(held).exclude(guidance="")
    return found.order_by(F("merged_into").asc(nulls_first=True), "id")


def last_failures_of(dispatch: Dispatch, *, limit: int = 3) -> list[Failure]:
    """What went wrong on this dispatch, the newest first."""
    return list(failures().filter(attempt__dispatch=dispatch)[:limit])


_LAST_OF_EACH = """
SELECT f.id FROM unnest(%s::bigint[]) AS d (id)
CROSS JOIN LATERAL (
    SELECT f.id FROM agents_attempt t JOIN failures_failure f ON f.attempt_id = t.id
    WHERE t.dispatch_id = d.id ORDER BY f.id DESC LIMIT %s) AS f
"""


def last_failures_of_each(dispatches: Collection[int], *, limit: int) -> list[Failure]:
    """The last `limit` failures of each of these dispatches, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST_OF_EACH, [list(dispatches), limit])
        ids = [pk for (pk,) in cursor.fetchall()]
    return list(failures().select_related("attempt").filter(id__in=ids))


def incidents() -> QuerySet[Incident]:
    """Incidents with what their representation needs, the newest first."""
    return Incident.objects.select_related("agent").order_by("-id")


def incident_by_id(pk: int) -> Incident:
    """That incident with its timeline; raises NotFoundError."""
    incident = incidents().prefetch_related("events").filter(pk=pk).first()
    if incident is None:
        raise NotFoundError(f"There is no incident {pk}.")
    return incident
