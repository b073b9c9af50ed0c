"""Learnings and patterns over REST."""

from __future__ import annotations

import pytest
from django.test import Client

from agents.services.agents import create_key
from learnings.models import Feedback, Learning
from learnings.services.analysis import analyse
from learnings.services.submissions import NewLearning, submit_learning, vote
from learnings.states import LearningOrigin, Trigger, Vote

FIELDS = {
    *("id", "slug", "category", "title", "problem", "solution", "rule", "scope", "status"),
    *("evidence", "agents", "count", "docPath", "publishedAt", "verdict"),
    *("why", "version", "trust", "votes", "effect"),
}


@pytest.fixture
def now(world):
    from agents.clock import db_now

    world.now = db_now()
    return world.now


def post(client, path, body, **headers):
    return client.post(path, body, content_type="application/json", headers=headers)


def key_of(agent) -> dict[str, str]:
    return {"authorization": f"Bearer {create_key(agent, label='op')}"}


def test_a_learning_has_the_fields_of_the_wire_contract(world, now, client):
    world.fail(times=3)
    analyse(Trigger.COMMAND, now=now)

    answer = client.get("/api/v1/learnings?limit=5").json()

    [learning] = answer["results"]
    assert answer["next"] is None
    assert learning.keys() == FIELDS
    assert (learning["count"], learning["agents"]) == (3, ["SAM"])
    assert (learning["status"], learning["verdict"]) == ("active", "unproven")
    assert client.get(f"/api/v1/learnings/{learning['id']}").json() == learning


def test_the_list_can_be_narrowed(world, now, client):
    world.fail(times=3)
    world.fail("disk quota exceeded", times=3, by="LEO")
    analyse(Trigger.COMMAND, now=now)

    def titles(query: str) -> list[str]:
        found = client.get(f"/api/v1/learnings?{query}").json()["results"]
        return sorted(one["title"] for one in found)

    assert titles("agent=leo") == ["Build failure: disk quota exceeded"]
    assert titles("q=missing") == ["Build failure: Missing import"]
    assert titles("status=retired") == []
    assert len(titles("status=active")) == 2
    assert len(titles("")) == 2


@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=0", 400), ("limit=x", 400), ("status=great", 400), ("agent=NOBODY", 404)],
)
def test_a_bad_filter_is_refused(world, client, query, status):
    answer = client.get(f"/api/v1/learnings?{query}")

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_a_list_goes_on_behind_its_cursor(world, client):
    for number in range(3):
        post(client, "/api/v1/learnings", {"content": f"Thing {number}"})

    first = client.get("/api/v1/learnings?limit=2").json()
    second = client.get(first["next"]).json()

    assert (len(first["results"]), len(second["results"]), second["next"]) == (2, 1, None)


def test_an_agent_proposes_by_category_and_content(world, client):
    body = {"agent": "SAM", "category": "Build Tools", "content": "Use uv.\nIt is fast."}

    answer = post(client, "/api/v1/learnings", body)

    assert answer.status_code == 201
    assert answer.json()["status"] == "proposed"
    learning = world.the_learning()
    assert (learning.title, learning.category) == ("Use uv.", "build-tools")
    assert (learning.origin, learning.proposed_by) == ("agent", "SAM")
    assert learning.rule == "Use uv. It is fast."


def test_an_agent_proposes_in_the_structured_form(world, client):
    body = {
        "agentName": "sam",
        "category": "test",
        "title": "Freeze the clock",
        "problem": "Tests fail at midnight",
        "solution": "Use the fixture",
        "rule": "Freeze the clock in tests of dates.",
        "why": "Three nights of red builds",
        "scope": {"agents": ["leo"], "types": ["test"]},
    }

    answer = post(client, "/api/v1/learnings", body)

    assert answer.status_code == 201
    learning = world.the_learning()
    assert learning.scope == {"agents": ["LEO"], "types": ["test"]}
    assert learning.rule == "Freeze the clock in tests of dates."


def test_the_same_proposal_again_is_the_one_that_waits(world, client):
    body = {"agent": "SAM", "content": "Use uv."}

    first, second = (post(client, "/api/v1/learnings", body).json() for _ in range(2))

    assert first == second
    assert Learning.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"agent": "SAM"},
        {"content": ""},
        {"content": 12},
        {"title": "alone"},
        {"content": "x", "scope": {"agents": "SAM"}},
        {"content": "x", "rule": "x" * 281},
        {"content": "x", "agent": "not a name!"},
        [],
        '"text"',
    ],
)
def test_a_proposal_that_says_nothing_usable_is_refused(world, client, body):
    answer = post(client, "/api/v1/learnings", body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid"
    assert not Learning.objects.exists()


def test_a_key_proposes_as_its_own_agent_only(world):
    client, headers = Client(), key_of(world.agent("SAM"))

    mine = post(client, "/api/v1/learnings", {"content": "x"}, **headers)
    others = post(client, "/api/v1/learnings", {"content": "y", "agent": "LEO"}, **headers)

    assert (mine.status_code, others.status_code) == (201, 403)
    assert world.the_learning().proposed_by == "SAM"


def votes(client, pk, *bodies) -> dict[str, int]:
    for body in bodies:
        answer = post(client, f"/api/v1/learnings/{pk}/vote", body)
        assert answer.status_code == 200, answer.content
    return answer.json()["votes"]


def test_of_each_voter_the_latest_vote_counts(world, client):
    pk = post(client, "/api/v1/learnings", {"content": "x"}).json()["id"]

    said = votes(
        client,
        pk,
        {"helpful": True, "agent": "SAM", "reason": "so"},
        {"vote": "helpful", "agent": "SAM", "reason": "so"},
        {"helpful": True, "agent": "LEO"},
        {"vote": "irrelevant", "agent": "QUINN"},
        {"helpful": False, "agent": "LEO"},
    )

    assert said == {"helpful": 1, "harmful": 1, "irrelevant": 1}
    learning = world.the_learning()
    counts = (learning.helpful_count, learning.harmful_count, learning.irrelevant_count)
    assert counts == (1, 1, 1)
    assert Feedback.objects.count() == 4


def test_who_changes_its_mind_twenty_times_is_heard_no_more(world, client):
    pk = post(client, "/api/v1/learnings", {"content": "x"}).json()["id"]
    for number in range(20):
        votes(client, pk, {"helpful": number % 2 == 0, "agent": "SAM"})

    answer = post(client, f"/api/v1/learnings/{pk}/vote", {"helpful": True, "agent": "SAM"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "too_many_votes")
    assert Feedback.objects.count() == 20
    assert votes(client, pk, {"helpful": True, "agent": "LEO"})["helpful"] == 1


def test_no_secret_of_a_reason_or_a_proposal_is_kept(world):
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    new = NewLearning(
        title=f"T {secret}",
        problem=f"p {secret}",
        rule=f"r {secret}",
        scope={"paths": [f"x/{secret}"]},
    )
    learning = submit_learning(new, author="SAM", origin=LearningOrigin.AGENT, now=world.now)
    vote(learning.pk, Vote.HARMFUL, voter="LEO", reason=f"It says {secret}", now=world.now)

    rows = str(Learning.objects.values().get()) + str(Feedback.objects.values().get())
    assert secret.lower() not in rows.lower()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"helpful": "perhaps"},
        {"helpful": None},
        {"vote": "odd"},
        {"vote": "harmful", "helpful": True},
    ],
)
def test_a_vote_says_whether_it_helped(world, client, body):
    pk = post(client, "/api/v1/learnings", {"content": "x"}).json()["id"]

    assert post(client, f"/api/v1/learnings/{pk}/vote", body).status_code == 400


@pytest.mark.parametrize("path", ["learnings/999", "learnings/999999999999999999"])
def test_a_learning_that_is_not_there_is_404(world, client, path):
    assert client.get(f"/api/v1/{path}").status_code == 404
    assert post(client, f"/api/v1/{path}/vote", {"helpful": True}).status_code == 404


def test_patterns_say_what_keeps_going_wrong_and_what_was_learned(world, now, client):
    failure = world.fail(times=3)
    world.fail("disk quota exceeded", times=2)
    [before] = client.get("/api/v1/patterns").json()["results"]
    analyse(Trigger.COMMAND, now=now)

    [after] = client.get("/api/v1/patterns").json()["results"]

    assert before["learningId"] is None
    assert after == {
        "errorType": "build",
        "message": "Missing import",
        "count": 3,
        "agents": ["SAM"],
        "groupId": failure.group_id,
        "learningId": world.the_learning().pk,
    }


@pytest.mark.parametrize("path", ["learnings", "learnings/1", "patterns", "agents/SAM/briefing"])
def test_nobody_reads_without_a_key_where_keys_are_required(world, settings, client, path):
    settings.EVOX_REQUIRE_KEY = True

    assert client.get(f"/api/v1/{path}").status_code == 401


def test_nobody_writes_without_a_key_where_keys_are_required(world, settings, client):
    settings.EVOX_REQUIRE_KEY = True

    assert post(client, "/api/v1/learnings", {"content": "x"}).status_code == 401
    assert post(client, "/api/v1/learnings/1/vote", {"helpful": True}).status_code == 401
