"""Reading the failure log."""

from __future__ import annotations

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


def incidents() -> QuerySet[Incident]:
    """Incidents with what their representation needs, the newest first."""
    return Incident.objects.select_related("agent").order_by("-id")


def incident_by_id(pk: int) -> Incident:
    """That incident with its timeline; raises NotFoundError."""
    incident = incidents().prefetch_related("events").filter(pk=pk).first()
    if incident is None:
        raise NotFoundError(f"There is no incident {pk}.")
    return incident
