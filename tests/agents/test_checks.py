"""What the database refuses of dispatches and attempts, and that forms say so beforehand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from agents.models import Agent, Attempt, Dispatch
from agents.services.agents import register_agent
from agents.services.dispatches import NewDispatch, create_dispatch
from agents.states import AgentRole, AttemptOutcome, DispatchStatus

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LEASE = {"lease_expires_at": T0, "deadline_at": T0, "lease_seconds": 300}
FITS: dict[str, dict[str, Any]] = {
    "pending": {},
    "running": LEASE,
    "retrying": {"run_at": T0},
    "blocked": {"reason": "No key."},
    "completed": {"finished_at": T0},
    "exhausted": {"finished_at": T0},
    "cancelled": {"finished_at": T0},
}
NOTHING = {"reason": "", "run_at": None, "finished_at": None, **dict.fromkeys(LEASE)}

pytestmark = pytest.mark.django_db


@pytest.fixture
def sam() -> Agent:
    return register_agent("SAM", role=AgentRole.WORKER, now=T0)


@pytest.fixture
def dispatch(sam: Agent) -> Dispatch:
    new = NewDispatch(title="work", command="make", agent=sam)
    return create_dispatch(new, actor="ann", now=T0)


def refusal(row: Dispatch | Attempt, **fields: Any) -> str:
    """The constraint that refuses these values, or none; the form must agree."""
    for name, value in fields.items():
        setattr(row, name, value)
    try:
        row.validate_constraints()
        said = ""
    except ValidationError as error:
        said = str(error)
    try:
        with transaction.atomic():
            type(row).objects.filter(pk=row.pk).update(**fields)
    except IntegrityError as error:
        name = str(error).split("check constraint ")[1].split('"')[1]
        assert name in said
        return name
    assert said == ""
    return ""


@pytest.mark.parametrize("status", DispatchStatus)
def test_each_status_is_taken_with_what_belongs_to_it(dispatch, status):
    assert refusal(dispatch, status=status.value, **NOTHING | FITS[status.value]) == ""


@pytest.mark.parametrize("status", ["", "done", "Pending", "pending,running", "{pending}"])
def test_an_unknown_status_is_refused(dispatch, status):
    assert refusal(dispatch, status=status) == "dispatch_status_known"


@pytest.mark.parametrize("outcome", ["", "done", "running,lost"])
def test_an_unknown_outcome_is_refused(dispatch, sam, outcome):
    assert refusal(attempt_of(dispatch, sam), outcome=outcome, ended_at=T0) in {
        "attempt_outcome_known",
        "attempt_closed_has_end",
    }


WRONG = [
    ("running", dict.fromkeys(LEASE), "dispatch_running_has_lease"),
    ("retrying", {"run_at": None}, "dispatch_retrying_has_run_at"),
    *[
        (status, {"finished_at": None}, "dispatch_finished_has_time")
        for status in ("completed", "exhausted", "cancelled")
    ],
    *[
        (status, extra, constraint)
        for status in FITS
        for extra, constraint, only in [
            (LEASE, "dispatch_running_has_lease", {"running"}),
            ({"run_at": T0}, "dispatch_retrying_has_run_at", {"retrying"}),
            (
                {"finished_at": T0},
                "dispatch_finished_has_time",
                {"completed", "exhausted", "cancelled"},
            ),
        ]
        if status not in only
    ],
    *[("running", {missing: None}, "dispatch_running_has_lease") for missing in LEASE],
]


@pytest.mark.parametrize(("status", "extra", "constraint"), WRONG)
def test_what_is_missing_or_belongs_to_another_status_is_refused(
    dispatch, status, extra, constraint
):
    values = NOTHING | FITS[status] | extra
    assert refusal(dispatch, status=status, **values) == constraint


@pytest.mark.parametrize("outcome", AttemptOutcome)
def test_an_attempt_has_an_end_exactly_when_it_is_closed(dispatch, sam, outcome):
    attempt = attempt_of(dispatch, sam)
    right, wrong = (None, T0) if outcome == "running" else (T0, None)
    assert refusal(attempt, outcome=outcome.value, ended_at=wrong) == "attempt_closed_has_end"
    assert refusal(attempt, outcome=outcome.value, ended_at=right) == ""


def attempt_of(dispatch: Dispatch, agent: Agent) -> Attempt:
    return Attempt.objects.create(
        dispatch=dispatch,
        lease_epoch=1,
        agent=agent,
        strategy="first_try",
        claim="c",
        started_at=T0,
    )
