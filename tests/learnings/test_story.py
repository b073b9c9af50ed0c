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


def test_a_mistake_is_learned_told_repeated_watched_and_resolved(keys):
    for _ in range(3):
        assert fails(keys["SAM"])["guidance"] == ""
    look()
    assert learning(keys)["status"] == "active"

    # The next claim's briefing and the next failure's answer carry it, and both are written down.
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
    row = Learning.objects.get()
    assert (row.exposed_repeats, row.unexposed_repeats, row.status) == (0, 1, "active")

    # A fourth, fifth and sixth by agents that had been told.
    fails(keys["LEO"])
    fails(keys["SAM"])
    look()
    assert (learning(keys)["status"], told_to_max()) == ("active", [])
    fails(keys["LEO"])
    look()
    look()
    row.refresh_from_db()
    assert (row.exposed_repeats, row.unexposed_repeats, row.status) == (3, 1, "watch")
    [text] = told_to_max()
    assert "doesn't hold: 3 failures" in text

    # One that was never told counts apart.
    fails(keys["MAX"])
    look()
    row.refresh_from_db()
    assert (row.exposed_repeats, row.unexposed_repeats) == (3, 2)

    # A resolution ends it.
    group = row.group_id
    body = {"status": "resolved", "resolution": "left-pad is vendored now."}
    assert patch(f"failure-groups/{group}", body, key=keys["SAM"]).status_code == 403
    assert patch(f"failure-groups/{group}", body, key=keys["MAX"]).status_code == 200
    look()
    row.refresh_from_db()
    assert (row.exposed_repeats, row.unexposed_repeats, row.status) == (0, 0, "active")
    assert len(told_to_max()) == 1

    # What comes back after that has regressed, and its owner hears.
    fails(keys["SAM"])
    look()
    look()
    row.refresh_from_db()
    assert (row.exposed_repeats, row.status) == (1, "active")
    assert "has failed again since" in told_to_max()[1]
    assert len(told_to_max()) == 2
