"""Who may do what: keys, sessions, the own machine, and web pages that try."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from agents.models import Agent, AgentKey
from agents.services import agents as services
from tests.wire import T0, get, patch, post, refused, rows

pytestmark = pytest.mark.django_db
FAILURE = {"errorType": "build", "errorMessage": "error: no such file"}
WORK = {"title": "Build", "command": "make"}


@pytest.fixture
def key() -> str:
    services.seed_team(now=T0)
    return services.create_key(Agent.objects.get(name="SAM"))


def test_a_key_speaks_for_its_agent_without_a_name(key: str) -> None:
    answer = post("failures", FAILURE, key=key)

    assert answer.status_code == 201
    assert answer.json()["agentName"] == "SAM"


@pytest.mark.parametrize("path", ["failures", "messages"])
def test_a_key_that_names_another_author_is_403_and_changes_nothing(key: str, path: str) -> None:
    bodies = {
        "failures": FAILURE | {"agentName": "LEO"},
        "messages": {"from": "LEO", "to": "MAX", "message": "Hi"},
    }
    before = rows()

    assert refused(post(path, bodies[path], key=key), 403, "forbidden")
    assert rows() == before


def test_an_agent_reads_and_marks_its_own_inbox_alone(key: str) -> None:
    own = post("messages", {"to": "SAM", "message": "Hi"}).json()["id"]
    other = post("messages", {"to": "LEO", "message": "Hi"}).json()["id"]

    assert get("messages?agent=SAM", key=key).status_code == 200
    assert refused(get("messages?agent=LEO", key=key), 403)
    assert post(f"messages/{own}/read", key=key).status_code == 200
    assert refused(post(f"messages/{other}/read", key=key), 403)


def test_an_agent_resolves_its_own_failures_alone(key: str) -> None:
    own = post("failures", FAILURE, key=key).json()["id"]
    other = post("failures", FAILURE | {"agentName": "LEO"}).json()["id"]
    fixed = {"resolution": "Made it.", "outcome": "fixed"}

    assert patch(f"failures/{own}", fixed, key=key).status_code == 200
    assert refused(patch(f"failures/{other}", fixed, key=key), 403)


def test_a_revoked_key_is_401_at_once(key: str) -> None:
    assert get("agents", key=key).status_code == 200
    AgentKey.objects.update(revoked=True)

    assert refused(get("agents", key=key), 401)


@pytest.mark.parametrize("wrong", ["", "x", "a.b", "\x00.\x00", "x" * 10_000, "é.é"])
def test_an_unknown_key_is_401_even_where_none_is_needed(wrong: str) -> None:
    answer = get("agents", key=wrong)

    assert refused(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_another_scheme_is_401() -> None:
    assert refused(get("agents", HTTP_AUTHORIZATION="Basic YTpi"), 401)


def test_a_retired_agents_key_is_401(key: str) -> None:
    Agent.objects.filter(name="SAM").update(retired_at=T0)

    assert refused(get("agents", key=key), 401)


def test_an_operators_key_operates_and_speaks_for_known_agents_only(key: str) -> None:
    operator = services.create_key(None, label="system")

    assert post("failures", FAILURE | {"agentName": "SAM"}, key=operator).status_code == 201
    refused(post("failures", FAILURE | {"agentName": "NEW"}, key=operator), 400, "invalid")
    said = post("messages", {"to": "SAM", "message": "Hi"}, key=operator).json()
    assert said["from"] == "OPERATOR", "nobody but EVOX itself speaks as SYSTEM"


def test_without_a_key_nothing_goes_where_keys_are_required(settings: object) -> None:
    settings.EVOX_REQUIRE_KEY = True  # type: ignore[attr-defined]
    before = rows()

    assert refused(get("agents"), 401)
    assert refused(post("dispatches", WORK), 401)
    assert rows() == before


@pytest.mark.parametrize(
    "header",
    [
        {"HTTP_X_FORWARDED_FOR": "1.2.3.4"},
        {"HTTP_FORWARDED": "for=1.2.3.4"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"REMOTE_ADDR": "10.0.0.7"},
        {"REMOTE_ADDR": ""},
    ],
)
def test_a_call_that_came_from_elsewhere_needs_a_key(header: dict[str, str], key: str) -> None:
    before = rows()

    assert refused(post("dispatches", WORK, **header), 401)
    assert rows() == before
    assert post("dispatches", WORK, key=key, **header).status_code == 201


@pytest.mark.parametrize(
    "header",
    [
        {"HTTP_ORIGIN": "http://evil.example"},
        {"HTTP_ORIGIN": "null"},
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
        {"HTTP_SEC_FETCH_SITE": "same-origin"},
    ],
)
def test_a_web_page_writes_nothing_without_a_key(header: dict[str, str], key: str) -> None:
    before = rows()

    assert refused(post("dispatches", WORK, **header), 403)
    assert rows() == before
    assert get("agents", **header).status_code == 200
    assert post("dispatches", WORK, key=key, **header).status_code == 201


def test_a_strange_host_is_refused() -> None:
    assert refused(get("agents", HTTP_HOST="evil.example"), 400)


def session_of(**more: bool) -> APIClient:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(get_user_model().objects.create_user("ann", **more))
    return client


def test_a_session_reads_and_its_writes_need_the_csrf_token(settings: object) -> None:
    settings.EVOX_REQUIRE_KEY = True  # type: ignore[attr-defined]
    staff = session_of(is_staff=True)

    assert staff.get("/api/v1/agents").status_code == 200
    assert refused(staff.post("/api/v1/dispatches", WORK, format="json"), 403)


def test_a_viewer_reads_only(settings: object) -> None:
    settings.EVOX_REQUIRE_KEY = True  # type: ignore[attr-defined]
    viewer = session_of()
    viewer.handler.enforce_csrf_checks = False

    assert viewer.get("/api/v1/agents").status_code == 200
    assert refused(viewer.post("/api/v1/dispatches", WORK, format="json"), 403)
