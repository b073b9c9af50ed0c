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
from agents.services.agents import touch_agent

_FRESH = timedelta(seconds=1)

# || '' keeps PostgreSQL from going through all that runs instead of by the key, as it likes to when
# it was told last that nothing runs.
_COMPLETE = """
WITH given (dispatch_id, claim, result) AS (
    {given}
), held AS MATERIALIZED (
    SELECT a.id AS attempt_id, a.dispatch_id, a.lease_epoch, a.agent_id, given.result
    FROM given JOIN agents_attempt a USING (claim, dispatch_id)
    WHERE a.outcome || '' = 'running' AND (%(by)s::bigint IS NULL OR a.agent_id = %(by)s::bigint)
), done AS (
    UPDATE agents_dispatch d
    SET status = 'completed', reason = '', lease_seconds = NULL, lease_expires_at = NULL,
        deadline_at = NULL, updated_at = %(now)s, finished_at = %(now)s
    FROM held
    WHERE d.id = held.dispatch_id AND d.lease_epoch = held.lease_epoch
      AND d.status || '' = 'running'
    RETURNING {dispatch}, held.agent_id AS holder, held.attempt_id, held.result
), closed AS (
    UPDATE agents_attempt a
    SET outcome = 'succeeded', reason = '', ended_at = %(now)s,
        result = coalesce(done.result::jsonb, a.result), answer = %(answer)s::jsonb
    FROM done WHERE a.id = done.attempt_id
    RETURNING {attempt}
), calmed AS (
    UPDATE recovery_agentbreaker b
    SET streak = '[]', trips = 0, open_until = NULL, updated_at = %(now)s
    WHERE b.agent_id = ANY (ARRAY(SELECT holder FROM done))
      AND NOT (b.streak = '[]' AND b.trips = 0)
)
SELECT {found}ARRAY(
    SELECT id FROM agents_agent
    WHERE id = ANY (ARRAY(SELECT holder FROM done))
      AND (last_seen_at IS NULL OR last_seen_at < %(fresh)s))
{source}
"""
# VALUES: PostgreSQL takes the arrays for ten rows, and would plan each lone report anew.
_ONE = "VALUES (%(id)s::bigint, %(claim)s::varchar, %(result)s::text)"
_ALL = "SELECT * FROM unnest(%(ids)s::bigint[], %(claims)s::varchar[], %(results)s::text[])"
MANY = _COMPLETE.format(
    given=_ALL,
    dispatch="d.id",
    attempt="a.dispatch_id",
    found="closed.dispatch_id, ",
    source="FROM closed",
)


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
    with statements.unit():
        rows = statements.fetch(
            one_statement(),
            {
                "id": done.pk,
                "claim": done.claim,
                "result": _shown(done),
                **_params(by=by, answer=answer, now=now),
            },
        )
    if not rows:
        return None
    [(*values, unseen)] = rows
    _touch(unseen, now=now)
    width = len(Dispatch._meta.concrete_fields)
    dispatch = statements.instance(Dispatch, values[:width])
    attempt = statements.instance(Attempt, values[width:])
    attempt.dispatch = dispatch
    if by is not None:
        attempt.agent = by
    return dispatch, attempt


@cache
def one_statement() -> str:
    """The statement that completes one, for `complete_held` and for those who look at its plan."""
    dispatch = statements.columns(Dispatch, of="done")
    attempt = statements.columns(Attempt, of="closed")
    return _COMPLETE.format(
        given=_ONE,
        dispatch=statements.columns(Dispatch, of="d"),
        attempt=statements.columns(Attempt, of="a"),
        found=f"{dispatch}, {attempt}, ",
        source="FROM done JOIN closed ON closed.id = done.attempt_id",
    )


def complete_all_held(
    reports: Sequence[Done], *, by: Agent | None, answer: dict[str, Any], now: datetime
) -> set[int]:
    """Complete those that their claims hold; the ids of these dispatches."""
    # In the order of ids, so that two batches over the same rows wait for each other in one order.
    ordered = sorted(reports, key=lambda report: report.pk)
    with statements.unit():
        rows = statements.fetch(
            MANY,
            {
                "ids": statements.array(report.pk for report in ordered),
                "claims": statements.array(report.claim for report in ordered),
                "results": statements.array(_shown(report) for report in ordered),
                **_params(by=by, answer=answer, now=now),
            },
        )
    if rows:
        _touch(rows[0][1], now=now)
    return {pk for pk, _ in rows}


def _touch(unseen: Sequence[int], *, now: datetime) -> None:
    for pk in unseen:
        touch_agent(Agent(pk=pk), now=now)


def _params(*, by: Agent | None, answer: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "by": None if by is None else by.pk,
        "answer": json.dumps(answer),
        "now": now,
        "fresh": now - _FRESH,
    }


def _shown(report: Done) -> str | None:
    if report.result is None and not report.evidence:
        return None
    return json.dumps({"result": report.result, "evidence": report.evidence})
