"""Writing failures down, one or a thousand at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from agents.models import Agent, Attempt
from agents.policy import clip
from failures import policy, queries
from failures.classify import classify, command_of
from failures.fingerprint import Grouping, grouping
from failures.masking import Scrubber, scrub
from failures.models import Failure, FailureGroup
from failures.services.error_loops import Seen, open_loops
from failures.services.log_statement import Entry, write
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
    is_masked: bool = False
    """Whether its texts came over the API, which masks secrets at the door."""
    by_evox: bool = False
    """Whether EVOX saw it and has an incident of its own for it."""


def log_failures(reports: Sequence[NewFailure], *, now: datetime) -> list[Failure]:
    """Store `reports`, each in its group, in one transaction; their order is kept.

    Each tells what its group's root stands at: `root_pk`, `occurrences`, `known_fix`.
    """
    entries = _entries(reports)
    _store(reports, entries, now)
    return [_failure(*one, now) for one in zip(reports, entries, strict=True)]


def log_bulk(reports: Sequence[NewFailure], *, now: datetime) -> list[int]:
    """As `log_failures`, but their ids alone: a thousand models take as long as storing them."""
    entries = _entries(reports)
    _store(reports, entries, now)
    return [entry.pk for entry in entries]


def log_failure(report: NewFailure, *, now: datetime) -> Failure:
    """Store one report."""
    return log_failures([report], now=now)[0]


def resolve_failure(failure: Failure, *, resolution: str, outcome: ResolutionOutcome) -> Failure:
    """Note how a failure was dealt with."""
    failure.resolution = clip(scrub(resolution), policy.MESSAGE_LIMIT)
    failure.outcome = outcome.value
    failure.save(update_fields=["resolution", "outcome"])
    return failure


class _Texts:
    """The texts of one bulk: equal ones are masked, taken apart and classified once."""

    def __init__(self) -> None:
        self.mask = Scrubber()
        self._keys: dict[tuple[ErrorType, str], tuple[str, Grouping]] = {}
        self._types: dict[tuple[ErrorType, str, str], ErrorType] = {}

    def key(self, report: NewFailure) -> tuple[str, Grouping]:
        """The message as it is kept, and what it is grouped by."""
        said = (report.error_type, report.message)
        if said not in self._keys:
            masked = report.message if report.is_masked else self.mask.text(report.message)
            message = clip(masked, policy.MESSAGE_LIMIT)
            self._keys[said] = message, grouping(report.error_type.value, message)
        return self._keys[said]

    def type(self, reported: ErrorType, message: str, key: Grouping, command: str) -> ErrorType:
        """The type that the message speaks for."""
        said = (reported, message, command)
        if said not in self._types:
            self._types[said] = classify(
                reported,
                tool_code=key.tool_code,
                error_class=key.error_class,
                words=key.template,
                message=message,
                command=command,
            )
        return self._types[said]


def _entries(reports: Sequence[NewFailure]) -> list[Entry]:
    texts = _Texts()
    return [_entry(report, texts) for report in reports]


def entry_of(report: NewFailure) -> Entry:
    """What is written down of one report: masked, bounded, taken apart and classified."""
    return _entry(report, _Texts())


def _entry(report: NewFailure, texts: _Texts) -> Entry:
    context, resolution = report.context, report.resolution
    if not report.is_masked:
        context, resolution = texts.mask.value(context), texts.mask.text(resolution)
    message, key = texts.key(report)
    return Entry(
        agent_id=report.agent.pk,
        attempt_id=report.attempt.pk if report.attempt else None,
        error_type=report.error_type,
        classified=texts.type(report.error_type, message, key, command_of(context)),
        message=message,
        context=policy.bounded_context(context),
        ticket=report.ticket_id or policy.ticket_of(context),
        key=key,
        resolution=clip(resolution, policy.MESSAGE_LIMIT),
    )


def _store(reports: Sequence[NewFailure], entries: Sequence[Entry], now: datetime) -> None:
    if not entries:
        return
    # Within somebody's transaction a savepoint of one's own would be two more round trips.
    with transaction.atomic(savepoint=False):
        write(entries, now=now)
        _tell_of_roots([entry for entry in entries if entry.is_merged])
        open_loops(
            (
                Seen(
                    entry.pk,
                    report.agent,
                    report.attempt,
                    entry.ticket,
                    entry.root_pk,
                    entry.root_print,
                    entry.occurrences,
                )
                for report, entry in zip(reports, entries, strict=True)
                if not report.by_evox
            ),
            now=now,
        )


def _tell_of_roots(entries: Sequence[Entry]) -> None:
    """What is shown of merged groups is their root's."""
    if not entries:
        return
    found = queries.totals({entry.group_id for entry in entries})
    for entry in entries:
        total = found[entry.group_id]
        entry.root_pk, entry.root_print = total.root, total.fingerprint
        entry.occurrences = total.count
        entry.known_fix, entry.fix_of = total.guidance, total.guidance_of


def _failure(report: NewFailure, entry: Entry, now: datetime) -> Failure:
    failure = Failure(
        pk=entry.pk,
        agent=report.agent,
        attempt=report.attempt,
        group=FailureGroup(pk=entry.group_id, fingerprint=entry.key.fingerprint),
        error_type=entry.error_type.value,
        classified_type=entry.classified.value,
        message=entry.message,
        context=entry.context,
        ticket_id=entry.ticket,
        fingerprint=entry.key.fingerprint,
        resolution=entry.resolution,
        created_at=now,
    )
    failure.root_pk, failure.occurrences = entry.root_pk, entry.occurrences
    failure.known_fix, failure.fix_of = entry.known_fix, entry.fix_of
    return failure
