"""One switch keeps all that was learned from agents, and gives it back as it was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from agents.clock import db_now
from agents.errors import InvalidInputError
from agents.models import AuditEntry
from agents.services.dispatches import NewDispatch, create_dispatch
from failures.models import FailureGroup
from learnings.models import InjectionSwitch
from learnings.services import lifecycle, switch
from learnings.services.analysis import analyse, sweep
from learnings.states import Trigger
from tests.wire import get, post, refused

SECOND = timedelta(seconds=1)


@pytest.fixture
def told(world):
    world.fail(times=3)
    sweep(now=world.now)
    return world.the_learning()


def turn(world, *, on: bool, after: int = 1) -> InjectionSwitch:
    return switch.turn(on=on, actor="max", reason="A bad one", now=world.now + after * SECOND)


def guidance() -> set[str]:
    return set(FailureGroup.objects.values_list("guidance", flat=True))


def test_without_anybody_turning_it_it_is_on(world):
    assert switch.is_on()
    assert switch.state() is None
    assert get("learnings/injection").json() == {"on": True, "by": None, "reason": None, "at": None}


def test_off_takes_guidance_from_all_groups_and_on_gives_the_same_back(world, told):
    world.fail("disk quota exceeded", times=3)
    world.fail("seen once")
    sweep(now=world.now)
    before = dict(FailureGroup.objects.values_list("id", "guidance"))
    assert len([text for text in before.values() if text]) == 2

    turn(world, on=False)
    assert guidance() == {""}
    assert not switch.is_on()

    turn(world, on=True, after=2)
    assert dict(FailureGroup.objects.values_list("id", "guidance")) == before


def test_neither_sweeps_nor_approvals_bring_it_back_while_it_is_off(world, told):
    turn(world, on=False)
    world.fail("disk quota exceeded", times=3, at=world.now + SECOND)

    sweep(now=world.now + 10 * SECOND)
    analyse(Trigger.COMMAND, now=world.now + 20 * SECOND)

    assert guidance() == {""}
    assert sweep(now=world.now + 3600 * SECOND) is None


def test_on_gives_what_is_right_by_then(world, told):
    world.fail("disk quota exceeded", times=3)
    turn(world, on=False)
    sweep(now=world.now + 2 * SECOND)
    lifecycle.retire(told.pk, actor="max", reason="Wrong.", now=world.now + 3 * SECOND)

    turn(world, on=True, after=4)

    [text] = guidance() - {""}
    assert "disk quota" in text


def test_off_silences_briefings_answers_and_instructions_over_rest(world):
    now = db_now()
    world.fail(times=3, at=now)
    sweep(now=now)
    work = NewDispatch(title="Work", command="make", agent=world.agent("SAM"), max_attempts=5)
    create_dispatch(work, actor="x", now=now)
    held = post("dispatches/claim", {"agentName": "SAM"}).json()
    failed = {"errorType": "build", "errorMessage": "Missing import"}
    path = f"dispatches/{held['dispatch']['id']}/fail"
    heard = post(path, {"claim": held["attempt"]["claim"], **failed}).json()
    assert "Missing import" in heard["guidance"]
    assert get("agents/SAM/briefing").json()["learnings"]

    answer = post("learnings/injection", {"on": False, "reason": "A bad one."})

    assert (answer.status_code, answer.json()["on"], answer.json()["by"]) == (200, False, "local")
    assert get("agents/SAM/briefing").json()["learnings"] == []
    assert post("failures", {"agentName": "SAM", **failed}).json()["guidance"] == ""
    post(f"dispatches/{held['dispatch']['id']}/retry", {})
    again = post("dispatches/claim", {"agentName": "SAM"}).json()
    assert "Known fix" not in again["attempt"]["instructions"]


def test_what_was_planned_before_a_retirement_goes_out_without_it(world):
    now = db_now()
    world.fail(times=3, at=now)
    sweep(now=now)
    work = NewDispatch(title="Work", command="make", agent=world.agent("SAM"), max_attempts=5)
    create_dispatch(work, actor="x", now=now)
    held = post("dispatches/claim", {"agentName": "SAM"}).json()
    failed = {"errorType": "build", "errorMessage": "Missing import"}
    path = f"dispatches/{held['dispatch']['id']}"
    post(f"{path}/fail", {"claim": held["attempt"]["claim"], **failed})

    lifecycle.retire(world.the_learning().pk, actor="max", reason="Wrong.", now=now)

    post(f"{path}/retry", {})
    again = post("dispatches/claim", {"agentName": "SAM"}).json()
    assert "Known fix" not in again["attempt"]["instructions"]


def test_health_says_how_it_stands(world):
    assert get("health").json()["injection"] == {"on": True}

    turn(world, on=False)

    shown = get("health").json()["injection"]
    assert (shown["on"], shown["by"], shown["reason"]) == (False, "max", "A bad one")
    assert shown["since"].startswith("2026-11-19T12:00:01")


def test_each_turn_is_audited_and_no_turn_is_not(world):
    turn(world, on=False)
    turn(world, on=False, after=2)
    turn(world, on=True, after=3)

    verbs = AuditEntry.objects.order_by("id").values_list("verb", "actor", "reason")
    assert list(verbs) == [
        ("injection_off", "max", "A bad one"),
        ("injection_on", "max", "A bad one"),
    ]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_turn_needs_a_reason(world, reason):
    with pytest.raises(InvalidInputError):
        switch.turn(on=False, actor="max", reason=reason, now=world.now)
    assert switch.is_on()


def test_a_turn_over_rest_needs_a_reason(world):
    assert refused(post("learnings/injection", {"on": False}), 400, field="reason")
    assert refused(post("learnings/injection", {"reason": "x"}), 400, field="on")


def test_the_database_keeps_one_switch_with_a_reason(world):
    for fields, name in (
        ({"id": 2, "reason": "r"}, "injectionswitch_only_one"),
        ({"id": 1, "reason": ""}, "injectionswitch_has_reason"),
    ):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            InjectionSwitch.objects.create(by="x", at=world.now, **fields)
