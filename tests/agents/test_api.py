"""Agents, dispatches and messages over the wire: the shape of every answer."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

import pytest

from agents.models import Agent, Dispatch, Message
from agents.services import agents as services
from agents.services.leases import Terms, claim_dispatches
from tests.wire import T0, get, patch, post, refused, rows

pytestmark = pytest.mark.django_db

AGENT = {"name", "role", "skills", "status", "lastSeenAt", "dispatch", "pausedUntil", "pauseReason"}
DISPATCH = {
    *("id", "title", "command", "payload", "priority", "status", "reason", "agentName", "skills"),
    *("ticketId", "uniqueKey", "maxAttempts", "retryAt", "createdAt", "finishedAt", "attempts"),
}
ATTEMPT = {
    *("number", "agentName", "strategy", "instructions", "startedAt", "endedAt", "outcome"),
    *("reason", "failureId"),
}
MESSAGE = {"id", "from", "to", "channel", "message", "priority", "createdAt", "readAt"}
BUILD = {"title": "Build", "command": "make"}


@pytest.fixture(autouse=True)
def team() -> None:
    services.seed_team(now=T0)


def cursor(text: str) -> str:
    return b64encode(text.encode()).decode()


def test_agents_are_listed_by_name_in_pages() -> None:
    first = get("agents?limit=3").json()
    second = get(first["next"].split("/api/v1/")[1]).json()

    names = [agent["name"] for agent in first["results"] + second["results"]]
    assert names == ["ALEX", "LEO", "MAX", "QUINN", "SAM"]
    assert second["next"] is None
    assert all(agent.keys() == AGENT for agent in first["results"])


def test_one_agent_is_found_in_any_case_with_its_work() -> None:
    dispatch = post("dispatches", BUILD).json()
    terms = Terms(lease=timedelta(minutes=5), deadline=timedelta(hours=4))
    claim_dispatches(Agent.objects.get(name="SAM"), terms=terms, now=T0)

    assert get("agents/sam").json()["dispatch"] == dispatch["id"]
    attempt = get(f"dispatches/{dispatch['id']}").json()["attempts"][0]
    assert attempt.keys() == ATTEMPT
    assert (attempt["number"], attempt["agentName"]) == (1, "SAM")


def test_work_is_queued_with_all_its_fields() -> None:
    body = BUILD | {
        "payload": {"deep": [1, {"x": None}], "big": 10**30},
        "priority": "urgent",
        "agentName": "sam",
        "skills": ["python"],
        "ticketId": "T-1",
        "uniqueKey": "nightly",
        "notBefore": "2999-01-01T00:00:00Z",
        "expectedProgressEvery": 60,
        "maxAttempts": 2,
    }
    answer = post("dispatches", body)

    assert answer.status_code == 201
    made = answer.json()
    assert made.keys() == DISPATCH
    assert (made["status"], made["priority"], made["agentName"]) == ("retrying", 0, "SAM")
    assert (made["retryAt"], made["attempts"]) == ("2999-01-01T00:00:00Z", [])
    assert made["payload"] == body["payload"]
    assert get(f"dispatches/{made['id']}").json() == made
    assert get("dispatches?status=retrying&agent=SAM").json()["results"] == [made]
    assert get("dispatches?status=pending").json() == {"results": [], "next": None}
    refused(post("dispatches", body), 409, "duplicate_unique_key")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"title": 12}, "title"),
        ({"title": None}, "title"),
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"command": ["make"]}, "command"),
        ({"command": "x" * 16_001}, "command"),
        ({"payload": []}, "payload"),
        ({"payload": None}, "payload"),
        ({"priority": 4}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": 10**30}, "priority"),
        ({"priority": {}}, "priority"),
        ({"priority": "soon"}, "priority"),
        ({"agentName": "NOBODY"}, "agentName"),
        ({"agentName": 7}, "agentName"),
        ({"agentName": "no\x00body"}, "agentName"),
        ({"skills": "python"}, "skills"),
        ({"skills": [7]}, "skills"),
        ({"skills": ["a"] * 21}, "skills"),
        ({"notBefore": "tomorrow"}, "notBefore"),
        ({"notBefore": 12345}, "notBefore"),
        ({"notBefore": []}, "notBefore"),
        ({"notBefore": "9999-12-31T23:59:59-12:00"}, "notBefore"),
        ({"expectedProgressEvery": 0}, "expectedProgressEvery"),
        ({"expectedProgressEvery": 10**40}, "expectedProgressEvery"),
        ({"maxAttempts": 21}, "maxAttempts"),
        ({"maxAttempts": "many"}, "maxAttempts"),
        ({"uniqueKey": ""}, "uniqueKey"),
        ({"ticketId": "x" * 65}, "ticketId"),
    ],
)
def test_a_wrong_field_of_new_work_is_named_and_changes_nothing(wrong: dict, field: str) -> None:
    before = rows()

    assert refused(post("dispatches", BUILD | wrong), 400, "invalid", field)
    assert rows() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"null", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"{", 400),
        (b"not json", 400),
        (b"\xff\xfe\xfd", 400),
        (b'{"title": NaN}', 400),
        (b'{"title": "a", "command": "b", "payload": {"x": 1e999}}', 400),
        (b'{"title": "a", "command": "b", "payload": {"x": -Infinity}}', 400),
        (b'{"title": "a", "command": "b", "payload": {"x": ' + b"9" * 5000 + b"}}", 400),
        (
            b'{"title": "a", "command": "b", "payload": {"x": ' + b"[" * 100 + b"]" * 100 + b"}}",
            400,
        ),
        (b"[" * 200_000, 400),
        (b'{"title": "' + b"x" * 2_000_000 + b'"}', 413),
    ],
)
@pytest.mark.parametrize("path", ["dispatches", "messages", "failures"])
def test_a_body_that_is_no_object_of_ours_is_refused(path: str, body: bytes, status: int) -> None:
    before = rows()

    assert refused(post(path, body), status)
    assert rows() == before


@pytest.mark.parametrize("path", ["dispatches", "messages", "failures"])
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
def test_anything_but_json_is_415(path: str, kind: str) -> None:
    assert refused(post(path, b"title=x&command=y", content_type=kind), 415)
    assert Dispatch.objects.count() == 0


@pytest.mark.parametrize(
    "odd",
    [b"a\\u0000b", b"a\\ud800b", b"a\\uDFFFb", b"a\xed\xa0\x80b"],
    ids=["NUL", "high surrogate", "low surrogate", "raw surrogate"],
)
def test_what_text_columns_cannot_hold_is_replaced_not_refused(odd: bytes) -> None:
    answer = post(
        "dispatches",
        b'{"title": "%b", "command": "c", "payload": {"%b": ["%b"]}}' % (odd, odd, odd),
    )

    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert set(made["title"]) == {"a", "\ufffd", "b"}
    assert made["payload"] == {made["title"]: [made["title"]]}


def test_characters_beyond_the_basic_plane_stay() -> None:
    answer = post("dispatches", b'{"title": "\\ud83d\\ude00 ok", "command": "c"}')

    assert answer.json()["title"] == "😀 ok"


@pytest.mark.parametrize("path", ["agents", "dispatches", "failures", "failure-groups"])
@pytest.mark.parametrize("limit", ["-1", "0", "201", "x", "", "1.5", "٣", "9" * 40])
def test_a_strange_limit_is_refused(path: str, limit: str) -> None:
    assert refused(get(f"{path}?limit={limit}"), 400, "invalid", "limit")


@pytest.mark.parametrize("path", ["agents", "dispatches", "failures", "failure-groups"])
@pytest.mark.parametrize(
    "text", ["!", "p=abc", "p=%00", "p=" + "9" * 60, "o=-1", "r=1&p=abc", "p=2026-13-45"]
)
def test_a_made_up_cursor_is_never_a_defect(path: str, text: str) -> None:
    for raw in (text, cursor(text)):
        answer = get(f"{path}?cursor={raw}")
        assert answer.status_code == 200 or refused(answer, answer.status_code)
        assert answer.status_code < 500


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("dispatches/0", 404),
        ("dispatches/999999999999999999", 404),
        (f"dispatches/{'9' * 40}", 404),
        ("dispatches/-1", 404),
        ("dispatches/abc", 404),
        ("agents/NOBODY", 404),
        ("agents/%00", 404),
        ("agents/%ED%A0%80", 404),
        ("nowhere", 404),
        ("dispatches?status=odd", 400),
        ("dispatches?agent=NOBODY", 404),
        ("dispatches?agent=%00", 400),
        ("messages", 400),
        ("messages?agent=NOBODY", 404),
        ("messages?channel=nowhere", 404),
        ("messages?agent=SAM&unread=perhaps", 400),
    ],
)
def test_a_wrong_address_or_filter_has_the_error_shape(path: str, status: int) -> None:
    assert refused(get(path), status)


def test_a_method_that_is_not_there_is_405() -> None:
    assert refused(patch("dispatches", {}), 405)
    assert refused(post("agents", {}), 405)


def test_a_message_is_sent_listed_and_read() -> None:
    sent = post("messages", {"from": "leo", "to": "sam", "message": "Done.", "priority": 1})
    post("messages", {"channel": "#dev", "message": "x" * 20_000})

    assert sent.status_code == 201
    message = sent.json()
    assert message.keys() == MESSAGE
    assert (message["from"], message["to"], message["channel"]) == ("LEO", "SAM", None)
    assert get("messages?agent=SAM&unread=true").json()["results"] == [message]
    post_in_dev = get("messages?channel=dev").json()["results"][0]
    assert (post_in_dev["from"], len(post_in_dev["message"]) <= 16_000) == ("LOCAL", True)

    read = post(f"messages/{message['id']}/read").json()
    assert read["readAt"] is not None
    assert get("messages?agent=SAM&unread=true").json()["results"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": "SAM"}, "message"),
        ({"to": "SAM", "message": ""}, "message"),
        ({"to": "SAM", "message": 7}, "message"),
        ({"message": "Hi"}, "to"),
        ({"to": "SAM", "channel": "dev", "message": "Hi"}, "to"),
        ({"from": "NEW", "to": "NOBODY", "message": "Hi"}, "to"),
        ({"from": "NEW", "channel": "nowhere", "message": "Hi"}, "channel"),
        ({"from": "SYSTEM", "to": "SAM", "message": "Hi"}, "from"),
        ({"from": 7, "to": "SAM", "message": "Hi"}, "from"),
    ],
)
def test_a_wrong_message_is_refused_and_registers_nobody(body: dict, field: str) -> None:
    before = rows()

    assert refused(post("messages", body), 400, "invalid", field)
    assert rows() == before


def test_reading_a_message_that_is_not_there_is_404() -> None:
    assert refused(post("messages/7/read"), 404)
    assert Message.objects.count() == 0
