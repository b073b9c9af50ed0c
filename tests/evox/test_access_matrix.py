"""Who may call what, once keys are required: a row for every address, walked from the resolver."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from agents.clock import db_now
from agents.models import Agent, AgentKey
from agents.services.agents import create_key
from failures.models import Failure
from learnings.models import LearningRevision
from recovery.services.claims import claim_work
from tests.evox.flat import flat, small_world
from tests.wire import rows

CALLERS = ("own", "other", "operator", "revoked", "none")
FAILURE = {"errorType": "build", "errorMessage": "Missing import"}
SAMS_FAILURE = {**FAILURE, "agentName": "SAM"}
SNOOZE = {"until": "$soon", "reason": "Later."}
PAUSE = {"minutes": 60, "reason": "Disk swap."}
DERIVED = {"agent": "LEO", "since": "2026-01-01T00:00:00Z", "reason": "Its key leaked."}
NO_KEY = (401, 401)


class Row(NamedTuple):
    """A call that SAM may make, and what SAM's, LEO's and an operator's key hear."""

    method: str
    path: str
    expected: tuple[int, ...]
    body: Any = None


def anybody(method: str, path: str, body: Any = None, ok: int = 200) -> Row:
    """Every key will do."""
    return Row(method, path, (ok, ok, ok, *NO_KEY), body)


def own(method: str, path: str, body: Any = None, ok: int = 200, operator: int = 200) -> Row:
    """SAM's alone; what an operator hears is said."""
    return Row(method, path, (ok, 403, operator, *NO_KEY), body)


def operators(method: str, path: str, body: Any = None, ok: int = 200) -> Row:
    """For people."""
    return Row(method, path, (403, 403, ok, *NO_KEY), body)


def everybody(path: str, ok: int = 200) -> Row:
    """Open: no key is asked for, and a bad one does no harm."""
    return Row("GET", path, (ok,) * 5)


# Signature: GitHub's key is the signature, so every caller without one hears 401 (tested there).
SIGNATURE = {"github-webhook", "webhook/github", "api/v1/webhooks/github"}
# The page sends those who aren't logged in to the login; a key is no login.
PAGES = {
    *("", "fragment", "work", "definitions", "agents/<str:name>", "incidents/<row_id:pk>"),
    *("dispatches/<row_id:pk>", "learnings/<row_id:pk>"),
}
# Pressed on the page by staff; it refuses the others itself (tests/monitoring/test_page_acts.py).
ACTS = {"act"}
D = "api/v1/dispatches/<row_id:pk>"
M = "api/v1/messages/<row_id:pk>"
INC = "api/v1/incidents/<row_id:pk>"
F = "api/v1/failures/<row_id:pk>"
G = "api/v1/failure-groups/<row_id:pk>"
L = "api/v1/learnings/<row_id:pk>"
REV = "api/v1/learning-revisions/<row_id:pk>"
A = "api/v1/agents/<str:name>"
MATRIX: dict[str, list[Row]] = {
    "logFailure": [own("POST", "logFailure", SAMS_FAILURE, 201, 201)],
    "logIncident": [own("POST", "logIncident", {"agentName": "SAM", "message": "Down."})],
    "getNextDispatchForAgent": [own("GET", "getNextDispatchForAgent?agent=SAM")],
    "markDispatchRunning": [
        own("POST", "markDispatchRunning", {"dispatchId": "$open", "agent": "SAM"})
    ],
    "markDispatchCompleted": [
        own("POST", "markDispatchCompleted", {"dispatchId": "$held", "agent": "SAM"})
    ],
    "markDispatchFailed": [
        own("POST", "markDispatchFailed", {"dispatchId": "$held", "agent": "SAM", "error": "x"})
    ],
    "createDispatch": [anybody("POST", "createDispatch", {"agentName": "SAM", "command": "make"})],
    "api/heartbeat": [own("POST", "api/heartbeat", {"agentId": "SAM", "status": "online"})],
    "reportBlocked": [own("POST", "reportBlocked", {"agentName": "SAM", "reason": "No password."})],
    "postToChannel": [
        own("POST", "postToChannel", {"from": "SAM", "channel": "dev", "message": "Hi"})
    ],
    "v2/sendMessage": [
        own("POST", "v2/sendMessage", {"from": "SAM", "to": "MAX", "message": "Hi"})
    ],
    "v2/getMessages": [own("GET", "v2/getMessages?agent=SAM")],
    "alerts": [anybody("GET", "alerts")],
    "alerts/acknowledge": [
        operators("POST", "alerts/acknowledge", {"alertId": "$incident", "acknowledgedBy": "SAM"})
    ],
    "learnings": [anybody("GET", "learnings")],
    "submitLearning": [
        own("POST", "submitLearning", {"agent": "SAM", "category": "x", "content": "y"})
    ],
    "bootContext": [own("GET", "bootContext?agentName=SAM")],
    "systemHealth": [anybody("GET", "systemHealth")],
    "api/v1/health": [anybody("GET", "api/v1/health")],
    "metrics": [anybody("GET", "metrics")],
    "healthz": [everybody("healthz")],
    "readyz": [
        everybody("readyz", 503)
    ],  # No sweep runs in a test; what matters is that it answers.
    "evoxctl.py": [everybody("evoxctl.py")],
    "api/schema/": [everybody("api/schema/")],
    "api/docs/": [everybody("api/docs/")],
    "api/v1/agents": [anybody("GET", "api/v1/agents")],
    A: [anybody("GET", A)],
    f"{A}/heartbeat": [own("POST", f"{A}/heartbeat", {})],
    f"{A}/briefing": [own("GET", f"{A}/briefing")],
    f"{A}/pause": [operators("POST", f"{A}/pause", PAUSE)],
    # The operator is let in; nobody is paused.
    f"{A}/resume": [operators("POST", f"{A}/resume", {}, 409)],
    "api/v1/pause": [operators("POST", "api/v1/pause", PAUSE)],
    "api/v1/resume": [operators("POST", "api/v1/resume", {}, 409)],
    "api/v1/pauses": [anybody("GET", "api/v1/pauses")],
    "api/v1/dispatches": [
        anybody("GET", "api/v1/dispatches"),
        anybody("POST", "api/v1/dispatches", {"title": "x", "command": "make"}, 201),
    ],
    D: [anybody("GET", D)],
    "api/v1/dispatches/claim": [own("POST", "api/v1/dispatches/claim", {"agentName": "SAM"})],
    f"{D}/progress": [own("POST", f"{D}/progress", {"claim": "$claim"})],
    f"{D}/complete": [own("POST", f"{D}/complete", {"claim": "$claim"})],
    f"{D}/fail": [own("POST", f"{D}/fail", {"claim": "$claim", **FAILURE})],
    f"{D}/block": [own("POST", f"{D}/block", {"claim": "$claim", "reason": "No key."})],
    f"{D}/cancel": [operators("POST", f"{D}/cancel", {})],
    f"{D}/reassign": [operators("POST", f"{D}/reassign", {"agentName": "LEO"})],
    # The operator is let in; that a running dispatch can't be retried is a conflict.
    f"{D}/retry": [operators("POST", f"{D}/retry", {}, 409)],
    f"{D}/unblock": [operators("POST", f"{D}/unblock", {}, 409)],
    "api/v1/messages": [
        own("GET", "api/v1/messages?agent=SAM"),
        anybody("GET", "api/v1/messages?channel=dev"),
        own("POST", "api/v1/messages", {"from": "SAM", "to": "MAX", "message": "Hi"}, 201, 201),
    ],
    f"{M}/read": [own("POST", f"{M}/read")],
    "api/v1/failures": [
        anybody("GET", "api/v1/failures"),
        own("POST", "api/v1/failures", SAMS_FAILURE, 201, 201),
    ],
    "api/v1/failures/similar": [
        anybody("GET", "api/v1/failures/similar?q=import"),
        own("GET", "api/v1/failures/similar?q=import&agent=SAM"),
    ],
    F: [anybody("GET", F), own("PATCH", F, {"resolution": "Made it.", "outcome": "fixed"})],
    "api/v1/failure-groups": [anybody("GET", "api/v1/failure-groups")],
    # SAM is a worker: groups are the lead's to decide on. The operator is let in, and hears that
    # there is no such group, or nothing to undo.
    G: [anybody("GET", G), operators("PATCH", G, {"status": "ignored"})],
    f"{G}/merge": [operators("POST", f"{G}/merge", {"groups": [10**17]}, 404)],
    f"{G}/split": [operators("POST", f"{G}/split", {"groups": [10**17]}, 404)],
    f"{G}/undo": [operators("POST", f"{G}/undo", {}, 409)],
    "api/v1/incidents": [
        anybody("GET", "api/v1/incidents"),
        own("POST", "api/v1/incidents", {"agentName": "SAM", "message": "Down."}, 201, 201),
    ],
    INC: [anybody("GET", INC)],
    # SAM's own incident: whoever it is about may not silence it, a bystander neither.
    f"{INC}/acknowledge": [operators("POST", f"{INC}/acknowledge", {})],
    f"{INC}/snooze": [operators("POST", f"{INC}/snooze", SNOOZE)],
    f"{INC}/resolve": [own("POST", f"{INC}/resolve", {"resolution": "Done."})],
    "api/v1/rollbacks/policy": [anybody("GET", "api/v1/rollbacks/policy")],
    "api/v1/rollbacks/pause": [operators("POST", "api/v1/rollbacks/pause", PAUSE)],
    "api/v1/rollbacks/resume": [operators("POST", "api/v1/rollbacks/resume", None, 409)],
    "api/v1/learnings": [
        anybody("GET", "api/v1/learnings"),
        own(
            "POST", "api/v1/learnings", {"agent": "SAM", "category": "x", "content": "y"}, 201, 201
        ),
    ],
    L: [anybody("GET", L)],
    f"{L}/vote": [own("POST", f"{L}/vote", {"helpful": True, "agent": "SAM"})],
    f"{L}/approve": [operators("POST", f"{L}/approve", {})],
    f"{L}/reject": [operators("POST", f"{L}/reject", {})],
    # The operator is let in; what is proposed can't be retired.
    f"{L}/retire": [operators("POST", f"{L}/retire", {"reason": "Wrong."}, 409)],
    "api/v1/learnings/retire-derived": [
        operators("POST", "api/v1/learnings/retire-derived", DERIVED)
    ],
    "api/v1/learnings/injection": [
        anybody("GET", "api/v1/learnings/injection"),
        operators("POST", "api/v1/learnings/injection", {"on": False, "reason": "A bad one."}),
    ],
    "api/v1/learning-revisions": [operators("GET", "api/v1/learning-revisions")],
    f"{REV}/approve": [operators("POST", f"{REV}/approve", {})],
    f"{REV}/reject": [operators("POST", f"{REV}/reject", {})],
    "api/v1/patterns": [anybody("GET", "api/v1/patterns")],
}
ROWS = [(route, row) for route, rows_of in MATRIX.items() for row in rows_of]


def routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if route.startswith("admin/"):
            yield "admin/"
        elif isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def test_every_address_has_a_row() -> None:
    assert set(routes(get_resolver().url_patterns)) == {
        *(*MATRIX, *SIGNATURE, *PAGES, *ACTS, "admin/")
    }


@pytest.fixture
def world(db, settings) -> dict[str, Any]:
    """Rows of SAM's behind every address, and five callers."""
    ids = small_world()
    sam, now = Agent.objects.get(name="SAM"), db_now()
    soon = (now + timedelta(hours=1)).isoformat()
    names: dict[str, Any] = {"$incident": ids["$incident"], "$soon": soon}
    [held] = claim_work(sam, only=ids["$dispatch"], now=now)
    names |= {"$held": ids["$dispatch"], "$claim": str(held.attempt.claim)}
    work = {"agentName": "SAM", "command": "make"}
    names["$open"] = flat("POST", "/createDispatch", work).json()["dispatchId"]
    said = {"from": "LEO", "to": "SAM", "message": "Hi"}
    message = flat("POST", "/api/v1/messages", said).json()["id"]
    failure = flat("POST", "/logFailure", SAMS_FAILURE).json()["id"]
    group = Failure.objects.get(pk=failure).group_id
    lesson = {"agent": "SAM", "category": "x", "content": "Pin it."}
    learning = flat("POST", "/submitLearning", lesson).json()["learningId"]
    names["pks"] = {
        "dispatches": ids["$dispatch"],
        "messages": message,
        "incidents": ids["$incident"],
        "failures": failure,
        "failure-groups": group,
        "learnings": learning,
        "learning-revisions": LearningRevision.objects.create(
            learning_id=learning, version=1, rule="r", source="resolution", author="LEO", at=now
        ).pk,
    }
    revoked = create_key(sam)
    AgentKey.objects.update(revoked=True)
    keys = {"own": create_key(sam), "other": create_key(Agent.objects.get(name="LEO"))}
    names["keys"] = {**keys, "operator": create_key(None), "revoked": revoked, "none": None}
    settings.EVOX_REQUIRE_KEY = True
    return names


def send(row: Row, world: dict[str, Any], caller: str) -> Any:
    path = row.path.replace("<str:name>", "SAM")
    kind = re.search(r"([a-z-]+)/<row_id:pk>", path)
    if kind:
        path = path.replace("<row_id:pk>", str(world["pks"][kind[1]]))
    body = row.body
    if body is not None:
        body = {k: world.get(v, v) if isinstance(v, str) else v for k, v in body.items()}
    key = world["keys"][caller]
    extra = {"HTTP_AUTHORIZATION": f"Bearer {key}"} if key else {}
    raw = b"" if body is None else json.dumps(body).encode()
    client = APIClient(raise_request_exception=False)
    return client.generic(row.method, f"/{path}", raw, content_type="application/json", **extra)


SIGN_OF_LIFE = {"Agent", "LifeSegment"}
"""What a call of an agent may write, at most once a second, though it is refused."""


@pytest.mark.parametrize(("route", "row"), ROWS, ids=[f"{r.method} {r.path}" for _, r in ROWS])
def test_each_caller_hears_what_the_matrix_says(route: str, row: Row, world) -> None:
    heard = []
    for caller in CALLERS:
        before = rows()
        with transaction.atomic():
            response = send(row, world, caller)
            heard.append(response.status_code)
            if response.status_code in {401, 403}:
                assert set(response.json()) == {"error"}
                after = rows()
                changed = {name for name in after if after[name] != before[name]}
                assert changed <= (SIGN_OF_LIFE if response.status_code == 403 else set())
            transaction.set_rollback(True)

    assert heard == list(row.expected), dict(zip(CALLERS, heard, strict=True))


def test_a_401_names_the_scheme(world) -> None:
    response = send(anybody("GET", "api/v1/agents"), world, "none")

    assert response["WWW-Authenticate"] == 'Bearer realm="evox"'


@pytest.mark.parametrize("path", sorted(SIGNATURE))
def test_a_webhook_without_its_signature_is_401_whatever_the_key(path, world, settings) -> None:
    settings.GITHUB_WEBHOOK_SECRET = "correct horse"

    heard = {send(Row("POST", path, (), {}), world, caller).status_code for caller in CALLERS}

    assert heard == {401}


@pytest.mark.parametrize("path", sorted([*PAGES, "admin/"]))
def test_a_page_sends_everybody_to_the_login(path, world) -> None:
    for caller in CALLERS:
        response = send(Row("GET", path, ()), world, caller)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")
