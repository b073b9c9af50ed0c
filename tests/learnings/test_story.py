"""One mistake over HTTP, from its third time to its resolution."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.clock import db_now
from agents.models import Message
from agents.services.agents import create_key
from failures.models import GuidanceShown
from learnings.models import Injection, Learning
from learnings.services.analysis import sweep
from tests.wire import get, patch, post

MISTAKE = {"errorType": "build", "errorMessage": "error TS2307: Cannot find module 'left-pad'"}


@pytest.fixture
def keys(world, settings):
    settings.EVOX_REQUIRE_KEY = True
    return {name: create_key(world.agent(name)) for name in ("SAM", "LEO", "MAX")} | {
        "operator": create_key(None)
    }


def fails(key: str) -> dict:
    answer = post("failures", MISTAKE, key=key)
    assert answer.status_code == 201, answer.content
    return answer.json()


def look() -> None:
    """What beat does every ten seconds, a while after the last failure."""
    sweep(now=db_now() + timedelta(milliseconds=1))


def learning(keys) -> dict:
    [one] = get("learnings", key=keys["operator"]).json()["results"]
    return one


def told_to_max() -> list[str]:
    mine = Message.objects.filter(to_agent__name="MAX", subject_kind="learning").order_by("id")
    return list(mine.values_list("text", flat=True))


def stands() -> tuple[int, int, str]:
    """Exposed and unexposed repeats, and the status."""
    row = Learning.objects.get()
    return row.exposed_repeats, row.unexposed_repeats, row.status


def test_a_mistake_is_learned_told_repeated_watched_and_resolved(keys):
    for _ in range(3):
        assert fails(keys["SAM"])["guidance"] == ""
    look()
    assert learning(keys)["status"] == "active"

    claims_and_fails(keys)

    # A fourth, fifth and sixth by agents that had been told.
    fails(keys["LEO"])
    fails(keys["SAM"])
    look()
    assert (learning(keys)["status"], told_to_max()) == ("active", [])
    fails(keys["LEO"])
    look()
    look()
    assert stands() == (3, 1, "watch")
    [text] = told_to_max()
    assert "doesn't hold: 3 failures" in text

    # One that was never told counts apart.
    fails(keys["MAX"])
    look()
    assert stands() == (3, 2, "watch")

    is_resolved_and_comes_back(keys)


def claims_and_fails(keys) -> None:
    """The next claim's briefing and the next failure's answer carry it, and both are kept."""
    work = {"title": "Build it", "command": "make", "agentName": "LEO"}
    work_id = post("dispatches", work, key=keys["operator"]).json()["id"]
    held = post("dispatches/claim", {"agentName": "LEO"}, key=keys["LEO"]).json()
    assert held["dispatch"]["id"] == work_id
    [briefed] = get("agents/LEO/briefing", key=keys["LEO"]).json()["learnings"]
    assert "TS2307" in briefed["text"]
    assert fails(keys["SAM"])["guidance"] == briefed["text"]
    assert Injection.objects.get().agent.name == "LEO"
    assert set(GuidanceShown.objects.values_list("agent__name", "via")) == {
        ("LEO", "briefing"),
        ("SAM", "failure_answer"),
    }
    # SAM hadn't been told before that one: a fault of delivery.
    look()
    assert stands() == (0, 1, "active")


def is_resolved_and_comes_back(keys) -> None:
    """A resolution ends the watch; what comes back after it has regressed, and the owner hears."""
    group = Learning.objects.get().group_id
    body = {"status": "resolved", "resolution": "left-pad is vendored now."}
    assert patch(f"failure-groups/{group}", body, key=keys["SAM"]).status_code == 403
    assert patch(f"failure-groups/{group}", body, key=keys["MAX"]).status_code == 200
    look()
    assert stands() == (0, 0, "active")
    assert len(told_to_max()) == 1

    fails(keys["SAM"])
    look()
    look()
    assert stands() == (1, 0, "active")
    assert "has failed again since" in told_to_max()[1]
    assert len(told_to_max()) == 2
