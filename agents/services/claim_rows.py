"""What the rows of a claim stand for: dispatches and attempts, as the database holds them now.

A row brings only what could not be known before: the rest need not be written out, travel and be
read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from agents.models import Agent, Attempt, Dispatch
from agents.services import statements
from agents.states import AttemptOutcome, DispatchStatus

# Pending rows have neither run_at nor finished_at, by constraints; the rest a claim writes.
_DISPATCH = {
    "status": DispatchStatus.RUNNING.value,
    "run_at": None,
    "agent_until": None,
    "reason": "",
    "last_marker": "",
    "unmarked_notes": 0,
    "finished_at": None,
}
_ATTEMPT = {
    "ended_at": None,
    "outcome": AttemptOutcome.RUNNING.value,
    "reason": "",
    "result": None,
    "failure_id": None,
    "progress_note": "",
    "answer": None,
}
GIVEN = frozenset({"lease_seconds", "lease_expires_at", "deadline_at"})
"""What the terms of the claim decide."""
KNOWN = GIVEN | frozenset(_DISPATCH) | {"agent_id", "last_progress_at", "updated_at"}
"""The dispatch's attributes that a row leaves out."""
_HOLDER: tuple[Any, ...] = (Dispatch._meta.get_field("agent"), Attempt._meta.get_field("agent"))
_OF_ATTEMPT: Any = Attempt._meta.get_field("dispatch")


@dataclass(frozen=True)
class Claimed:
    """A dispatch and the attempt that now holds it."""

    dispatch: Dispatch
    attempt: Attempt


@dataclass(frozen=True)
class Common:
    """What all rows of a claim share; `given` has the attributes that GIVEN names."""

    agent: Agent
    session: UUID | None
    given: Mapping[str, Any]
    now: datetime


def read(rows: Sequence[statements.Row], tokens: Sequence[str], common: Common) -> list[Claimed]:
    """The claims in their order. A row: the columns but the KNOWN, its place from 1 on (which is
    also that of its token), the attempt's id."""
    agent, now = common.agent, common.now
    claimed = {
        **_DISPATCH,
        **common.given,
        "agent_id": agent.pk,
        "last_progress_at": now,
        "updated_at": now,
    }
    opened = {**_ATTEMPT, "agent_id": agent.pk, "session": common.session, "started_at": now}
    names = statements.names(Dispatch, without=KNOWN)
    read = []
    for *values, place, attempt_id in sorted(rows, key=itemgetter(-2)):
        told = statements.decoded(Dispatch, dict(zip(names, values, strict=True)))
        dispatch = statements.instance_of(Dispatch, claimed | told)
        own = {
            "id": attempt_id,
            "dispatch_id": told["id"],
            "lease_epoch": told["lease_epoch"],
            "strategy": told["next_strategy"],
            "instructions": told["instructions"],
            "claim": tokens[place - 1],
        }
        attempt = statements.instance_of(Attempt, opened | own)
        for field, holder in zip(_HOLDER, (dispatch, attempt), strict=True):
            field.set_cached_value(holder, agent)
        _OF_ATTEMPT.set_cached_value(attempt, dispatch)
        read.append(Claimed(dispatch=dispatch, attempt=attempt))
    return read
