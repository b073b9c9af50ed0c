"""Verbs for people: retry, cancel, reassign, unblock. Each is audited, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from agents.errors import InvalidInputError, NotFoundError
from agents.models import Agent, Attempt, Dispatch
from agents.services.dispatches import DuplicateKeyError
from agents.services.leases import LEAVE_FIELDS, close_attempt, leave_running
from agents.services.records import audit
from agents.states import (
    DISPATCH_MOVES,
    FINISHED,
    AgentRole,
    AttemptOutcome,
    DispatchStatus,
    IllegalMoveError,
    Strategy,
    check_move,
)
from failures import queries as failure_queries
from recovery import policy
from recovery.policy_instructions import steps
from recovery.services.outcomes import settle

REASON_LIMIT = 500


def retry_dispatch(pk: int, *, actor: str, reason: str = "", now: datetime) -> Dispatch:
    """Try again now: an exhausted one gets one try more, a waiting retry stops waiting.

    Raises NotFoundError, IllegalMoveError, DuplicateKeyError.
    """
    with _one_waiting_per_key():
        dispatch = _locked(pk)
        if dispatch.status == DispatchStatus.EXHAUSTED:
            _choose_strategy(dispatch)
            dispatch.max_attempts = max(dispatch.max_attempts, dispatch.attempt + 1)
            dispatch.max_crashes = max(dispatch.max_crashes, dispatch.crash_count + 1)
        elif dispatch.status != DispatchStatus.RETRYING:
            raise IllegalMoveError("dispatch", dispatch.status, DispatchStatus.PENDING.value)
        act = _Act("retry", f"{actor} asked for a retry.", actor=actor, reason=reason)
        return _to_pending(dispatch, act, now=now)


def unblock_dispatch(pk: int, *, actor: str, reason: str = "", now: datetime) -> Dispatch:
    """What was needed is there: back to the queue. Raises NotFoundError, IllegalMoveError."""
    with transaction.atomic():
        dispatch = _locked(pk)
        if dispatch.status != DispatchStatus.BLOCKED:
            raise IllegalMoveError("dispatch", dispatch.status, DispatchStatus.PENDING.value)
        act = _Act("unblock", f"{actor} unblocked it.", actor=actor, reason=reason)
        return _to_pending(dispatch, act, now=now)


def cancel_dispatch(pk: int, *, actor: str, reason: str = "", now: datetime) -> Dispatch:
    """End waiting work at once; ask a running attempt to stop, which its next call hears.

    Raises NotFoundError, IllegalMoveError.
    """
    with transaction.atomic():
        dispatch = _locked(pk)
        said = _said(f"{actor} cancelled it.", reason)
        audit("cancel", dispatch, actor=actor, reason=reason, now=now)
        if dispatch.status == DispatchStatus.RUNNING:
            dispatch.cancel_requested_at = dispatch.cancel_requested_at or now
            dispatch.save(update_fields=["cancel_requested_at"])
            return dispatch
        _move(dispatch, DispatchStatus.CANCELLED, now=now)
        dispatch.finished_at, dispatch.reason, dispatch.run_at = now, said, None
        dispatch.save(update_fields=["status", "finished_at", "reason", "run_at", "updated_at"])
        settle(dispatch, said, now=now)
        return dispatch


def reassign_dispatch(
    pk: int, *, agent: Agent, actor: str, reason: str = "", now: datetime
) -> Dispatch:
    """Give unfinished work to `agent`; a running attempt is released, and its claim is stale.

    Raises NotFoundError, IllegalMoveError, DuplicateKeyError, and InvalidInputError for the CEO.
    """
    if agent.role == AgentRole.CEO:
        raise InvalidInputError("agentName", "The CEO takes no work.")
    with _one_waiting_per_key():
        dispatch = _locked(pk)
        status = DispatchStatus(dispatch.status)
        if status in FINISHED:
            raise IllegalMoveError("dispatch", status.value, DispatchStatus.PENDING.value)
        said = _said(f"{actor} gave it to {agent.name}.", reason)
        if status is DispatchStatus.RUNNING:
            attempt = Attempt.objects.get(dispatch=dispatch, lease_epoch=dispatch.lease_epoch)
            close_attempt(attempt, AttemptOutcome.RELEASED, reason=said, now=now)
            leave_running(dispatch, DispatchStatus.PENDING, now=now)
            dispatch.attempt -= 1
        dispatch.agent, dispatch.agent_until, dispatch.open_to_all = agent, None, False
        dispatch.cancel_requested_at = None
        dispatch.excluded_agents = [e for e in dispatch.excluded_agents if e != agent.pk]
        if status is not DispatchStatus.BLOCKED:
            dispatch.reason = said
        dispatch.updated_at = now
        data = {"agent": agent.name}
        audit("reassign", dispatch, actor=actor, reason=reason, data=data, now=now)
        dispatch.save(
            update_fields=[
                *LEAVE_FIELDS,
                "attempt",
                "agent",
                "agent_until",
                "open_to_all",
                "excluded_agents",
                "cancel_requested_at",
            ]
        )
        return dispatch


@contextmanager
def _one_waiting_per_key() -> Iterator[None]:
    """A transaction that may put work back behind newer work of its key: DuplicateKeyError then."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "dispatch_one_waiting_per_key" not in str(error):
            raise
        raise DuplicateKeyError("Newer work with the same unique key waits already.") from None


def _choose_strategy(dispatch: Dispatch) -> None:
    """Another one, told of what went wrong; one that never failed, only crashed, keeps its own."""
    failures = failure_queries.last_failures_of(dispatch, limit=1)
    if not failures:
        return
    used = dispatch.attempts.order_by("lease_epoch").values_list("strategy", flat=True)
    strategy = policy.next_strategy([Strategy(name) for name in used])
    dispatch.next_strategy = strategy.value
    dispatch.instructions = steps(strategy)


@dataclass(frozen=True)
class _Act:
    verb: str
    sentence: str
    _: KW_ONLY
    actor: str
    reason: str


def _said(sentence: str, reason: str) -> str:
    return f"{sentence} {reason}" if reason else sentence


def _to_pending(dispatch: Dispatch, act: _Act, *, now: datetime) -> Dispatch:
    _move(dispatch, DispatchStatus.PENDING, now=now)
    dispatch.run_at, dispatch.finished_at, dispatch.cancel_requested_at = None, None, None
    dispatch.reason = _said(act.sentence, act.reason)
    if dispatch.open_to_all:
        dispatch.agent, dispatch.agent_until = None, None
    audit(act.verb, dispatch, actor=act.actor, reason=act.reason, now=now)
    settle(dispatch, dispatch.reason, now=now)
    dispatch.save(
        update_fields=[
            "status",
            "run_at",
            "finished_at",
            "cancel_requested_at",
            "reason",
            "agent",
            "agent_until",
            "next_strategy",
            "instructions",
            "max_attempts",
            "max_crashes",
            "updated_at",
        ]
    )
    return dispatch


def _move(dispatch: Dispatch, new: DispatchStatus, *, now: datetime) -> None:
    old = DispatchStatus(dispatch.status)
    dispatch.status = check_move(DISPATCH_MOVES, old, new, noun="dispatch").value
    dispatch.updated_at = now


def _locked(pk: int) -> Dispatch:
    dispatch = Dispatch.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if dispatch is None:
        raise NotFoundError(f"There is no dispatch {pk}.")
    return dispatch
