"""Writing failures down, one or a thousand at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from agents.models import Agent, Attempt
from agents.policy import clip
from failures import policy
from failures.fingerprint import Grouping, grouping
from failures.models import Failure, FailureGroup
from failures.services.error_loops import open_loops
from failures.states import ErrorType, ResolutionOutcome

# Ordered by fingerprint, so that two bulks that share groups can't lock each other out.
_UPSERT_GROUPS = """
INSERT INTO failures_failuregroup AS g (fingerprint, family, error_type, template, tool_code,
    error_class, classified_type, count, status, resolution, resolved_by, guidance,
    first_seen_at, last_seen_at)
SELECT fingerprint, family, error_type, template, tool_code, error_class, '', n, 'open', '', '',
       '', %(now)s, %(now)s
FROM unnest(%(fingerprint)s::varchar[], %(family)s::varchar[], %(error_type)s::varchar[],
            %(template)s::varchar[], %(tool_code)s::varchar[], %(error_class)s::varchar[],
            %(n)s::int[])
     AS new (fingerprint, family, error_type, template, tool_code, error_class, n)
ORDER BY fingerprint
ON CONFLICT (fingerprint) DO UPDATE
SET count = g.count + excluded.count,
    last_seen_at = greatest(g.last_seen_at, excluded.last_seen_at),
    status = CASE WHEN g.status = 'resolved' THEN 'regressed' ELSE g.status END
RETURNING id, fingerprint, count, guidance
"""


@dataclass(frozen=True, kw_only=True)
class NewFailure:
    """What an agent says went wrong."""

    agent: Agent
    error_type: ErrorType
    message: str
    context: dict[str, Any] = field(default_factory=dict)
    resolution: str = ""
    ticket_id: str = ""
    attempt: Attempt | None = None
    by_evox: bool = False
    """Whether EVOX saw it and has an incident of its own for it."""


def log_failures(reports: Sequence[NewFailure], *, now: datetime) -> list[Failure]:
    """Store `reports`, each in its group, in one transaction; their order is kept."""
    messages = [clip(report.message, policy.MESSAGE_LIMIT) for report in reports]
    groupings = [
        grouping(report.error_type.value, message)
        for report, message in zip(reports, messages, strict=True)
    ]
    with transaction.atomic():
        groups = _upsert_groups(reports, groupings, now)
        rows = [
            _row(report, message, groups[key.fingerprint], now)
            for report, message, key in zip(reports, messages, groupings, strict=True)
        ]
        written = Failure.objects.bulk_create(rows, batch_size=1000)
        watched = zip(reports, written, strict=True)
        open_loops([row for report, row in watched if not report.by_evox], now=now)
        return written


def log_failure(report: NewFailure, *, now: datetime) -> Failure:
    """Store one report."""
    return log_failures([report], now=now)[0]


def resolve_failure(failure: Failure, *, resolution: str, outcome: ResolutionOutcome) -> Failure:
    """Note how a failure was dealt with."""
    failure.resolution = clip(resolution, policy.MESSAGE_LIMIT)
    failure.outcome = outcome.value
    failure.save(update_fields=["resolution", "outcome"])
    return failure


def _upsert_groups(
    reports: Sequence[NewFailure], groupings: Sequence[Grouping], now: datetime
) -> dict[str, FailureGroup]:
    counts = Counter(key.fingerprint for key in groupings)
    firsts: dict[str, tuple[Grouping, str]] = {}
    for report, key in zip(reports, groupings, strict=True):
        firsts.setdefault(key.fingerprint, (key, report.error_type.value))
    keys = [key for key, _ in firsts.values()]
    params: dict[str, Any] = {
        "now": now,
        "fingerprint": [key.fingerprint for key in keys],
        "family": [key.family for key in keys],
        "error_type": [error_type for _, error_type in firsts.values()],
        "template": [key.template for key in keys],
        "tool_code": [key.tool_code[:120] for key in keys],
        "error_class": [key.error_class[:120] for key in keys],
        "n": [counts[key.fingerprint] for key in keys],
    }
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT_GROUPS, params)
        return {
            fingerprint: FailureGroup(
                pk=pk, fingerprint=fingerprint, count=count, guidance=guidance
            )
            for pk, fingerprint, count, guidance in cursor.fetchall()
        }


def _row(report: NewFailure, message: str, group: FailureGroup, now: datetime) -> Failure:
    return Failure(
        agent=report.agent,
        attempt=report.attempt,
        group=group,
        error_type=report.error_type.value,
        message=message,
        context=policy.bounded_context(report.context),
        ticket_id=report.ticket_id or policy.ticket_of(report.context),
        fingerprint=group.fingerprint,
        resolution=clip(report.resolution, policy.MESSAGE_LIMIT),
        created_at=now,
    )
