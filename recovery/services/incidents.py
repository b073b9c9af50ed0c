"""Reports of incidents, from hooks, agents and people: one transaction, however often sent."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from agents.errors import InvalidInputError
from agents.models import Agent, Dispatch
from failures.models import Incident
from failures.services.log import NewFailure, log_failure
from failures.services.opening import NewIncident, open_incident
from failures.states import ErrorType, IncidentKind, Severity
from recovery.services import rollbacks

BREAKS_THE_BUILD = {
    IncidentKind.ROLLED_BACK,
    IncidentKind.ROLLBACK_BLOCKED,
    IncidentKind.BUILD_FAILED_ROOT,
}
"""Kinds that are a failure of their commit's author, too, so that patterns see it."""


@dataclass(frozen=True, kw_only=True)
class IncidentReport:
    """What somebody says happened."""

    kind: IncidentKind
    message: str
    title: str = ""
    severity: Severity | None = None
    agent: Agent | None = None
    dispatch_id: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    reported_by: str


def report_incident(report: IncidentReport, *, now: datetime) -> Incident:
    """Open the incident, tell #dev, and log the failure behind it.

    The same `idempotency_key` of the same reporter makes one incident, for ever. Raises
    InvalidInputError for an unknown dispatch.
    """
    dispatch = _dispatch(report.dispatch_id)
    if dispatch is None and report.kind in BREAKS_THE_BUILD:
        dispatch = rollbacks.dispatch_of(report.agent, report.metadata)
    who = report.agent.name if report.agent else report.reported_by
    unique = report.idempotency_key or secrets.token_urlsafe(12)
    new = NewIncident(
        kind=report.kind,
        title=report.title or report.message.strip().partition("\n")[0][:200] or "Incident",
        message=report.message,
        severity=report.severity,
        agent=report.agent,
        dispatch=dispatch,
        metadata=report.metadata,
        dedup_key=f"{report.kind.value}:{who}:{hashlib.sha256(unique.encode()).hexdigest()}",
        report_key=f"{who}:{report.idempotency_key}" if report.idempotency_key else None,
        reported_by=who,
    )
    with transaction.atomic():
        opened = open_incident(new, now=now)
        if opened.created:
            rollbacks.record(opened.incident, report.metadata, now=now)
            if report.agent and report.kind in BREAKS_THE_BUILD:
                _log_build_failure(report, report.agent, dispatch, now=now)
    return opened.incident


def _dispatch(pk: int | None) -> Dispatch | None:
    if pk is None:
        return None
    dispatch = Dispatch.objects.filter(pk=pk).first()
    if dispatch is None:
        raise InvalidInputError("dispatchId", f"There is no dispatch {pk}.")
    return dispatch


def _log_build_failure(
    report: IncidentReport, agent: Agent, dispatch: Dispatch | None, *, now: datetime
) -> None:
    said = report.metadata.get("buildError")
    log_failure(
        NewFailure(
            agent=agent,
            error_type=ErrorType.BUILD,
            message=said if isinstance(said, str) and said else report.message,
            context={**report.metadata, "incidentKind": report.kind.value},
            ticket_id=dispatch.ticket_id if dispatch else "",
        ),
        now=now,
    )
