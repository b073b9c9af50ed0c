"""Reading the failure log."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection
from django.db.models import QuerySet

from agents.errors import NotFoundError
from agents.models import Dispatch
from failures.models import Failure, FailureGroup, Incident


def failures() -> QuerySet[Failure]:
    """Failures with what their representation needs, the newest first."""
    return Failure.objects.select_related("agent", "group").order_by("-id")


def failure_by_id(pk: int) -> Failure:
    """That failure; raises NotFoundError."""
    failure = failures().filter(pk=pk).first()
    if failure is None:
        raise NotFoundError(f"There is no failure {pk}.")
    return failure


def groups() -> QuerySet[FailureGroup]:
    """Groups, the most recently seen first."""
    return FailureGroup.objects.order_by("-last_seen_at", "-id")


def group_by_id(pk: int) -> FailureGroup:
    """That group; raises NotFoundError."""
    group = FailureGroup.objects.filter(pk=pk).first()
    if group is None:
        raise NotFoundError(f"There is no failure group {pk}.")
    return group


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
