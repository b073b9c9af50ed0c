"""What an agent reports of its attempt: complete, fail, block. Each closes it, exactly once.

The same report again with the same claim hears the same answer; a claim that no longer holds
the dispatch changes nothing and raises StaleClaimError with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from agents.errors import EvoxError, NotYoursError, StaleClaimError
from agents.models import Agent, Attempt, Dispatch
from agents.policy import clip
from agents.services.agents import touch_agent
from agents.services.leases import (
    LEAVE_FIELDS,
    attempt_with_claim,
    close_attempt,
    leave_running,
    lock_held,
)
from agents.states import AttemptOutcome, DispatchStatus
from failures.models import Failure
from failures.services import guidance
from failures.services.log import NewFailure, log_failure
from failures.states import ErrorType
from recovery.services import breakers, outcomes
from recovery.services.completion import Done, complete_all_held, complete_held

REASON_LIMIT = 2_000
MANY = 50
"""So many reports at once, as many as one claim gives."""
_REPORTED = "reported"
"""Which verb an answer was given to. The outcome can't tell: a failure may end superseded."""


@dataclass(frozen=True, kw_only=True)
class FailureReport:
    """Why an attempt failed."""

    error_type: ErrorType
    message: str
    context: dict[str, Any] = field(default_factory=dict)
    terms: outcomes.FailureTerms = field(default_factory=outcomes.FailureTerms)


@dataclass(frozen=True)
class Closed:
    """A closed attempt, its dispatch now, and what the closing call was told."""

    dispatch: Dispatch
    attempt: Attempt
    answer: dict[str, Any]


def complete_dispatch(
    pk: int, claim: str, *, result: Any = None, evidence: str = "", by: Agent | None, now: datetime
) -> Closed:
    """The work is done. Raises NotFoundError, NotYoursError, StaleClaimError."""
    done = Done(pk=pk, claim=claim, result=result, evidence=evidence)
    answer = _completed(now)
    held = complete_held(done, by=by, answer=answer, now=now)
    if held is not None:
        dispatch, attempt = held
        return Closed(dispatch=dispatch, attempt=attempt, answer=_said(answer))
    return _complete_by_steps(done, by=by, now=now)


def complete_many(
    reports: Sequence[Done], *, by: Agent | None, now: datetime
) -> dict[int, dict[str, Any] | EvoxError]:
    """Complete up to MANY dispatches; for each its answer, or the error that it alone would raise.

    Raises ValueError for more, and for a dispatch that is named twice.
    """
    ids = [report.pk for report in reports]
    if len(ids) > MANY or len(set(ids)) != len(ids):
        raise ValueError(f"Up to {MANY} different dispatches.")
    answer = _completed(now)
    held = complete_all_held(reports, by=by, answer=answer, now=now)
    said: dict[int, dict[str, Any] | EvoxError] = {}
    for report in reports:
        if report.pk in held:
            said[report.pk] = _said(answer)
            continue
        try:
            said[report.pk] = _complete_by_steps(report, by=by, now=now).answer
        except EvoxError as error:
            said[report.pk] = error
    return said


def _completed(now: datetime) -> dict[str, Any]:
    return {
        _REPORTED: AttemptOutcome.SUCCEEDED.value,
        "status": DispatchStatus.COMPLETED.value,
        "reason": "",
        "retryAt": None,
        "finishedAt": _iso(now),
    }


def _complete_by_steps(done: Done, *, by: Agent | None, now: datetime) -> Closed:
    """The answer to a report whose claim holds nothing: what it heard before, or why not."""

    def complete(dispatch: Dispatch, attempt: Attempt) -> dict[str, Any]:
        close_attempt(attempt, AttemptOutcome.SUCCEEDED, now=now)
        breakers.note_success(attempt.agent, now=now)
        if done.result is not None or done.evidence:
            attempt.result = {"result": done.result, "evidence": done.evidence}
        leave_running(dispatch, DispatchStatus.COMPLETED, now=now)
        dispatch.reason = ""
        dispatch.save(update_fields=LEAVE_FIELDS)
        return {}

    return _close(done.pk, done.claim, AttemptOutcome.SUCCEEDED, complete, by=by, now=now)


def fail_dispatch(
    pk: int, claim: str, report: FailureReport, *, by: Agent | None, now: datetime
) -> Closed:
    """The attempt failed: log it, and retry, hold or give up as `plan_retry` decides.

    Raises NotFoundError, NotYoursError, StaleClaimError.
    """

    def fail(dispatch: Dispatch, attempt: Attempt) -> dict[str, Any]:
        failure = log_and_plan(dispatch, attempt, report, now=now)
        guidance.note_answer(failure, now=now)
        return {
            "failureId": failure.pk,
            "occurrences": failure.occurrences,
            "guidance": failure.known_fix,
        }

    return _close(pk, claim, AttemptOutcome.FAILED, fail, by=by, now=now)


def log_and_plan(
    dispatch: Dispatch, attempt: Attempt, report: FailureReport, *, now: datetime
) -> Failure:
    """Log the failure of a locked running dispatch and carry out what follows."""
    failure = log_failure(
        NewFailure(
            agent=attempt.agent,
            error_type=report.error_type,
            message=report.message,
            context={"dispatchId": dispatch.pk, "command": dispatch.command, **report.context},
            ticket_id=dispatch.ticket_id,
            attempt=attempt,
        ),
        now=now,
    )
    attempt.failure_id = failure.pk
    outcomes.after_failure(dispatch, attempt, failure, report.terms, now=now)
    return failure


def block_dispatch(pk: int, claim: str, *, reason: str, by: Agent | None, now: datetime) -> Closed:
    """The agent needs a person: the lead hears of it at once, and no try is used up.

    Raises NotFoundError, NotYoursError, StaleClaimError.
    """

    def block(dispatch: Dispatch, attempt: Attempt) -> dict[str, Any]:
        follow_up = outcomes.waiting_follow_up(dispatch)
        if follow_up is not None:
            outcomes.supersede(dispatch, attempt, follow_up, now=now)
            return {}
        if dispatch.cancel_requested_at is not None:
            outcomes.cancel_running(dispatch, attempt, now=now)
            return {}
        why = clip(reason, REASON_LIMIT)
        close_attempt(attempt, AttemptOutcome.BLOCKED, reason=why, now=now)
        leave_running(dispatch, DispatchStatus.BLOCKED, now=now)
        dispatch.reason = why
        dispatch.attempt -= 1
        dispatch.save(update_fields=[*LEAVE_FIELDS, "attempt"])
        outcomes.open_blocked(dispatch, attempt, now=now)
        return {}

    return _close(pk, claim, AttemptOutcome.BLOCKED, block, by=by, now=now)


def _close(
    pk: int,
    claim: str,
    outcome: AttemptOutcome,
    act: Callable[[Dispatch, Attempt], dict[str, Any]],
    *,
    by: Agent | None,
    now: datetime,
) -> Closed:
    """Run `act` under the dispatch's lock, or find the answer that this report had before."""
    attempt = attempt_with_claim(pk, claim)
    check_holder(attempt, by)
    touch_agent(attempt.agent, now=now)
    try:
        return _close_or_replay(attempt, outcome, act)
    except IntegrityError:
        # A follow-up with this unique key arrived between our look and our write; it is visible
        # now, so the second try sees it.
        return _close_or_replay(attempt_with_claim(pk, claim), outcome, act)


def _close_or_replay(
    attempt: Attempt, reported: AttemptOutcome, act: Callable[[Dispatch, Attempt], dict[str, Any]]
) -> Closed:
    try:
        return _close_once(attempt, reported, act)
    except StaleClaimError:
        attempt.refresh_from_db()  # Its twin may have closed it since it was read.
        answer = attempt.answer or {}
        if answer.get(_REPORTED) != reported:
            raise
        dispatch = Dispatch.objects.get(pk=attempt.dispatch_id)
        return Closed(dispatch=dispatch, attempt=attempt, answer=_said(answer))


def _close_once(
    attempt: Attempt, reported: AttemptOutcome, act: Callable[[Dispatch, Attempt], dict[str, Any]]
) -> Closed:
    with transaction.atomic():
        dispatch = lock_held(attempt)
        attempt.dispatch = dispatch
        attempt.answer = {
            _REPORTED: reported.value,
            **act(dispatch, attempt),
            "status": dispatch.status,
            "reason": dispatch.reason,
            "retryAt": _iso(dispatch.run_at),
            "finishedAt": _iso(dispatch.finished_at),
        }
        attempt.save(update_fields=["answer", "result", "failure_id"])
    return Closed(dispatch=dispatch, attempt=attempt, answer=_said(attempt.answer))


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != _REPORTED}


def check_holder(attempt: Attempt, by: Agent | None) -> None:
    """Raise NotYoursError when an agent reports with another agent's claim."""
    if by is not None and attempt.agent_id != by.pk:
        raise NotYoursError(f"This claim is {attempt.agent.name}'s.")


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")
