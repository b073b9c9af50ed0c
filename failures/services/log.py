"""Writing failures down, one or a thousand at a time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from agents.models import Agent, Attempt
from agents.policy import clip
from agents.services.statements import Row, fetch
from failures import policy, queries
from failures.classify import classify, command_of
from failures.fingerprint import Grouping, grouping
from failures.masking import Scrubber, scrub
from failures.models import Failure, FailureGroup
from failures.services.error_loops import open_loops
from failures.services.log_statement import LOG
from failures.states import ErrorType, ResolutionOutcome


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


@dataclass(frozen=True, slots=True)
class _Kept:
    """A report as it is written down."""

    report: NewFailure
    message: str
    context: Any
    key: Grouping
    classified: ErrorType
    ticket: str


def log_failures(reports: Sequence[NewFailure], *, now: datetime) -> list[Failure]:
    """Store `reports`, each in its group, in one transaction; their order is kept.

    Each tells what its group's root stands at: `root_pk`, `occurrences`, `known_fix`.
    """
    if not reports:
        return []
    kept = _kept(_without_secrets(reports))
    with transaction.atomic():
        rows = fetch(LOG, _groups_of(kept) | _failures_of(kept) | {"now": now})
        written = [_row(one, row, now) for one, row in zip(kept, rows, strict=True)]
        _tell_of_roots([row for row, found in zip(written, rows, strict=True) if found[5]])
        watched = zip(reports, written, strict=True)
        open_loops([row for report, row in watched if not report.by_evox], now=now)
        return written


def log_failure(report: NewFailure, *, now: datetime) -> Failure:
    """Store one report."""
    return log_failures([report], now=now)[0]


def resolve_failure(failure: Failure, *, resolution: str, outcome: ResolutionOutcome) -> Failure:
    """Note how a failure was dealt with."""
    failure.resolution = clip(scrub(resolution), policy.MESSAGE_LIMIT)
    failure.outcome = outcome.value
    failure.save(update_fields=["resolution", "outcome"])
    return failure


def _without_secrets(reports: Sequence[NewFailure]) -> list[NewFailure]:
    """What came over the API is masked already; what EVOX saw itself comes past here alone."""
    mask = Scrubber()
    return [
        replace(
            report,
            message=mask.text(report.message),
            context=mask.value(report.context),
            resolution=mask.text(report.resolution),
        )
        for report in reports
    ]


def _kept(reports: Sequence[NewFailure]) -> list[_Kept]:
    """The reports taken apart; equal texts once."""
    found: dict[tuple[ErrorType, str], Grouping] = {}
    kept = []
    for report in reports:
        message = clip(report.message, policy.MESSAGE_LIMIT)
        said = (report.error_type, message)
        key = found.get(said)
        if key is None:
            key = found[said] = grouping(report.error_type.value, message)
        context = policy.bounded_context(report.context) if report.context else {}
        classified = classify(
            report.error_type,
            tool_code=key.tool_code,
            error_class=key.error_class,
            words=key.template,
            command=command_of(context),
        )
        ticket = report.ticket_id or policy.ticket_of(report.context)
        kept.append(_Kept(report, message, context, key, classified, ticket))
    return kept


def _groups_of(kept: Sequence[_Kept]) -> dict[str, Any]:
    counts = Counter(one.key.fingerprint for one in kept)
    firsts: dict[str, _Kept] = {}
    for one in kept:
        firsts.setdefault(one.key.fingerprint, one)
    return {
        "fingerprint": list(firsts),
        "family": [one.key.family for one in firsts.values()],
        "error_type": [one.report.error_type.value for one in firsts.values()],
        "template": [one.key.template for one in firsts.values()],
        "tool_code": [one.key.tool_code[:120] for one in firsts.values()],
        "error_class": [one.key.error_class[:120] for one in firsts.values()],
        "classified": [one.classified.value for one in firsts.values()],
        "n": [counts[fingerprint] for fingerprint in firsts],
    }


def _failures_of(kept: Sequence[_Kept]) -> dict[str, Any]:
    return {
        "f_agent": [one.report.agent.pk for one in kept],
        "f_attempt": [one.report.attempt.pk if one.report.attempt else None for one in kept],
        "f_error_type": [one.report.error_type.value for one in kept],
        "f_classified": [one.classified.value for one in kept],
        "f_message": [one.message for one in kept],
        "f_context": [json.dumps(one.context) if one.context else "{}" for one in kept],
        "f_ticket": [one.ticket for one in kept],
        "f_fingerprint": [one.key.fingerprint for one in kept],
        "f_resolution": [clip(one.report.resolution, policy.MESSAGE_LIMIT) for one in kept],
    }


def _row(one: _Kept, found: Row, now: datetime) -> Failure:
    pk, group_id, count, guidance, root, _ = found
    failure = Failure(
        pk=pk,
        agent=one.report.agent,
        attempt=one.report.attempt,
        group=FailureGroup(
            pk=group_id,
            fingerprint=one.key.fingerprint,
            count=count,
            guidance=guidance,
            merged_into_id=root,
        ),
        error_type=one.report.error_type.value,
        classified_type=one.classified.value,
        message=one.message,
        context=one.context,
        ticket_id=one.ticket,
        fingerprint=one.key.fingerprint,
        resolution=clip(one.report.resolution, policy.MESSAGE_LIMIT),
        created_at=now,
    )
    failure.root_pk, failure.root_print = group_id, one.key.fingerprint
    failure.occurrences, failure.known_fix, failure.fix_of = count, guidance, group_id
    return failure


def _tell_of_roots(failures: Sequence[Failure]) -> None:
    """What is known of merged groups is their root's."""
    if not failures:
        return
    found = queries.totals({failure.group_id for failure in failures})
    for failure in failures:
        total = found[failure.group_id]
        failure.root_pk, failure.root_print = total.root, total.fingerprint
        failure.occurrences = total.count
        failure.known_fix, failure.fix_of = total.guidance, total.guidance_of
