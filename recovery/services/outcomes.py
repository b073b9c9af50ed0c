"""What happens to a dispatch when an attempt of it did not succeed. The row is locked already."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from django.conf import settings

from agents import queries as agent_queries
from agents.models import Agent, Attempt, Dispatch
from agents.services.leases import LEAVE_FIELDS, close_attempt, leave_running
from agents.states import AttemptOutcome, DispatchStatus, Strategy
from failures.models import Failure
from failures.services.incidents import resolve_by_key
from failures.services.log import NewFailure, log_failure
from failures.services.opening import NewIncident, open_incident
from failures.states import ErrorType, IncidentKind
from recovery import policy, policy_breaker, queries
from recovery.policy_instructions import steps
from recovery.services import breakers

KEEP_FOR = timedelta(seconds=60)
"""How long a retry of open work waits for the agent that knows it, before all may take it."""

RETRY_FIELDS = (
    *LEAVE_FIELDS,
    "run_at",
    "next_strategy",
    "instructions",
    "last_fingerprint",
    "agent",
    "agent_until",
    "attempt",
    "excluded_agents",
    "open_to_all",
)


@dataclass(frozen=True, kw_only=True)
class FailureTerms:
    """What the failing agent says about another try."""

    retryable: bool = True
    hold_seconds: int | None = None


def after_failure(
    dispatch: Dispatch, attempt: Attempt, failure: Failure, terms: FailureTerms, *, now: datetime
) -> None:
    """Close `attempt` as failed and move its dispatch to where the plan says."""
    follow_up = waiting_follow_up(dispatch)
    if follow_up is not None:
        supersede(dispatch, attempt, follow_up, now=now)
        return
    if dispatch.cancel_requested_at is not None:
        cancel_running(dispatch, attempt, now=now)
        return
    own = is_agents_own(attempt.agent, dispatch, failure, now=now)
    # Its own trouble is worth a wait for somebody else; another view of the work is not.
    could = queries.others_for if own else queries.online_others_for
    plan = policy.plan_retry(
        attempt=dispatch.attempt,
        agent_specific=own,
        others=could(dispatch, attempt.agent, now=now),
        max_attempts=dispatch.max_attempts,
        used=[Strategy(a.strategy) for a in agent_queries.attempts_of(dispatch)],
        retryable=terms.retryable,
        hold_until=now + timedelta(seconds=terms.hold_seconds) if terms.hold_seconds else None,
        holds=dispatch.lease_epoch - dispatch.attempt - dispatch.crash_count,
        backoff=settings.EVOX_RETRY_BACKOFF,
        jitter=settings.EVOX_RETRY_JITTER,
        draw=random.random(),  # noqa: S311 - spreads load, guards nothing
        now=now,
    )
    dispatch.last_fingerprint = failure.fingerprint
    close_attempt(attempt, AttemptOutcome.FAILED, reason=plan.reason, now=now)
    carry_out(plan, dispatch, now=now)


def carry_out(plan: policy.Plan, dispatch: Dispatch, *, now: datetime) -> None:
    """Move a locked running dispatch to where `plan` says."""
    dispatch.reason = plan.reason
    match plan:
        case policy.Retry(at=at, strategy=strategy, elsewhere=elsewhere):
            leave_running(dispatch, DispatchStatus.RETRYING, now=now)
            dispatch.run_at, dispatch.next_strategy = at, strategy.value
            dispatch.instructions = steps(strategy)
            if elsewhere:
                give_to_others(dispatch)
            else:
                _keep_for_agent(dispatch, at)
        case policy.Hold(until=until):
            leave_running(dispatch, DispatchStatus.RETRYING, now=now)
            dispatch.run_at = until
            dispatch.attempt -= 1
            _keep_for_agent(dispatch, until)
        case policy.GiveUp():
            exhaust(dispatch, now=now)
        case _:
            assert_never(plan)
    dispatch.save(update_fields=RETRY_FIELDS)


def is_agents_own(agent: Agent, dispatch: Dispatch, failure: Failure, *, now: datetime) -> bool:
    """Whether the failure is the agent's rather than the work's; counts it on its breaker.

    It is when others got past the same failure, when its breaker opens, and when it speaks of
    credentials or quota that nobody else has trouble with.
    """
    others_have = queries.others_have(failure.fingerprint, agent, now=now)
    breaker = breakers.note_failure(
        agent, dispatch_id=dispatch.pk, others_have_it=others_have, now=now
    )
    return (
        breaker.is_open(now=now)
        or (not others_have and policy_breaker.is_own_access(failure.message))
        or queries.others_got_past(failure.fingerprint, agent, now=now)
    )


def give_to_others(dispatch: Dispatch) -> None:
    """Open it to all but the agent that holds it, in memory; the caller saves it."""
    if dispatch.agent_id is not None and dispatch.agent_id not in dispatch.excluded_agents:
        dispatch.excluded_agents = [*dispatch.excluded_agents, dispatch.agent_id]
    dispatch.agent, dispatch.agent_until, dispatch.open_to_all = None, None, True


def _keep_for_agent(dispatch: Dispatch, at: datetime) -> None:
    """Open work is kept a while for the agent that knows it."""
    if dispatch.open_to_all:
        dispatch.agent_until = at + KEEP_FOR


def exhaust(dispatch: Dispatch, *, now: datetime) -> None:
    """End a locked running dispatch and tell the lead; the caller saves it."""
    leave_running(dispatch, DispatchStatus.EXHAUSTED, now=now)
    open_incident(
        NewIncident(
            kind=IncidentKind.EXHAUSTED,
            title=f"#{dispatch.pk} {dispatch.title} is exhausted",
            message=f"{dispatch.reason}"
            " Look at its attempts, then retry it, give it to somebody else, or cancel it.",
            dedup_key=f"exhausted:{dispatch.pk}",
            agent=dispatch.agent,
            dispatch=dispatch,
        ),
        now=now,
    )


def open_blocked(dispatch: Dispatch, attempt: Attempt, *, now: datetime) -> None:
    """An agent can't go on without a person: the lead hears of it at once.

    The blocker is a failure, too, so that learning sees it.
    """
    agent = attempt.agent
    open_incident(
        NewIncident(
            kind=IncidentKind.BLOCKED,
            title=f"{agent.name} is blocked on #{dispatch.pk} {dispatch.title}",
            message=dispatch.reason,
            dedup_key=f"blocked:{dispatch.pk}",
            agent=agent,
            dispatch=dispatch,
        ),
        now=now,
    )
    log_failure(
        NewFailure(
            agent=agent,
            error_type=ErrorType.OTHER,
            message=dispatch.reason,
            ticket_id=dispatch.ticket_id,
            context={"blocked": True},
            attempt=attempt,
            by_evox=True,
        ),
        now=now,
    )


def settle(dispatch: Dispatch, resolution: str, *, now: datetime) -> None:
    """What held the work up is dealt with: its incidents are over."""
    for kind in (IncidentKind.EXHAUSTED, IncidentKind.BLOCKED):
        resolve_by_key(f"{kind.value}:{dispatch.pk}", resolution=resolution, now=now)


def waiting_follow_up(dispatch: Dispatch) -> Dispatch | None:
    """Newer work with the same unique key that waits behind this running one."""
    if dispatch.unique_key is None:
        return None
    waiting = (DispatchStatus.PENDING, DispatchStatus.RETRYING, DispatchStatus.BLOCKED)
    return (
        Dispatch.objects.filter(unique_key=dispatch.unique_key, status__in=waiting)
        .exclude(pk=dispatch.pk)
        .first()
    )


def supersede(
    dispatch: Dispatch,
    attempt: Attempt,
    follow_up: Dispatch,
    *,
    outcome: AttemptOutcome = AttemptOutcome.SUPERSEDED,
    now: datetime,
) -> None:
    """End a running dispatch because its follow-up waits: it never goes back to the queue."""
    dispatch.reason = f"Superseded by #{follow_up.pk}."
    dispatch.superseded_by = follow_up
    close_attempt(attempt, outcome, reason=dispatch.reason, now=now)
    leave_running(dispatch, DispatchStatus.CANCELLED, now=now)
    dispatch.save(update_fields=[*LEAVE_FIELDS, "superseded_by"])


def cancel_running(
    dispatch: Dispatch,
    attempt: Attempt,
    *,
    outcome: AttemptOutcome = AttemptOutcome.CANCELLED,
    now: datetime,
) -> None:
    """End a running dispatch whose cancel was asked for."""
    dispatch.reason = "Cancelled, as was asked."
    close_attempt(attempt, outcome, reason=dispatch.reason, now=now)
    leave_running(dispatch, DispatchStatus.CANCELLED, now=now)
    dispatch.save(update_fields=LEAVE_FIELDS)
