"""People read new words for learnings over REST, and let them through or not; nobody else does."""

from __future__ import annotations

import pytest

from agents.services.agents import create_key
from learnings.models import LearningRevision
from learnings.services.analysis import sweep
from tests.wire import get, post, refused

FIX = "Added the missing export PWNED"
FIELDS = {
    *("id", "learningId", "version", "rule", "why", "solution", "trust", "flags", "source"),
    *("author", "diagnosisId", "failureId", "status", "reason", "createdAt"),
    *("decidedBy", "decidedAt"),
}


@pytest.fixture
def waiting(world) -> LearningRevision:
    world.resolve(world.fail(), FIX)
    world.fail(times=2)
    sweep(now=world.now)
    return LearningRevision.objects.get()


@pytest.fixture
def operator(world) -> str:
    return create_key(None, label="eve")


def test_a_person_reads_what_waits_and_lets_it_through(waiting, operator):
    [shown] = get("learning-revisions?status=proposed", key=operator).json()["results"]
    assert shown.keys() == FIELDS
    assert (shown["id"], shown["trust"], shown["solution"]) == (waiting.pk, "untrusted", FIX)

    path = f"learning-revisions/{waiting.pk}/approve"
    answer = post(path, {"reason": "right"}, key=operator).json()

    assert (answer["status"], answer["trust"], answer["decidedBy"]) == (
        "applied",
        "reviewed",
        "eve",
    )
    assert refused(post(path, {}, key=operator), 409)
    learning = get(f"learnings/{waiting.learning_id}", key=operator).json()
    assert (learning["version"], learning["solution"], learning["trust"]) == (2, FIX, "reviewed")


def test_a_person_keeps_it_away(waiting, operator):
    answer = post(f"learning-revisions/{waiting.pk}/reject", key=operator).json()

    assert answer["status"] == "rejected"
    assert get("learning-revisions?status=proposed", key=operator).json()["results"] == []
    found = get(f"learning-revisions?learning={waiting.learning_id}", key=operator).json()
    assert len(found["results"]) == 1


@pytest.mark.parametrize("name", ["SAM", "LEO", "MAX"])
def test_no_agent_reads_or_decides(world, waiting, name):
    key = create_key(world.agent(name))

    for answer in (
        get("learning-revisions", key=key),
        post(f"learning-revisions/{waiting.pk}/approve", {}, key=key),
        post(f"learning-revisions/{waiting.pk}/reject", {}, key=key),
    ):
        assert refused(answer, 403)
        assert "PWNED" not in answer.content.decode()


def test_words_that_wait_are_in_no_answer_to_an_agent(world, waiting):
    key = create_key(world.agent("LEO"))

    heard = [
        get("agents/LEO/briefing", key=key),
        get("learnings", key=key),
        get(f"learnings/{waiting.learning_id}", key=key),
        get("patterns", key=key),
        get("failures/similar?q=Missing%20import", key=key),
    ]

    assert [answer.status_code for answer in heard] == [200] * 5
    assert not any("PWNED" in answer.content.decode() for answer in heard)


@pytest.mark.parametrize("query", ["status=odd", "learning=0", "learning=x"])
def test_a_bad_filter_is_refused(world, operator, query):
    assert refused(get(f"learning-revisions?{query}", key=operator), 400)


def test_what_is_not_there_is_404(world, operator):
    assert refused(post("learning-revisions/999/approve", {}, key=operator), 404)
