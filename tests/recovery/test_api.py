"""Recovery over REST: what each call answers, and that bad input changes nothing."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from rest_framework.test import APIClient

from agents.models import Agent, Attempt, Dispatch
from agents.services.agents import create_key
from failures.models import Failure
from tests.recovery.world import HOUR, MINUTE, SECOND, T0, snapshot

API = "/api/v1"
DISPATCH = {
    "id",
    "title",
    "command",
    "payload",
    "priority",
    "status",
    "reason",
    "agentName",
    "skills",
    "ticketId",
    "uniqueKey",
    "maxAttempts",
    "retryAt",
    "createdAt",
    "finishedAt",
    "attempts",
}
ATTEMPT = {
    "number",
    "agentName",
    "strategy",
    "instructions",
    "startedAt",
    "endedAt",
    "outcome",
    "reason",
    "failureId",
}
LIFE = {
    "heartbeatSeconds",
    "leaseExpiresAt",
    "cancelRequested",
    "superseded",
    "paused",
    "claimState",
}


class Clock:
    """What the entry points read instead of the database's clock."""

    now = T0


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in ("recovery.api.views", "recovery.api.operator_views", "agents.api.views"):
        monkeypatch.setattr(f"{module}.db_now", lambda: clock.now)
    return clock


@pytest.fixture
def api(team, clock):
    """The local operator, without a key. A defect shows as 500, not as an exception."""
    return APIClient(raise_request_exception=False)


def keyed(agent):
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_key(agent)}")
    return client


def post(client, path, body=None, status=200):
    answer = client.post(f"{API}/{path}", body if body is not None else {}, format="json")
    assert answer.status_code == status, answer.content
    return answer.json() if answer.content else None


def make(client, **fields):
    return post(client, "dispatches", {"title": "work", "command": "make", **fields}, 201)


def claimed(client, agent="SAM"):
    return post(client, "dispatches/claim", {"agentName": agent})


def refused(answer, status, code=None):
    assert answer.status_code == status, answer.content
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) <= {"code", "message", "fields"}
    assert body["error"]["message"]
    if code:
        assert body["error"]["code"] == code
    return body["error"]


def test_made_claimed_failed_not_before_its_time_claimed_otherwise_completed(api, clock):
    made = make(api, title="Build it")
    assert (made["status"], made["attempts"]) == ("pending", [])
    path = f"dispatches/{made['id']}"

    first = claimed(api)
    assert first["attempt"]["strategy"] == "first_try"
    clock.now = T0 + MINUTE
    report = {
        "claim": first["attempt"]["claim"],
        "errorType": "build",
        "errorMessage": "cc: no such file",
    }
    failed = post(api, f"{path}/fail", report)
    assert failed["status"] == "retrying"
    due = datetime.fromisoformat(failed["retryAt"])
    assert clock.now + 60 * SECOND <= due <= clock.now + 72 * SECOND
    assert failed["failureId"] == Failure.objects.get().pk

    clock.now = due - SECOND
    assert post(api, "dispatches/claim", {"agentName": "SAM"}, 204) is None
    clock.now = due
    second = claimed(api)
    assert second["dispatch"]["id"] == made["id"]
    assert second["attempt"]["strategy"] == "repeat_with_evidence"
    assert "cc: no such file" in second["attempt"]["instructions"]
    assert second["attempt"]["claim"] != first["attempt"]["claim"]

    stale = api.post(f"{API}/{path}/complete", {"claim": first["attempt"]["claim"]}, format="json")
    refused(stale, 409)
    assert post(api, f"{path}/fail", report)["retryAt"] == failed["retryAt"]  # the same again

    done = post(api, f"{path}/complete", {"claim": second["attempt"]["claim"]})
    assert done["status"] == "completed"
    assert [a["outcome"] for a in done["attempts"]] == ["failed", "succeeded"]


def test_a_claim_answers_dispatch_attempt_and_heartbeat(api):
    make(api)
    answer = claimed(api)
    assert set(answer) == {"dispatch", "attempt", "heartbeatSeconds", "briefingUrl"}
    assert set(answer["dispatch"]) == DISPATCH
    assert set(answer["attempt"]) == ATTEMPT | {"claim", "leaseExpiresAt"}
    assert answer["attempt"]["leaseExpiresAt"] == "2026-03-02T09:05:00Z"
    assert answer["heartbeatSeconds"] == 60


def test_a_claim_with_a_limit_answers_a_list(api):
    for _ in range(3):
        make(api)
    answer = post(api, "dispatches/claim", {"agentName": "SAM", "limit": 2})
    assert [set(one) for one in answer["results"]] == [
        {"dispatch", "attempt", "heartbeatSeconds", "briefingUrl"}
    ] * 2


def test_progress_and_heartbeat_answer_life(api):
    dispatch = make(api)["id"]
    claim = claimed(api)["attempt"]["claim"]
    progress = post(api, f"dispatches/{dispatch}/progress", {"claim": claim, "marker": "c1"})
    assert set(progress) == LIFE
    assert progress["claimState"] == "live"
    assert set(post(api, "agents/SAM/heartbeat", {"claim": claim})) == LIFE
    assert post(api, "agents/SAM/heartbeat")["leaseExpiresAt"] is None


@pytest.mark.parametrize(
    ("verb", "body", "more"),
    [
        ("complete", {"result": {"n": 1}}, set()),
        ("block", {"reason": "No key."}, set()),
        (
            "fail",
            {"errorType": "test", "errorMessage": "no"},
            {"failureId", "occurrences", "guidance"},
        ),
    ],
)
def test_a_report_answers_the_dispatch_and_its_attempt(api, verb, body, more):
    dispatch = make(api)["id"]
    claim = claimed(api)["attempt"]["claim"]
    answer = post(api, f"dispatches/{dispatch}/{verb}", {"claim": claim, **body})
    assert set(answer) == DISPATCH | {"attempt"} | more
    assert set(answer["attempt"]) == ATTEMPT
    assert claim not in str(answer)


def test_the_operators_verbs_answer_the_dispatch(api):
    dispatch = make(api)["id"]
    for verb, body in [("reassign", {"agentName": "leo"}), ("cancel", {})]:
        assert set(post(api, f"dispatches/{dispatch}/{verb}", body)) == DISPATCH
    for verb in ("retry", "unblock", "cancel"):
        refused(api.post(f"{API}/dispatches/{dispatch}/{verb}"), 409, "illegal_move")
    body = {"agentName": "SAM"}
    refused(
        api.post(f"{API}/dispatches/{dispatch}/reassign", body, format="json"), 409, "illegal_move"
    )


GOOD = {
    "dispatches/claim": {"agentName": "SAM"},
    "agents/SAM/heartbeat": {},
    "dispatches/{pk}/progress": {"claim": "{claim}"},
    "dispatches/{pk}/complete": {"claim": "{claim}"},
    "dispatches/{pk}/fail": {"claim": "{claim}", "errorType": "test", "errorMessage": "no"},
    "dispatches/{pk}/block": {"claim": "{claim}", "reason": "No key."},
    "dispatches/{pk}/reassign": {"agentName": "LEO"},
}
REPORTS = [path for path in GOOD if "{claim}" in str(GOOD[path])]
WRONG_TYPES = [1, 1.5, True, [], {}, ["x"], {"a": 1}]
BAD = [
    *[("dispatches/claim", {"agentName": bad}) for bad in [*WRONG_TYPES, "", "1x", "x" * 33]],
    *[("dispatches/claim", {"limit": bad}) for bad in [0, -1, 51, "x", 1.5, [], {}, None]],
    *[("dispatches/claim", {"session": bad}) for bad in ["x", -1, [], {}, 1.5]],
    ("dispatches/claim", {"limit": 10**400}),
    ("dispatches/claim", {"agentName": None}),
    *[("agents/SAM/heartbeat", {"status": bad}) for bad in ["lazy", 1, [], {}, None]],
    *[("agents/SAM/heartbeat", {"claim": bad}) for bad in [*WRONG_TYPES, "", "x" * 65]],
    ("agents/SAM/heartbeat", {"session": "x"}),
    *[
        (path, {"claim": bad})
        for path in REPORTS
        for bad in [*WRONG_TYPES, None, "", "x" * 65, "\x00" * 65]
    ],
    *[("dispatches/{pk}/progress", {"note": bad}) for bad in WRONG_TYPES],
    *[("dispatches/{pk}/progress", {"marker": bad}) for bad in [*WRONG_TYPES, "x" * 201]],
    *[("dispatches/{pk}/complete", {"evidence": bad}) for bad in WRONG_TYPES],
    *[("dispatches/{pk}/block", {"reason": bad}) for bad in [*WRONG_TYPES, "", None]],
    *[("dispatches/{pk}/fail", {"errorType": bad}) for bad in [*WRONG_TYPES, "", "odd", None]],
    *[("dispatches/{pk}/fail", {"errorMessage": bad}) for bad in [*WRONG_TYPES, None]],
    *[("dispatches/{pk}/fail", {"context": bad}) for bad in [1, "x", []]],
    *[("dispatches/{pk}/fail", {"retryable": bad}) for bad in ["perhaps", None, [], {}, 7]],
    *[("dispatches/{pk}/fail", {"retryAfter": bad}) for bad in [-1, 86_401, "x", [], {}, 10**300]],
    *[("dispatches/{pk}/reassign", {"agentName": bad}) for bad in [*WRONG_TYPES, "NOBODY", "CEO"]],
    ("dispatches/{pk}/reassign", {"agentName": None}),
]


@pytest.fixture
def running(api):
    """A dispatch that SAM holds: its id and claim fill the paths and bodies."""
    pk = make(api)["id"]
    return {"pk": pk, "claim": claimed(api)["attempt"]["claim"]}


def filled(path, running, **body):
    whole = {**GOOD[path], **body}
    claim = running["claim"]
    return path.replace("{pk}", str(running["pk"])), {
        name: claim if value == "{claim}" else value for name, value in whole.items()
    }


@pytest.mark.parametrize(("path", "wrong"), BAD, ids=lambda bad: str(bad)[:60])
def test_bad_input_names_the_field_and_changes_nothing(api, running, path, wrong):
    make(api)
    path, body = filled(path, running, **wrong)
    before = snapshot()
    error = refused(api.post(f"{API}/{path}", body, format="json"), 400, "invalid")
    assert list(error["fields"]) == list(wrong)
    assert snapshot() == before
    assert not Failure.objects.exists()


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize(
    ("raw", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"null", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b"[" * 5_000, "application/json", 400),
        (b'{"note": "' + b"x" * 2_000_000 + b'"}', "application/json", 413),
        (b"agentName=SAM", "application/x-www-form-urlencoded", 415),
        (b"agentName: SAM", "application/yaml", 415),
    ],
    ids=["cut", "empty", "utf8", "list", "null", "text", "nan", "deep", "2MB", "form", "yaml"],
)
def test_a_body_that_is_no_json_object_is_refused(api, running, path, raw, media_type, status):
    if path.endswith("heartbeat") and not raw:
        return  # nothing to say is a sign of life as well
    make(api)
    before = snapshot()
    path, _ = filled(path, running)
    refused(api.post(f"{API}/{path}", raw, content_type=media_type), status)
    assert snapshot() == before


@pytest.mark.parametrize("path", [path for path in GOOD if "{pk}" in path])
def test_an_unknown_dispatch_is_not_found(api, running, path):
    _, body = filled(path, running)
    missing = path.replace("{pk}", "999999999")
    refused(api.post(f"{API}/{missing}", body, format="json"), 404, "not_found")


@pytest.mark.parametrize("verb", ["retry", "cancel", "unblock"])
@pytest.mark.parametrize(
    "pk", ["999999999", "999999999999999999", "9999999999999999999", "-1", "x"]
)
def test_a_verb_for_an_unknown_dispatch_is_not_found(api, verb, pk):
    refused(api.post(f"{API}/dispatches/{pk}/{verb}"), 404, "not_found")


@pytest.mark.parametrize("path", REPORTS)
@pytest.mark.parametrize("claim", ["never-given", "\x00", "é" * 64])
def test_an_unknown_claim_is_a_conflict(api, running, path, claim):
    path, body = filled(path, running, claim=claim)
    before = snapshot()
    refused(api.post(f"{API}/{path}", body, format="json"), 409, "unknown_claim")
    assert snapshot() == before


@pytest.mark.parametrize("path", REPORTS)
def test_a_claim_of_another_dispatch_is_a_conflict(api, running, path):
    running["pk"] = make(api)["id"]
    path, body = filled(path, running)
    before = snapshot()
    refused(api.post(f"{API}/{path}", body, format="json"), 409, "unknown_claim")
    assert snapshot() == before


@pytest.mark.parametrize("path", REPORTS)
def test_another_agents_claim_is_forbidden(api, team, running, path):
    path, body = filled(path, running)
    before = snapshot()
    refused(keyed(team.leo).post(f"{API}/{path}", body, format="json"), 403, "forbidden")
    assert snapshot() == before


def test_a_heartbeat_with_another_agents_claim_extends_nothing(api, clock, running):
    clock.now = T0 + MINUTE
    before = snapshot()
    body = {"claim": running["claim"]}
    refused(api.post(f"{API}/agents/LEO/heartbeat", body, format="json"), 403, "forbidden")
    assert snapshot() == before


def test_a_heartbeat_with_an_unknown_claim_says_so(api, running):
    answer = post(api, "agents/SAM/heartbeat", {"claim": "never-given"})
    assert (answer["claimState"], answer["leaseExpiresAt"]) == ("unknown_claim", None)


def test_a_key_speaks_for_its_agent_alone(api, team):
    make(api)
    sam = keyed(team.sam)
    before = snapshot()
    body = {"agentName": "LEO"}
    refused(sam.post(f"{API}/dispatches/claim", body, format="json"), 403, "forbidden")
    refused(sam.post(f"{API}/agents/LEO/heartbeat", {}, format="json"), 403, "forbidden")
    assert snapshot() == before
    assert post(sam, "dispatches/claim")["attempt"]["agentName"] == "SAM"


@pytest.mark.parametrize("verb", ["retry", "cancel", "reassign", "unblock"])
def test_the_operators_verbs_are_not_an_agents(api, team, running, verb):
    before = snapshot()
    answer = keyed(team.sam).post(
        f"{API}/dispatches/{running['pk']}/{verb}", {"agentName": "SAM"}, format="json"
    )
    refused(answer, 403)
    assert snapshot() == before


def test_the_ceo_claims_nothing(api):
    make(api)
    before = snapshot()
    body = {"agentName": "CEO"}
    refused(api.post(f"{API}/dispatches/claim", body, format="json"), 403, "forbidden")
    assert snapshot() == before


def test_a_retired_agent_claims_nothing(api, team):
    make(api)
    Agent.objects.filter(pk=team.leo.pk).update(retired_at=T0)
    before = snapshot()
    answer = api.post(f"{API}/dispatches/claim", {"agentName": "LEO"}, format="json")
    assert 400 <= answer.status_code < 500
    assert snapshot() == before


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
@pytest.mark.parametrize("path", [*GOOD, "dispatches/{pk}/cancel"])
def test_another_method_is_refused(api, running, path, method):
    path = path.replace("{pk}", str(running["pk"]))
    before = snapshot()
    answer = getattr(api, method)(f"{API}/{path}")
    assert answer.status_code in {404, 405}
    assert set(answer.json()) == {"error"}
    assert snapshot() == before


def test_a_nul_is_replaced_not_refused(api, running):
    body = {
        "claim": running["claim"],
        "errorType": "test",
        "errorMessage": "a\x00b\ud800",
        "context": {"k\x00": ["v\x00"]},
    }
    path = f"{API}/dispatches/{running['pk']}/fail"
    answer = api.post(path, json.dumps(body).encode(), content_type="application/json")
    assert answer.status_code == 200
    failure = Failure.objects.get()
    assert failure.message == "a\ufffdb\ufffd"
    assert failure.context["k\ufffd"] == ["v\ufffd"]


def test_very_long_text_is_clipped_not_refused(api, running):
    long = "H" + "x" * 500_000 + "T"
    pk, claim = running["pk"], running["claim"]
    post(api, f"dispatches/{pk}/progress", {"claim": claim, "note": long})
    note = Attempt.objects.get().progress_note
    assert (note[0], note[-1]) == ("H", "T")
    assert len(note) <= 2_000
    post(api, f"dispatches/{pk}/block", {"claim": claim, "reason": long})
    assert len(Dispatch.objects.get().reason) <= 2_000


def test_a_session_of_another_agent_is_refused_where_it_is_first_named(api, team):
    session = "6b1e4c0a-6f0e-4a55-9d3a-0f0d8a5b7c11"
    post(api, "agents/LEO/heartbeat", {"session": session})
    make(api)
    before = snapshot()
    body = {"agentName": "SAM", "session": session}
    refused(api.post(f"{API}/dispatches/claim", body, format="json"), 403, "forbidden")
    assert snapshot() == before


def test_a_claim_is_its_sessions_sign_of_life(api, clock):
    session = "6b1e4c0a-6f0e-4a55-9d3a-0f0d8a5b7c11"
    make(api)
    answer = post(api, "dispatches/claim", {"agentName": "SAM", "session": session})
    clock.now = T0 + HOUR
    claim, pk = answer["attempt"]["claim"], answer["dispatch"]["id"]
    assert post(api, f"dispatches/{pk}/progress", {"claim": claim})["claimState"] == "live"
