"""Taking work, and staying alive while doing it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from agents.errors import NotYoursError
from agents.models import Agent, Attempt, Dispatch
from agents.policy import clip
from agents.queries import current_work
from agents.services import leases
from agents.services.agents import record_heartbeat
from agents.services.claim_rows import Claimed
from agents.services.pauses import is_paused
from agents.services.statements import unit
from agents.states import AgentRole, AgentStatus
from recovery import policy
from recovery.services import guidance, outcomes, sweeps
from recovery.services.gate import WIDE_OPEN, Gate, look
from recovery.services.reports import check_holder

NOTE_LIMIT = 2_000
CLAIM_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Life:
    """What a heartbeat or progress call hears back."""

    heartbeat_seconds: int
    lease_expires_at: datetime | None = None
    cancel_requested: bool = False
    superseded: bool = False
    paused: bool = False
    claim_state: str | None = None
    """live, or why the claim no longer counts; None when none was sent."""


def claim_work(
    agent: Agent,
    *,
    limit: int = 1,
    session: UUID | None = None,
    lease: timedelta | None = None,
    only: int | None = None,
    now: datetime,
) -> list[Claimed]:
    """Sweep a little, then give `agent` up to `limit` dispatches; the CEO takes no work.

    Raises NotYoursError for the CEO, a retired agent, and another agent's session.
    """
    if agent.role == AgentRole.CEO:
        raise NotYoursError("The CEO takes no work.")
    if agent.retired_at is not None:
        raise NotYoursError(f"{agent.name} is retired.")
    request = _Request(
        agent,
        terms=leases.Terms(lease=lease or settings.EVOX_LEASE, deadline=settings.EVOX_DEADLINE),
        limit=max(limit, 1),
        session=session,
        only=only,
    )
    claimed = _claim(request, condition=WIDE_OPEN, now=now)
    if not claimed:
        claimed = _claim_by_steps(request, now=now)
    guidance.complete_instructions(claimed, now=now)
    return claimed


@dataclass(frozen=True)
class _Request:
    agent: Agent
    _: KW_ONLY
    terms: leases.Terms
    limit: int
    session: UUID | None
    only: int | None


def _claim_by_steps(request: _Request, *, now: datetime) -> list[Claimed]:
    """Write the sign of life, sweep, and claim as many as pause and breaker let through."""
    agent, session = request.agent, request.session
    gate = look(agent, session=session, now=now)
    claimed: list[Claimed] = []
    if not gate.wide_open(in_session=session is not None):
        if session is not None and not gate.seen:
            record_heartbeat(agent, status=None, session=session, now=now)
        if gate.sweep_waits:
            sweeps.sweep_a_little(known=True, now=now)
            gate = look(agent, session=session, now=now)  # The sweep may have opened its breaker.
        request = replace(request, limit=_allowed(agent, gate, request.limit, now=now))
        if request.limit == 0:
            return []
        claimed = _claim(request, now=now)
    if not claimed and sweeps.lift_exclusions(now=now):
        claimed = _claim(request, now=now)
    return claimed


def _claim(request: _Request, *, condition: str = "TRUE", now: datetime) -> list[Claimed]:
    for left in reversed(range(CLAIM_TRIES)):
        try:
            with unit():
                return leases.claim_dispatches(
                    request.agent,
                    terms=request.terms,
                    limit=request.limit,
                    session=request.session,
                    only=request.only,
                    condition=condition,
                    now=now,
                )
        except IntegrityError:
            # Two claims met over one unique key; whoever was first runs, the other looks again.
            if left == 0:
                raise
    return []


def _allowed(agent: Agent, gate: Gate, limit: int, *, now: datetime) -> int:
    """How many dispatches the agent may claim: none when paused, else as its breaker says."""
    if gate.paused or gate.breaker.is_open(now=now):
        return 0
    if gate.breaker.is_half_open(now=now):
        return 0 if current_work(agent) else 1
    return limit


def heartbeat_seconds(agent: Agent, lease_seconds: int | None = None) -> int:
    """How often to send signs of life: thrice a lease at least."""
    lease = lease_seconds or int(settings.EVOX_LEASE.total_seconds())
    return max(1, min(agent.heartbeat_seconds, lease // 3))


def heartbeat(
    agent: Agent,
    *,
    claim: str | None = None,
    status: AgentStatus | None = None,
    session: UUID | None = None,
    now: datetime,
) -> Life:
    """A sign of life; with a claim it extends that lease, without one it extends nothing.

    Raises NotYoursError when the claim or session is another agent's.
    """
    record_heartbeat(agent, status=status, session=session, now=now)
    sweeps.sweep_a_little(now=now)
    paused = is_paused(agent, now=now)
    life = Life(heartbeat_seconds=heartbeat_seconds(agent), paused=paused)
    if not claim:
        return life
    attempt = Attempt.objects.select_related("agent").filter(claim=claim).first()
    if attempt is None:
        return replace(life, claim_state="unknown_claim")
    check_holder(attempt, agent)
    dispatch = leases.extend_lease(attempt, now=now)
    if dispatch is None:
        dispatch = Dispatch.objects.get(pk=attempt.dispatch_id)
        attempt.refresh_from_db(fields=["outcome", "reason"])
        gone = leases.stale_claim(attempt, dispatch)
        return replace(
            life,
            cancel_requested=gone.code == "cancelled",
            superseded=gone.code == "superseded",
            claim_state=gone.code,
        )
    return _life(agent, dispatch, paused=paused)


def progress(
    pk: int,
    claim: str,
    *,
    note: str | None,
    marker: str | None,
    by: Agent | None,
    now: datetime,
) -> Life:
    """A sign of life, and of progress when the marker changed or the note counts.

    Raises NotFoundError, NotYoursError, StaleClaimError.
    """
    attempt = leases.attempt_with_claim(pk, claim)
    check_holder(attempt, by)
    with transaction.atomic():
        dispatch = leases.lock_held(attempt)
        mark = policy.next_mark(
            policy.ProgressMark(
                marker=dispatch.last_marker, unmarked_notes=dispatch.unmarked_notes
            ),
            marker=marker,
            note=note,
        )
        if mark is not None:
            dispatch.last_progress_at = now
            dispatch.last_marker, dispatch.unmarked_notes = mark.marker, mark.unmarked_notes
        dispatch.lease_expires_at = now + timedelta(seconds=dispatch.lease_seconds or 0)
        dispatch.save(
            update_fields=["last_progress_at", "last_marker", "unmarked_notes", "lease_expires_at"]
        )
        if note:
            attempt.progress_note = clip(note, NOTE_LIMIT)
            attempt.save(update_fields=["progress_note"])
    record_heartbeat(attempt.agent, status=None, session=attempt.session, now=now)
    return _life(attempt.agent, dispatch, paused=is_paused(attempt.agent, now=now))


def _life(agent: Agent, dispatch: Dispatch, *, paused: bool) -> Life:
    return Life(
        heartbeat_seconds=heartbeat_seconds(agent, dispatch.lease_seconds),
        lease_expires_at=dispatch.lease_expires_at,
        cancel_requested=dispatch.cancel_requested_at is not None,
        superseded=outcomes.waiting_follow_up(dispatch) is not None,
        paused=paused,
        claim_state="live",
    )
