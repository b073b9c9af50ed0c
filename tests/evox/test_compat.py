"""The original's calls, one golden file a row: what was asked, and the whole answer."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import get_resolver

from agents.models import Attempt, Dispatch, Message
from agents.services.agents import create_key
from tests.evox.flat import GOLDEN, by_body, by_query, filled, flat, settled, small_world, status_of
from tests.recovery import github
from tests.wire import refused, rows

FILES = sorted(GOLDEN.glob("*.json"))
WEBHOOKS = {"github-webhook", "webhook/github"}
NOT_FLAT = ("api/v1/", "admin/", "api/schema/", "api/docs/", "metrics")


@pytest.fixture
def ids(db):
    return small_world()


def play(file: Path, ids: dict[str, int], send):
    golden = json.loads(file.read_text(encoding="utf-8"))
    for before in golden.get("given", []):
        assert by_body(filled(before, ids)).status_code in {200, 201}
    response = send(filled(golden["call"], ids))
    answer = {"status": response.status_code, "body": settled(response.json())}
    return golden, answer


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_answer_is_the_golden_one(file, ids):
    golden, answer = play(file, ids, by_body)
    if os.environ.get("REWRITE_GOLDEN"):
        text = json.dumps({**golden, "answer": answer}, indent=2, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")
        return

    assert answer == golden["answer"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_query_parameters_and_an_empty_body_hear_the_same(file, ids):
    golden, answer = play(file, ids, by_query)

    assert answer == golden["answer"]


def flat_routes() -> set[str]:
    routes = {str(pattern.pattern) for pattern in get_resolver().url_patterns}
    return {route for route in routes if route and not route.startswith(NOT_FLAT)}


def test_every_flat_path_has_a_golden_file():
    called = {json.loads(file.read_text(encoding="utf-8"))["call"]["path"] for file in FILES}

    assert {path.lstrip("/") for path in called} == flat_routes() - WEBHOOKS


POSTS = sorted(
    {
        call["path"]
        for call in (json.loads(file.read_text(encoding="utf-8"))["call"] for file in FILES)
        if call["method"] == "POST"
    }
)


@pytest.mark.parametrize("path", [*POSTS, *(f"/{path}" for path in sorted(WEBHOOKS))])
def test_what_changes_something_is_a_post_alone(path, ids):
    before = rows()

    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        response = flat(method, f"{path}?dispatchId={ids['$dispatch']}&agent=SAM")
        assert response.status_code == 405
        assert "POST" in response["Allow"]
    assert rows() == before


def look(agent: str = "SAM") -> int | None:
    return flat("GET", f"/getNextDispatchForAgent?agent={agent}").json()["dispatchId"]


def test_a_loop_of_flat_calls_goes_through_a_retry(ids):
    pk = look()
    assert pk == ids["$dispatch"]
    mine = {"dispatchId": pk, "agent": "SAM"}
    assert flat("POST", "/markDispatchRunning", mine).status_code == 200
    assert status_of(pk) == "running"
    failed = {**mine, "error": "ModuleNotFoundError: No module named 'stripe'"}
    assert flat("POST", "/markDispatchFailed", failed).status_code == 200
    assert status_of(pk) == "retrying"
    assert look() is None

    due = Dispatch.objects.get(pk=pk)
    assert due.run_at is not None
    Dispatch.objects.filter(pk=pk).update(run_at=due.run_at - timedelta(minutes=5))

    assert flat("POST", "/markDispatchRunning", mine).status_code == 200
    done = flat("POST", "/markDispatchCompleted", {**mine, "result": "Built."})
    assert done.json() == {"success": True, "dispatchId": pk}
    assert status_of(pk) == "completed"
    assert list(
        Attempt.objects.filter(dispatch_id=pk)
        .order_by("lease_epoch")
        .values_list("outcome", flat=True)
    ) == ["failed", "succeeded"]


def test_a_look_shows_what_became_due_since_the_last_sweep(ids):
    mine = {"dispatchId": ids["$dispatch"], "agent": "SAM"}
    flat("POST", "/markDispatchRunning", mine)
    flat("POST", "/markDispatchFailed", {**mine, "error": "boom"})
    due = Dispatch.objects.get(pk=ids["$dispatch"])
    Dispatch.objects.filter(pk=due.pk).update(run_at=due.run_at - timedelta(minutes=5))

    assert look() == due.pk


@pytest.mark.parametrize(
    ("path", "more"),
    [("/markDispatchCompleted", {"result": "Built."}), ("/markDispatchFailed", {"error": "boom"})],
)
def test_a_report_sent_again_changes_nothing_and_hears_the_same(path, more, ids):
    mine = {"dispatchId": ids["$dispatch"], "agent": "SAM"}
    flat("POST", "/markDispatchRunning", mine)
    first = flat("POST", path, {**mine, **more})
    before = rows()

    again = flat("POST", path, {**mine, **more})

    assert (again.status_code, again.json()) == (first.status_code, first.json())
    after = rows()
    signs_of_life = {"Agent", "LifeSegment"}  # At most one a second is written down.
    assert {name for name in after if after[name] != before[name]} <= signs_of_life


def test_work_that_is_not_pending_is_refused(ids):
    mine = {"dispatchId": ids["$dispatch"], "agent": "SAM"}
    assert flat("POST", "/markDispatchRunning", mine).status_code == 200

    assert refused(flat("POST", "/markDispatchRunning", mine), 409, "not_claimable")
    other = flat("POST", "/markDispatchRunning", {**mine, "agent": "LEO"})
    assert refused(other, 409, "not_claimable")


def test_work_that_nobody_took_is_not_reported_on(ids):
    for path, more in (("/markDispatchCompleted", {}), ("/markDispatchFailed", {"error": "x"})):
        response = flat("POST", path, {"dispatchId": ids["$dispatch"], "agent": "SAM", **more})
        assert refused(response, 409, "not_running")


def test_another_agents_work_is_not_reported_on(ids):
    flat("POST", "/markDispatchRunning", {"dispatchId": ids["$dispatch"], "agent": "SAM"})

    response = flat(
        "POST", "/markDispatchCompleted", {"dispatchId": ids["$dispatch"], "agent": "LEO"}
    )

    assert refused(response, 409, "not_running")
    assert status_of(ids["$dispatch"]) == "running"


def test_without_a_key_or_an_agent_the_addressee_takes_it(ids):
    only = {"dispatchId": ids["$dispatch"]}

    assert flat("POST", "/markDispatchRunning", only).status_code == 200
    assert Dispatch.objects.get(pk=ids["$dispatch"]).agent.name == "SAM"
    assert flat("POST", "/markDispatchCompleted", only).status_code == 200


def test_work_that_is_open_to_all_asks_who_takes_it(ids):
    Dispatch.objects.filter(pk=ids["$dispatch"]).update(agent=None, agent_until=None)

    response = flat("POST", "/markDispatchRunning", {"dispatchId": ids["$dispatch"]})

    assert refused(response, 400, "invalid", field="agent")


def test_a_dispatch_that_does_not_exist_is_not_found(ids):
    for path in ("/markDispatchRunning", "/markDispatchCompleted"):
        assert refused(flat("POST", path, {"dispatchId": 999_999, "agent": "SAM"}), 404)


def test_a_key_speaks_for_its_agent_without_a_name(ids, settings):
    settings.EVOX_REQUIRE_KEY = True
    sam = Dispatch.objects.get(pk=ids["$dispatch"]).agent
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {create_key(sam)}"}

    found = flat("GET", "/getNextDispatchForAgent", **bearer).json()
    sent = flat("POST", "/v2/sendMessage", {"to": "LEO", "message": "Yours."}, **bearer)

    assert found["dispatchId"] == ids["$dispatch"]
    assert sent.status_code == 200
    assert Message.objects.latest("pk").sender == "SAM"


def test_errors_have_the_one_shape(ids):
    assert refused(flat("POST", "/logFailure", {}), 400, "invalid", field="errorType")
    assert refused(flat("GET", "/getNextDispatchForAgent"), 400, "invalid", field="agent")
    assert refused(flat("GET", "/learnings?limit=0"), 400, "invalid", field="limit")
    assert refused(flat("POST", "/submitLearning", {"agent": "SAM"}), 400, "invalid")
    assert refused(flat("GET", "/bootContext?agentName=NOBODY"), 404, "not_found")
    assert refused(flat("POST", "/createDispatch", {"agentName": "NOBODY", "command": "x"}), 400)


@pytest.mark.parametrize("path", [github.FLAT, github.OTHER_FLAT])
def test_githubs_flat_paths_are_the_webhook(path, db, settings):
    settings.GITHUB_WEBHOOK_SECRET = github.SECRET

    answer = github.deliver({"zen": "Keep it simple."}, event="ping", path=path)
    twin = github.deliver({"zen": "Keep it simple."}, event="ping", path=github.REST)

    assert answer.status_code == 200
    assert settled(answer.json()) == settled(twin.json())
    assert github.deliver({}, event="ping", path=path, secret="wrong").status_code == 401
