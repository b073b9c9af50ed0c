"""The good end, in one statement: for one attempt or many.

What it does to a row equals what `reports` does step by step, for attempts that hold their
dispatch. All others (stale, replayed, another agent's) it leaves untouched, and `reports` answers
them. The lease is judged on the dispatch's locked row: an UPDATE that waited for somebody else's
looks again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from agents.models import Agent, Attempt, Dispatch
from agents.services import statements

_FRESH = timedelta(seconds=1)

_COMPLETE = """
WITH given AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(claims)s::varchar[], %(results)s::text[])
        AS g (dispatch_id, claim, result)
), held AS MATERIALIZED (
    SELECT a.id AS attempt_id, a.dispatch_id, a.lease_epoch, a.agent_id, given.result
    FROM given JOIN agents_attempt a USING (claim, dispatch_id)
    WHERE a.outcome = 'running' AND (%(by)s::bigint IS NULL OR a.agent_id = %(by)s::bigint)
), done AS (
    UPDATE agents_dispatch d
    SET status = 'completed', reason = '', lease_seconds = NULL, lease_expires_at = NULL,
        deadline_at = NULL, updated_at = %(now)s, finished_at = %(now)s
    FROM held
    WHERE d.id = held.dispatch_id AND d.lease_epoch = held.lease_epoch AND d.status = 'running'
    RETURNING d.*, held.attempt_id, held.result
), closed AS (
    UPDATE agents_attempt a
    SET outcome = 'succeeded', reason = '', ended_at = %(now)s,
        result = coalesce(done.result::jsonb, a.result), answer = %(answer)s::jsonb
    FROM done WHERE a.id = done.attempt_id
    RETURNING a.*
), calmed AS (
    UPDATE recovery_agentbreaker b
    SET streak = '[]', trips = 0, open_until = NULL, updated_at = %(now)s
    WHERE b.agent_id = ANY (ARRAY(SELECT agent_id FROM done))
      AND NOT (b.streak = '[]' AND b.trips = 0)
), seen AS (
    UPDATE agents_agent SET last_seen_at = %(now)s
    WHERE id = ANY (ARRAY(
        SELECT g.id FROM agents_agent g
        WHERE g.id = ANY (ARRAY(SELECT agent_id FROM done))
          AND (g.last_seen_at IS NULL OR g.last_seen_at < %(fresh)s)
        FOR NO KEY UPDATE SKIP LOCKED))
)
SELECT {found} FROM done JOIN closed ON closed.id = done.attempt_id
"""
_IDS = _COMPLETE.format(found="done.id")


@dataclass(frozen=True, kw_only=True)
class Done:
    """A report of success: for which dispatch, by which claim, with what to show for it."""

    pk: int
    claim: str
    result: Any = None
    evidence: str = ""


def complete_held(
    done: Done, *, by: Agent | None, answer: dict[str, Any], now: datetime
) -> tuple[Dispatch, Attempt] | None:
    """Complete the dispatch if the claim holds it; None when it does not, or is not `by`'s."""
    rows = statements.fetch(_rows_statement(), _params([done], by=by, answer=answer, now=now))
    if not rows:
        return None
    width = len(Dispatch._meta.concrete_fields)
    dispatch = statements.instance(Dispatch, rows[0][:width])
    attempt = statements.instance(Attempt, rows[0][width:])
    attempt.dispatch = dispatch
    if by is not None:
        attempt.agent = by
    return dispatch, attempt


@cache
def _rows_statement() -> str:
    dispatch = statements.columns(Dispatch, of="done")
    return _COMPLETE.format(found=f"{dispatch}, {statements.columns(Attempt, of='closed')}")


def complete_all_held(
    reports: Sequence[Done], *, by: Agent | None, answer: dict[str, Any], now: datetime
) -> set[int]:
    """Complete those that their claims hold; the ids of these dispatches."""
    rows = statements.fetch(_IDS, _params(reports, by=by, answer=answer, now=now))
    return {pk for (pk,) in rows}


def _params(
    reports: Sequence[Done], *, by: Agent | None, answer: dict[str, Any], now: datetime
) -> dict[str, Any]:
    # In the order of ids, so that two batches over the same rows wait for each other in one order.
    ordered = sorted(reports, key=lambda report: report.pk)
    return {
        "ids": [report.pk for report in ordered],
        "claims": [report.claim for report in ordered],
        "results": [_shown(report) for report in ordered],
        "by": None if by is None else by.pk,
        "answer": json.dumps(answer),
        "now": now,
        "fresh": now - _FRESH,
    }


def _shown(report: Done) -> str | None:
    if report.result is None and not report.evidence:
        return None
    return json.dumps({"result": report.result, "evidence": report.evidence})
