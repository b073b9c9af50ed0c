"""`Idempotency-Key`: a write that is sent again happens once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.models import Dispatch, IdempotencyRecord
from agents.services.agents import create_key
from failures.models import Failure, Incident
from tests.evox.flat import flat, small_world
from tests.recovery.world import at_once
from tests.wire import refused

FAILURE = {"agentName": "SAM", "errorType": "build", "errorMessage": "Missing import"}
WORK = {"title": "Build", "command": "make"}
INCIDENT = {"agentName": "SAM", "message": "The disk is full again."}
CALLS = [
    ("/api/v1/dispatches", WORK, Dispatch),
    ("/api/v1/incidents", INCIDENT, Incident),
    ("/api/v1/failures", FAILURE, Failure),
    ("/logFailure", FAILURE, Failure),
    ("/logIncident", INCIDENT, Incident),
    ("/createDispatch", {"agentName": "SAM", "command": "make"}, Dispatch),
]


def send(path, body, key="k1", **extra):
    return flat("POST", path, body, HTTP_IDEMPOTENCY_KEY=key, **extra)


@pytest.fixture
def team(db):
    return small_world()


@pytest.mark.parametrize(("path", "body", "model"), CALLS)
def test_the_same_key_and_body_hear_the_same_and_make_one_row(path, body, model, team):
    before = model.objects.count()
    first = send(path, body)

    again = send(path, body)

    assert first.status_code in {200, 201}
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert model.objects.count() == before + 1


@pytest.mark.parametrize(("path", "body", "model"), CALLS)
def test_the_same_key_with_another_body_is_a_conflict(path, body, model, team):
    send(path, body)
    before = model.objects.count()

    assert refused(send(path, body | {"priority": 0, "x": 1}), 409, "idempotency_key_reused")
    assert model.objects.count() == before


@pytest.mark.parametrize("path", ["/logFailure", "/createDispatch"])
def test_another_query_is_another_body(path, team):
    query = "agentName=SAM&errorType=build&errorMessage=boom&command=make"
    assert send(f"{path}?{query}", None).status_code in {200, 201}

    assert refused(send(f"{path}?{query}%20other", None), 409, "idempotency_key_reused")


@pytest.mark.parametrize(("length", "status"), [(255, 201), (256, 400)])
def test_a_key_has_at_most_255_characters(length, status, team):
    assert send("/logFailure", FAILURE, "k" * length).status_code == status


def test_twenty_at_once_make_one_row_and_all_hear_the_same(transactional_db):
    small_world()

    answers = at_once(*[lambda: send("/api/v1/failures", FAILURE)] * 20)

    assert {answer.status_code for answer in answers} == {201}
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert Failure.objects.count() == 1


def test_a_refused_call_can_be_mended_and_sent_with_the_same_key(team):
    assert refused(send("/logFailure", FAILURE | {"errorType": "nonsense"}), 400)

    assert send("/logFailure", FAILURE).status_code == 201


def test_after_a_day_the_key_is_new(team):
    first = send("/logFailure", FAILURE).json()
    record = IdempotencyRecord.objects.get()
    IdempotencyRecord.objects.update(created_at=record.created_at - timedelta(hours=24, seconds=1))

    assert send("/logFailure", FAILURE | {"errorMessage": "Other"}).json()["id"] != first["id"]


def test_the_scope_is_caller_and_path(team):
    sam = Dispatch.objects.get(pk=team["$dispatch"]).agent
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {create_key(sam)}"}

    made = {
        send("/logFailure", FAILURE).json()["id"],
        send("/api/v1/failures", FAILURE).json()["id"],
        send("/logFailure", FAILURE, **bearer).json()["id"],
    }

    assert len(made) == 3
