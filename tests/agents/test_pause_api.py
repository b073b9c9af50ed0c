"""Pausing over REST: who may, what is refused by which field, and what agents show."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from agents.clock import db_now
from agents.models import Agent, AuditEntry, Pause
from agents.services import pauses
from agents.services.agents import create_key, register_agent, retire_agent
from agents.states import AgentRole
from tests.wire import T0, get, post, refused, rows

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
BODY = {"minutes": 60, "reason": "Disk swap"}


@pytest.fixture(autouse=True)
def sam() -> Agent:
    return register_agent("SAM", now=T0)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_pause_of_minutes_ends_so_many_minutes_from_now() -> None:
    answer = post("agents/sam/pause", BODY).json()

    assert answer["agentName"] == "SAM"
    assert (answer["reason"], answer["startedBy"]) == ("Disk swap", "local")
    assert (answer["liftedAt"], answer["liftedBy"]) == (None, "")
    lasts = instant(answer["until"]) - instant(answer["startedAt"])
    assert lasts == HOUR
    assert abs(instant(answer["startedAt"]) - db_now()) < timedelta(seconds=30)


def test_a_pause_may_name_its_end() -> None:
    until = (db_now() + timedelta(hours=3)).replace(microsecond=0)

    answer = post("pause", {"until": until.isoformat(), "reason": "Freeze"}).json()

    assert (instant(answer["until"]), answer["agentName"]) == (until, None)


@pytest.mark.parametrize("path", ["agents/SAM/pause", "pause"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({"minutes": 60}, "reason"),
        ({"minutes": 60, "reason": "  "}, "reason"),
        ({"minutes": 60, "reason": 7}, "reason"),
        ({"minutes": 60, "reason": "x" * 501}, "reason"),
        ({"reason": "Why"}, "minutes"),
        ({"reason": "Why", "minutes": 0}, "minutes"),
        ({"reason": "Why", "minutes": 10_081}, "minutes"),
        ({"reason": "Why", "minutes": "soon"}, "minutes"),
        ({"reason": "Why", "minutes": None}, "minutes"),
        ({"reason": "Why", "minutes": 1, "until": "2100-01-01T00:00:00Z"}, "minutes"),
        ({"reason": "Why", "until": "2100-01-01T00:00:00Z"}, "until"),
        ({"reason": "Why", "until": "2001-01-01T00:00:00Z"}, "until"),
        ({"reason": "Why", "until": "9999-12-31T23:59:59-12:00"}, "until"),
        ({"reason": "Why", "until": "tomorrow"}, "until"),
    ],
)
def test_a_pause_without_a_near_end_or_a_reason_is_refused_by_its_field(path, body, field) -> None:
    before = rows()

    assert refused(post(path, body), 400, "invalid", field)
    assert rows() == before


def test_the_longest_and_the_shortest_pause_are_taken() -> None:
    for minutes in (10_080, 1):
        assert post("agents/SAM/pause", {"minutes": minutes, "reason": "Why"}).status_code == 200


def test_an_unknown_agent_is_404_and_a_retired_one_400(sam) -> None:
    for verb in ("pause", "resume"):
        assert refused(post(f"agents/NOBODY/{verb}", BODY | {}), 404, "not_found")
    retire_agent(sam, now=T0)
    assert refused(post("agents/SAM/pause", BODY), 400, "invalid", "name")


def test_resuming_answers_what_was_lifted_and_then_409() -> None:
    for path, reason in (("agents/SAM/", "Disk is in"), ("", "")):
        made = post(f"{path}pause", BODY).json()
        lifted = post(f"{path}resume", {"reason": reason}).json()

        assert (lifted["id"], lifted["liftedBy"]) == (made["id"], "local")
        assert instant(lifted["liftedAt"]) >= instant(made["startedAt"])
        assert refused(post(f"{path}resume"), 409, "not_paused")
        entry = AuditEntry.objects.filter(verb="resume").first()
        assert entry is not None
        assert entry.reason == reason
    assert refused(post("resume", {"reason": "x" * 501}), 400, "invalid", "reason")


def test_the_list_holds_what_runs_and_nothing_that_is_over(sam) -> None:
    leo = register_agent("LEO", now=T0)
    before = db_now() - timedelta(hours=2)
    pauses.pause(leo, until=before + HOUR, reason="Over", actor="MAX", now=before)
    post("agents/SAM/pause", BODY)
    post("pause", BODY | {"reason": "Freeze"})

    listed = get("pauses").json()

    assert [(row["agentName"], row["reason"]) for row in listed["results"]] == [
        (None, "Freeze"),
        ("SAM", "Disk swap"),
    ]
    assert listed["next"] is None


def test_an_agent_shows_until_when_it_is_paused_and_why() -> None:
    assert [get("agents/SAM").json()[name] for name in ("pausedUntil", "pauseReason")] == [None] * 2

    own = post("agents/SAM/pause", BODY).json()
    shown = get("agents/SAM").json()
    assert (shown["pausedUntil"], shown["pauseReason"]) == (own["until"], "Disk swap")

    everybodys = post("pause", {"minutes": 600, "reason": "Freeze"}).json()
    [listed] = get("agents").json()["results"]
    assert (listed["pausedUntil"], listed["pauseReason"]) == (everybodys["until"], "Freeze")

    post("resume")
    assert get("agents/SAM").json()["pausedUntil"] == own["until"]


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (AgentRole.LEAD, True),
        (AgentRole.CEO, True),
        (AgentRole.WORKER, False),
        (AgentRole.REVIEWER, False),
    ],
)
def test_those_who_lead_may_pause_and_others_may_not(role, allowed, settings) -> None:
    key = create_key(register_agent("KIM", role=role, now=T0))
    settings.EVOX_REQUIRE_KEY = True

    for path in ("agents/SAM/pause", "agents/SAM/resume", "pause", "resume"):
        answer = post(path, BODY if path.endswith("pause") else {}, key=key)
        assert answer.status_code == 200 if allowed else refused(answer, 403)
    assert set(Pause.objects.values_list("started_by", flat=True)) == (
        {"KIM"} if allowed else set()
    )


def test_a_paused_agent_hears_204_for_work_and_paused_for_a_heartbeat() -> None:
    post("dispatches", {"title": "Build", "command": "make", "agentName": "SAM"})
    post("agents/SAM/pause", BODY)

    assert post("dispatches/claim", {"agentName": "SAM"}).status_code == 204
    assert post("agents/SAM/heartbeat", {}).json()["paused"] is True

    post("agents/SAM/resume")
    assert post("agents/SAM/heartbeat", {}).json()["paused"] is False
    claimed = post("dispatches/claim", {"agentName": "SAM"}).json()
    progress = {"claim": claimed["attempt"]["claim"], "marker": "a1"}
    work = f"dispatches/{claimed['dispatch']['id']}/progress"
    assert post(work, progress).json()["paused"] is False
    post("pause", BODY)
    assert post(work, progress).json()["paused"] is True
