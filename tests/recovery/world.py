"""The small world that the tests of recovery play in: a team, work, and a clock that is moved."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from agents.models import Agent, Attempt, Dispatch
from agents.services.agents import register_agent
from agents.services.claim_rows import Claimed
from agents.services.dispatches import NewDispatch, create_dispatch
from agents.states import AgentRole, DispatchStatus
from failures.states import ErrorType
from recovery.services import claims, reports
from recovery.services.outcomes import FailureTerms
from recovery.services.reports import Closed, FailureReport

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
LEASE = timedelta(seconds=300)


def hire(
    name: str, *, role: AgentRole = AgentRole.WORKER, skills: list[str] | None = None
) -> Agent:
    """An agent of that name."""
    return register_agent(name, role=role, skills=skills, now=T0)


def queue(title: str = "work", *, now: datetime = T0, **fields: Any) -> Dispatch:
    """A dispatch that somebody asked for."""
    new = NewDispatch(title=title, command="make check", **fields)
    return create_dispatch(new, actor="MAX", now=now)


def take(agent: Agent, *, now: datetime = T0, **fields: Any) -> Claimed:
    """The next dispatch for `agent`; fails the test when there is none."""
    found = claims.claim_work(agent, now=now, **fields)
    assert found, f"There was nothing for {agent.name}."
    return found[0]


def nothing_for(agent: Agent, *, now: datetime = T0) -> bool:
    """Whether a claim comes back with empty hands."""
    return claims.claim_work(agent, now=now) == []


def fail(
    held: Claimed,
    *,
    now: datetime = T0,
    by: Agent | None = None,
    message: str = "AssertionError: 3 != 4",
    error_type: ErrorType = ErrorType.TEST,
    **terms: Any,
) -> Closed:
    """The holder reports a failure."""
    report = FailureReport(
        error_type=error_type, message=message, context={}, terms=FailureTerms(**terms)
    )
    return reports.fail_dispatch(held.dispatch.pk, held.attempt.claim, report, by=by, now=now)


def complete(
    held: Claimed, *, now: datetime = T0, by: Agent | None = None, **fields: Any
) -> Closed:
    """The holder reports that it is done."""
    return reports.complete_dispatch(held.dispatch.pk, held.attempt.claim, by=by, now=now, **fields)


def block(
    held: Claimed, *, now: datetime = T0, by: Agent | None = None, reason: str = "No key."
) -> Closed:
    """The holder asks for a person."""
    return reports.block_dispatch(
        held.dispatch.pk, held.attempt.claim, reason=reason, by=by, now=now
    )


def row(dispatch: Dispatch) -> Dispatch:
    """The dispatch as the database holds it now."""
    return Dispatch.objects.get(pk=dispatch.pk)


def status_of(dispatch: Dispatch) -> DispatchStatus:
    """Where it stands now."""
    return DispatchStatus(row(dispatch).status)


def outcomes_of(dispatch: Dispatch) -> list[str]:
    """How its attempts ended, the first one first."""
    attempts = Attempt.objects.filter(dispatch=dispatch).order_by("lease_epoch")
    return list(attempts.values_list("outcome", flat=True))


def snapshot() -> tuple[list[Any], list[Any]]:
    """Every dispatch and attempt, column by column, to see that nothing changed."""
    return (
        list(Dispatch.objects.order_by("id").values()),
        list(Attempt.objects.order_by("id").values()),
    )


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run each act in a thread of its own, all let go together; their results or exceptions."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - the test looks at what came out
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=len(acts)) as pool:
        return list(pool.map(run, acts))
