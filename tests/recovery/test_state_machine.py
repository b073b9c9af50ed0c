"""Whatever the order of verbs, crashes and clock jumps: the invariants of recovery hold."""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.recovery.machine import Recovery

STEPS = 100


def walk(steps: int) -> None:
    """At least so many steps, each followed by every invariant."""
    enough = Recovery.steps + steps
    while (left := enough - Recovery.steps) > 0:  # A walk may end before its last step.
        run_state_machine_as_test(
            Recovery,
            settings=settings(
                max_examples=left // STEPS + 1,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],  # shrinking would take minutes; the steps are printed
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.fixture
def quiet(caplog):
    caplog.set_level(logging.CRITICAL)


@pytest.mark.django_db
def test_the_invariants_hold_over_a_thousand_steps(quiet):
    walk(1_000)


@pytest.mark.full
@pytest.mark.parametrize("part", range(4))
@pytest.mark.django_db
def test_the_invariants_hold_over_ten_thousand_steps(quiet, part):
    """In parts, so that as many processes as there are can share them."""
    walk(2_500)
