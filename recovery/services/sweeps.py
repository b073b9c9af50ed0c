"""What time alone must do: due retries, lost leases, deadlines, lapsed addressing.

Beat sweeps every few seconds; every claim and heartbeat sweeps a little, too, so that recovery
goes on with Redis, worker and beat all dead. A sweep is a predicate and a guarded write: safe
twice, late, or on eight machines at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from agents.models import Attempt, Dispatch
from agents.models.dispatch import DispatchQuerySet
from agents.models.message import SYSTEM
from agents.services import records, statements
from agents.services.leases import LEAVE_FIELDS, close_attempt, leave_running
from agents.states import AttemptOutcome, DispatchStatus
from failures.states import ErrorType
from recovery import policy, queries
from recovery.services import outcomes
from recovery.services.reports import FailureReport, log_and_plan

logger = logging.getLogger(__name__)

SWEEP_LOCK = 0x45564F01
"""Key of the advisory lock that one sweep at a time holds."""
LIMIT = 500
LITTLE = 10
OTHERS_HAVE = timedelta(minutes=15)
"""So long work waits for agents that could take it but show no life."""
LOST_FIELDS = (
    *LEAVE_FIELDS,
    "crash_count",
    "attempt",
    "agent",
    "agent_until",
    "excluded_agents",
    "open_to_all",
)
STATEMENT_TIMEOUT_MS = 5_000

# Only a retrying row has a run_at, only a running one a lease and a deadline: without the status,
# there is but one index to go by. The order keeps PostgreSQL on it, too: asked by EXISTS for a time
# that it doesn't know yet, it expects to meet a third of the rows and reads them all.
ANYTHING_TO_DO = """
    (SELECT id FROM agents_dispatch WHERE run_at <= %(now)s
     ORDER BY run_at LIMIT 1) IS NOT NULL
    OR (SELECT id FROM agents_dispatch WHERE lease_expires_at <= %(now)s
        ORDER BY lease_expires_at LIMIT 1) IS NOT NULL
    OR (SELECT id FROM agents_dispatch WHERE deadline_at <= %(now)s
        ORDER BY deadline_at LIMIT 1) IS NOT NULL
    OR (SELECT id FROM agents_dispatch WHERE status = 'pending' AND agent_until <= %(now)s
        ORDER BY agent_until LIMIT 1) IS NOT NULL
"""


@dataclass(frozen=True)
class Swept:
    """How many rows each part of a sweep moved."""

    lost: int = 0
    overdue: int = 0
    released: int = 0
    opened: int = 0
    lifted: int = 0


def sweep(*, limit: int = LIMIT, now: datetime) -> Swept | None:
    """One round over at most `limit` rows a part; None when another sweep is at it."""
    with transaction.atomic():
        if not _sole_sweeper():
            return None
        rows = Dispatch.objects
        return Swept(
            lost=_each(rows.all().lease_expired, lose_lease, limit=limit, now=now),
            overdue=_each(rows.all().past_deadline, end_overdue, limit=limit, now=now),
            released=_each(rows.all().due, release_retry, limit=limit, now=now),
            opened=_each(rows.all().address_lapsed, open_up, limit=limit, now=now),
            lifted=lift_exclusions(limit=limit, now=now),
        )


def sweep_and_sign(*, now: datetime) -> Swept | None:
    """A whole round by beat, and the sign of life that the page and /readyz look for."""
    swept = sweep(now=now)
    records.beat("sweeper", now=now)
    return swept


def sweep_a_little(*, known: bool = False, now: datetime) -> None:
    """A short round for claims and heartbeats; its failure must not become theirs.

    With `known` the caller has asked ANYTHING_TO_DO already.
    """
    try:
        if known or statements.fetch(f"SELECT {ANYTHING_TO_DO}", {"now": now})[0][0]:
            sweep(limit=LITTLE, now=now)
    except Exception:
        logger.exception("A sweep inside a call failed; the call goes on.")


def _sole_sweeper() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SWEEP_LOCK])
        sole: bool = cursor.fetchone()[0]
        if sole:
            cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS:d}")
    return sole


def _each(
    predicate: Callable[..., DispatchQuerySet],
    act: Callable[[Dispatch, datetime], None],
    *,
    limit: int,
    now: datetime,
) -> int:
    """Apply `act` to each row, in a savepoint of its own: one bad row must not strand the rest."""
    moved = 0
    for pk in sorted(predicate(now=now).values_list("id", flat=True)[:limit]):
        try:
            with transaction.atomic():
                row = predicate(now=now).select_for_update(skip_locked=True).filter(pk=pk).first()
                if row is not None:
                    act(row, now)
                    moved += 1
        except Exception:
            # Whatever is wrong with it, a row that no sweep can move must not stop all the others.
            logger.exception("Sweeping dispatch %s failed; it is left for the next round.", pk)
    return moved


def release_retry(dispatch: Dispatch, now: datetime) -> None:
    """A retry, hold or later start is due: back to the queue."""
    dispatch.status, dispatch.run_at = DispatchStatus.PENDING.value, None
    dispatch.updated_at = now
    dispatch.save(update_fields=["status", "run_at", "updated_at"])


def open_up(dispatch: Dispatch, now: datetime) -> None:
    """Whom it was kept for did not come: all may take it."""
    dispatch.agent, dispatch.agent_until = None, None
    dispatch.updated_at = now
    dispatch.save(update_fields=["agent", "agent_until", "updated_at"])


def lift_exclusions(*, limit: int = LITTLE, now: datetime) -> int:
    """Let the excluded back in where nobody else can or comes; how many dispatches that was."""
    rows = Dispatch.objects.all().shutting_out
    return _each(rows, _lift_when_alone, limit=limit, now=now)


def _lift_when_alone(dispatch: Dispatch, now: datetime) -> None:
    barred = set(dispatch.excluded_agents)
    able = queries.able_agents(dispatch.required_skills, now=now)
    others = [agent for agent in able if agent.pk not in barred]
    waits_for_somebody = now - dispatch.updated_at < OTHERS_HAVE
    if any(agent.is_online(now=now) for agent in others) or (others and waits_for_somebody):
        return
    dispatch.excluded_agents = []
    dispatch.reason = "Nobody else came for it, so those who failed it may try again."
    dispatch.updated_at = now
    dispatch.save(update_fields=["excluded_agents", "reason", "updated_at"])
    records.audit("lift_exclusion", dispatch, actor=SYSTEM, reason=dispatch.reason, now=now)


def lose_lease(dispatch: Dispatch, now: datetime) -> None:
    """The holder went silent. Not a failure of the work: no try is used up, a crash is counted."""
    attempt = _running_attempt(dispatch)
    follow_up = outcomes.waiting_follow_up(dispatch)
    if follow_up is not None:
        outcomes.supersede(dispatch, attempt, follow_up, outcome=AttemptOutcome.LOST, now=now)
        return
    if dispatch.cancel_requested_at is not None:
        outcomes.cancel_running(dispatch, attempt, outcome=AttemptOutcome.LOST, now=now)
        return
    silence = policy.spoken(now - (dispatch.lease_expires_at or now))
    dispatch.crash_count += 1
    dispatch.attempt -= 1
    dispatch.reason = (
        f"{attempt.agent.name} went silent, and its lease ran out {silence} ago"
        f" (crash {dispatch.crash_count} of {dispatch.max_crashes})."
    )
    given_up = dispatch.crash_count >= dispatch.max_crashes
    if given_up:
        dispatch.reason += " Given up."
    close_attempt(attempt, AttemptOutcome.LOST, reason=dispatch.reason, now=now)
    if given_up:
        outcomes.exhaust(dispatch, now=now)
    else:
        leave_running(dispatch, DispatchStatus.PENDING, now=now)
        if queries.online_others_for(dispatch, attempt.agent, now=now):
            outcomes.give_to_others(dispatch)
        elif dispatch.open_to_all:
            dispatch.agent = None
    dispatch.save(update_fields=LOST_FIELDS)


def end_overdue(dispatch: Dispatch, now: datetime) -> None:
    """Alive perhaps, but past its deadline: a failure like any other.

    Its words have one shape, however long it ran: failures of one shape are one group.
    """
    attempt = _running_attempt(dispatch)
    minutes = (now - attempt.started_at) // timedelta(minutes=1)
    message = f"Ran for {minutes} min, past its deadline, without a result."
    log_and_plan(
        dispatch, attempt, FailureReport(error_type=ErrorType.TIMEOUT, message=message), now=now
    )
    attempt.save(update_fields=["failure_id"])


def _running_attempt(dispatch: Dispatch) -> Attempt:
    return Attempt.objects.select_related("agent").get(
        dispatch=dispatch, lease_epoch=dispatch.lease_epoch
    )
