"""A page on another origin, in a browser of this machine, against a server without keys."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from rest_framework.test import APIClient

from agents.clock import db_now
from agents.models import Dispatch
from learnings.models import Injection
from learnings.services.lifecycle import approve
from tests.evox.flat import GOLDEN, filled, flat, small_world
from tests.wire import refused, rows

EVIL = "https://evil.example"
# What browsers send along, by how the page asks.
PAGES = {
    "form, text/plain": {
        "CONTENT_TYPE": "text/plain",
        "HTTP_ORIGIN": EVIL,
        "HTTP_SEC_FETCH_SITE": "cross-site",
        "HTTP_SEC_FETCH_MODE": "navigate",
        "HTTP_SEC_FETCH_DEST": "document",
    },
    "form, urlencoded, old browser": {
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "HTTP_ORIGIN": EVIL,
    },
    "fetch, no-cors": {
        "CONTENT_TYPE": "text/plain;charset=UTF-8",
        "HTTP_ORIGIN": EVIL,
        "HTTP_SEC_FETCH_SITE": "cross-site",
        "HTTP_SEC_FETCH_MODE": "no-cors",
    },
    "beacon, JSON": {
        "CONTENT_TYPE": "application/json",
        "HTTP_ORIGIN": EVIL,
        "HTTP_SEC_FETCH_SITE": "cross-site",
        "HTTP_SEC_FETCH_MODE": "no-cors",
    },
    "sandboxed frame": {
        "CONTENT_TYPE": "application/json",
        "HTTP_ORIGIN": "null",
        "HTTP_SEC_FETCH_SITE": "cross-site",
    },
    "another port of this machine": {
        "CONTENT_TYPE": "application/json",
        "HTTP_ORIGIN": "http://127.0.0.1:3000",
        "HTTP_SEC_FETCH_SITE": "same-site",
    },
    "same origin": {
        "CONTENT_TYPE": "application/json",
        "HTTP_ORIGIN": "http://testserver",
        "HTTP_SEC_FETCH_SITE": "same-origin",
    },
    "no Origin": {"CONTENT_TYPE": "application/json", "HTTP_SEC_FETCH_SITE": "cross-site"},
}
IMAGE = {
    "HTTP_SEC_FETCH_SITE": "cross-site",
    "HTTP_SEC_FETCH_MODE": "no-cors",
    "HTTP_SEC_FETCH_DEST": "image",
}
CALLS = [json.loads(file.read_text(encoding="utf-8"))["call"] for file in GOLDEN.glob("*.json")]
WRITES = [call for call in CALLS if call["method"] == "POST"]
MORE_WRITES = ["failures", "dispatches", "dispatches/claim", "incidents", "messages", "learnings"]
READS = [
    *("/learnings", "/getNextDispatchForAgent?agent=SAM", "/bootContext?agentName=SAM"),
    *("/v2/getMessages?agent=SAM", "/alerts", "/systemHealth", "/", "/fragment"),
    *("/api/v1/agents", "/api/v1/agents/SAM", "/api/v1/agents/SAM/briefing", "/api/v1/dispatches"),
    *("/api/v1/messages?agent=SAM", "/api/v1/failures", "/api/v1/incidents", "/api/v1/health"),
    *("/api/v1/learnings", "/api/v1/patterns"),
]


@pytest.fixture
def ids(db, settings, tmp_path):
    """The small world, with a learning that SAM would be told."""
    found = small_world()
    settings.EVOX_PATTERNS_DIR = tmp_path
    said = {"agent": "SAM", "category": "build", "content": "Pin the compiler."}
    learning = flat("POST", "/submitLearning", said).json()["learningId"]
    approve(learning, actor="MAX", now=db_now())
    return found


@pytest.mark.parametrize("page", PAGES)
def test_no_page_changes_anything(page, ids):
    client = APIClient(raise_request_exception=False)
    headers = dict(PAGES[page])
    content_type = headers.pop("CONTENT_TYPE")
    before = rows()

    for call in [
        *(filled(call, ids) for call in WRITES),
        *({"path": f"/api/v1/{path}", "body": {"agentName": "SAM"}} for path in MORE_WRITES),
    ]:
        raw = json.dumps(call["body"]).encode()
        for path, body in (
            (call["path"], raw),
            (f"{call['path']}?agent=SAM&dispatchId={ids['$dispatch']}", b""),
        ):
            response = client.generic("POST", path, body, content_type=content_type, **headers)
            assert refused(response, 403, "permission_denied"), path

    assert rows() == before


def test_no_image_changes_anything(ids):
    client = APIClient(raise_request_exception=False)
    before = rows()

    for path in READS:
        assert client.get(path, **IMAGE).status_code in {200, 403}, path
    assert rows() == before
    # The same look by an agent does count as told, so the image was worth a refusal.
    assert client.get("/bootContext?agentName=SAM").status_code == 200
    assert Injection.objects.exists()


def test_no_preflight_is_answered(ids):
    response = APIClient().options(
        "/markDispatchCompleted",
        HTTP_ORIGIN=EVIL,
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS="content-type",
    )

    assert not [name for name in response.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(host, ids, settings):
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    client = APIClient(raise_request_exception=False)
    before = rows()

    for path in ("/markDispatchRunning", "/api/v1/failures", "/"):
        assert refused(client.post(path, {}, format="json", HTTP_HOST=host), 400, "invalid")
    assert refused(client.get("/api/v1/dispatches", HTTP_HOST=host), 400, "invalid")
    assert rows() == before


def test_an_agent_on_this_machine_is_not_mistaken_for_a_page(ids):
    mine = {"dispatchId": ids["$dispatch"], "agent": "SAM"}

    assert flat("POST", "/markDispatchRunning", mine).status_code == 200
    assert flat("POST", "/markDispatchCompleted", mine).status_code == 200


ATTACK = """<!doctype html><title>x</title><img src="{base}/bootContext?agentName=SAM">
<iframe name=f></iframe><form target=f method=post enctype=text/plain
action="{base}/markDispatchRunning?dispatchId={pk}&agent=SAM"></form><script>
document.forms[0].submit();
const url = "{base}/markDispatchRunning", body = '{{"dispatchId": {pk}, "agent": "SAM"}}';
fetch(url, {{method: "POST", mode: "no-cors", body}}).catch(() => 0);
const headers = {{"Content-Type": "application/json"}};
fetch(url, {{method: "POST", body, headers}}).catch(() => 0);
navigator.sendBeacon(url, body);
fetch("{base}/healthz", {{mode: "no-cors"}}).then(() => document.title = "reached");
</script>"""


@pytest.mark.full
@pytest.mark.skipif(not shutil.which("chromium"), reason="There is no chromium here.")
def test_a_real_browser_changes_nothing(transactional_db, live_server, tmp_path):
    ids = small_world()
    page = tmp_path / "evil.html"
    page.write_text(ATTACK.format(base=live_server.url, pk=ids["$dispatch"]), encoding="utf-8")
    before = rows()

    shown = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/u",
         "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip

    assert "<title>reached</title>" in shown.stdout
    assert rows() == before
    assert Dispatch.objects.get(pk=ids["$dispatch"]).status == "pending"
