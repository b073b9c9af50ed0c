"""Claims and leases: who holds what, until when, and the fence that keeps others out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection

from agents.errors import NotFoundError, StaleClaimError
from agents.models import Agent, Attempt, Dispatch
from agents.services import claim_rows, statements
from agents.services.claim_rows import Claimed
from agents.states import (
    ATTEMPT_MOVES,
    DISPATCH_MOVES,
    FINISHED,
    AttemptOutcome,
    DispatchStatus,
    check_move,
)

CLAIM_LIMIT = 50

# One statement: two ordered index scans (an OR over both took 25 ms with 100,000 rows addressed to
# somebody else at the head, whatever the index), one UPDATE, one INSERT. The scans stand in CTEs,
# since a LIMIT under a nested loop may lock and update more rows than its limit.
# A row whose key already runs is passed over: its follow-up waits. OFFSET 0 makes the planner ask
# the index about each key that it meets; else it hashes all that runs, at every claim. CASE keeps
# it from guessing how many rows the skills let through: the guess differs with each agent's, so it
# would plan each claim anew (0.4 ms).
_CLAIM = """
WITH gate AS MATERIALIZED (
    SELECT {condition} AS open
), addressed AS MATERIALIZED (
    SELECT id, rank_at FROM agents_dispatch d
    WHERE (SELECT open FROM gate)
      AND status = 'pending' AND agent_id = %(agent)s {extra} AND {key_is_free}
    ORDER BY rank_at, id LIMIT {limit} FOR UPDATE SKIP LOCKED
), open_work AS MATERIALIZED (
    SELECT id, rank_at FROM agents_dispatch d
    WHERE (SELECT open FROM gate) AND status = 'pending' AND agent_id IS NULL {extra}
      AND CASE WHEN required_skills <@ %(skills)s::varchar[]
               THEN NOT %(agent)s = ANY (excluded_agents) END
      AND {key_is_free}
    ORDER BY rank_at, id LIMIT {limit} FOR UPDATE SKIP LOCKED
), picked AS (
    SELECT id, row_number() OVER (ORDER BY rank_at, id) AS n
    FROM (SELECT * FROM addressed UNION ALL SELECT * FROM open_work) AS both_kinds
    ORDER BY rank_at, id LIMIT {limit}
), claimed AS (
    UPDATE agents_dispatch d
    SET status = 'running', agent_id = %(agent)s, agent_until = NULL, attempt = d.attempt + 1,
        lease_epoch = d.lease_epoch + 1, lease_seconds = %(lease_seconds)s,
        lease_expires_at = %(lease_expires_at)s, deadline_at = %(deadline_at)s,
        last_progress_at = %(now)s, last_marker = '', unmarked_notes = 0, reason = '',
        updated_at = %(now)s
    FROM picked WHERE d.id = picked.id
    RETURNING {columns}, picked.n
), opened AS (
    INSERT INTO agents_attempt (dispatch_id, lease_epoch, agent_id, session, strategy,
                                instructions, claim, started_at, outcome, reason, progress_note)
    SELECT id, lease_epoch, %(agent)s, %(session)s::uuid, next_strategy, instructions,
           (%(claims)s::varchar[])[n], %(now)s, 'running', '', ''
    FROM claimed
    RETURNING id, dispatch_id
)
SELECT claimed.*, opened.id FROM claimed JOIN opened ON opened.dispatch_id = claimed.id
"""
_KEY_IS_FREE = """(d.unique_key IS NULL OR NOT EXISTS (
        SELECT 1 FROM agents_dispatch r
        WHERE r.unique_key = d.unique_key AND r.status = 'running' OFFSET 0))"""


@dataclass(frozen=True)
class Terms:
    """What a claim gets: how long its lease is, and when it must be done."""

    lease: timedelta
    deadline: timedelta


@cache
def claim_statement(limit: int, *, one: bool, condition: str) -> str:
    """The statement of a claim, for `claim_dispatches` and for those who look at its plan."""
    # The limit stands in the text: with a parameter there, no plan suits every limit, and
    # PostgreSQL plans anew at each claim.
    return _CLAIM.format(
        condition=condition,
        columns=statements.columns(Dispatch, of="d", without=claim_rows.KNOWN),
        extra="AND d.id = %(only)s" if one else "",
        key_is_free=_KEY_IS_FREE,
        limit=limit,
    )


def claim_dispatches(  # noqa: PLR0913 - what a claim is given
    agent: Agent,
    *,
    terms: Terms,
    limit: int = 1,
    session: UUID | None = None,
    only: int | None = None,
    condition: str = "TRUE",
    now: datetime,
) -> list[Claimed]:
    """Give `agent` the lease of up to `limit` (≤ 50) pending dispatches, the first in rank first.

    It sees work addressed to it, and open work that its skills cover and that doesn't exclude it.
    With `only`, just that dispatch. With `condition` (SQL that may use the claim's values: agent,
    session, now), nothing unless it holds. Concurrent claims pass each other's rows over.
    """
    tokens = _tokens(max(1, min(limit, CLAIM_LIMIT)), now)
    given = {
        "lease_seconds": int(terms.lease.total_seconds()),
        "lease_expires_at": now + terms.lease,
        "deadline_at": now + terms.deadline,
    }
    params: dict[str, Any] = {
        **given,
        "agent": agent.pk,
        "skills": statements.array(agent.skills),
        "session": session,
        "claims": statements.array(tokens),
        "only": only,
        "now": now,
    }
    rows = statements.fetch(
        claim_statement(len(tokens), one=only is not None, condition=condition), params
    )
    common = claim_rows.Common(agent=agent, session=session, given=given, now=now)
    return claim_rows.read(rows, tokens, common)


def _tokens(count: int, now: datetime) -> list[str]:
    """What claims are known by: the second they were given in, then 120 random bits.

    So those of one time stand together in their index. Random ones alone touch pages all over it,
    and each page is written to the log whole when first touched after a checkpoint: with 60,000
    attempts, every third claim paid for a page, and a third of the speed was lost.
    """
    second, bits = f"{int(now.timestamp()):08x}", secrets.token_urlsafe(15 * count)
    return [second + bits[20 * n : 20 * (n + 1)] for n in range(count)]


def attempt_with_claim(dispatch_id: int, claim: str) -> Attempt:
    """The attempt that was given `claim`; raises NotFoundError or StaleClaimError."""
    attempt = (
        Attempt.objects.select_related("agent").filter(dispatch_id=dispatch_id, claim=claim).first()
    )
    if attempt is not None:
        return attempt
    if not Dispatch.objects.filter(pk=dispatch_id).exists():
        raise NotFoundError(f"There is no dispatch {dispatch_id}.")
    raise StaleClaimError("unknown_claim", "This claim was never given for this dispatch.")


def lock_held(attempt: Attempt) -> Dispatch:
    """The dispatch, locked, when `attempt` still holds it; raises StaleClaimError with the reason.

    The row is judged under its lock: it may have moved on since the attempt was read.
    """
    dispatch = Dispatch.objects.select_for_update().get(pk=attempt.dispatch_id)
    if holds(attempt, dispatch):
        return dispatch
    attempt.refresh_from_db(fields=["outcome", "reason"])
    raise stale_claim(attempt, dispatch)


def holds(attempt: Attempt, dispatch: Dispatch) -> bool:
    """Whether this attempt's epoch is the live one."""
    return dispatch.status == DispatchStatus.RUNNING and dispatch.lease_epoch == attempt.lease_epoch


def stale_claim(attempt: Attempt, dispatch: Dispatch) -> StaleClaimError:
    """Why a claim no longer counts, for the machine and for the reader."""
    outcome = AttemptOutcome(attempt.outcome)
    if outcome is AttemptOutcome.LOST:
        return StaleClaimError("expired", f"This claim expired: {attempt.reason}")
    if outcome is AttemptOutcome.SUPERSEDED:
        return StaleClaimError("superseded", f"This claim was superseded: {attempt.reason}")
    if outcome is AttemptOutcome.CANCELLED:
        return StaleClaimError("cancelled", f"This dispatch was cancelled. {attempt.reason}")
    if dispatch.status in FINISHED:
        return StaleClaimError("finished", f"This dispatch is {dispatch.status} already.")
    return StaleClaimError("stale", "This claim was closed; another attempt may hold it now.")


def extend_lease(attempt: Attempt, *, now: datetime) -> Dispatch | None:
    """A whole lease from `now` on, and the row; None when the attempt no longer holds it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE agents_dispatch
               SET lease_expires_at = %s + make_interval(secs => lease_seconds)
               WHERE id = %s AND lease_epoch = %s AND status = 'running'""",
            [now, attempt.dispatch_id, attempt.lease_epoch],
        )
        if cursor.rowcount == 0:
            return None
    return Dispatch.objects.get(pk=attempt.dispatch_id)


def leave_running(dispatch: Dispatch, new: DispatchStatus, *, now: datetime) -> None:
    """Move a locked running row to `new` and clear its lease, in memory; the caller saves it.

    Raises IllegalMoveError when the table doesn't hold the move.
    """
    old = DispatchStatus(dispatch.status)
    dispatch.status = check_move(DISPATCH_MOVES, old, new, noun="dispatch").value
    dispatch.lease_expires_at = dispatch.deadline_at = dispatch.lease_seconds = None
    dispatch.updated_at = now
    if new in FINISHED:
        dispatch.finished_at = now


LEAVE_FIELDS = (
    "status",
    "lease_expires_at",
    "deadline_at",
    "lease_seconds",
    "updated_at",
    "finished_at",
    "reason",
)


def close_attempt(
    attempt: Attempt, outcome: AttemptOutcome, *, reason: str = "", now: datetime
) -> None:
    """Close a running attempt, exactly once; raises IllegalMoveError when it is closed already."""
    closed = Attempt.objects.filter(pk=attempt.pk, outcome=AttemptOutcome.RUNNING.value).update(
        outcome=outcome.value, reason=reason, ended_at=now
    )
    if closed != 1:
        attempt.refresh_from_db(fields=["outcome"])
        check_move(ATTEMPT_MOVES, AttemptOutcome(attempt.outcome), outcome, noun="attempt")
    attempt.outcome, attempt.reason, attempt.ended_at = outcome.value, reason, now
