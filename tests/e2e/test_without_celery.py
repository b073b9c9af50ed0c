"""With Redis, worker and beat all gone, calls over HTTP alone bring work back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Dispatch
from agents.services import agents as agent_services
from evox.embedded.launch import Address, is_serving
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
LEASE = 600
"""Seconds; what shall have run out is made old by its row."""
PATIENCE = 400
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def web(django_db_setup, tmp_path_factory):
    """The web as a process of its own on the tests' database, and nothing else that is EVOX's."""
    folder = tmp_path_factory.mktemp("web")
    address = Address("127.0.0.1", free_port())
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVOX_")}
    name = connection.settings_dict["NAME"]
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}")
    own = {
        "DATABASE_URL": database.geturl(),
        "REDIS_URL": f"unix://{folder}/nobody-listens.sock?db=0",
        "EVOX_DATA_DIR": str(folder),
        "EVOX_LEASE_SECONDS": str(LEASE),
        "EVOX_RETRY_BACKOFF": str(LEASE),
    }
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", address.host]
    command += ["--port", str(address.port), "--blocking-threads", "2", "evox.wsgi:application"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=kept | own, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_until(lambda: is_serving(address))
        yield address.url
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture
def call(web):
    agent_services.seed_team(now=timezone.now())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(path, **body):
        method, data = ("POST", json.dumps(body).encode()) if body else ("GET", None)
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{web}/api/v1/{path}", data, headers, method=method)
        try:
            with opener.open(request, timeout=PATIENCE) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return call


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def queue(call, agent):
    status, dispatch = call("dispatches", title=f"For {agent}", command="true")
    assert status == 201
    status, claimed = call("dispatches/claim", agentName=agent)
    assert (status, claimed["dispatch"]["id"]) == (200, dispatch["id"])
    return dispatch["id"], claimed["attempt"]["claim"]


def claim_of(call, agent):
    status, claimed = call("dispatches/claim", agentName=agent)
    return (claimed["dispatch"]["id"], claimed["attempt"]) if status == 200 else (None, None)


def status_of(call, pk):
    return call(f"dispatches/{pk}")[1]["status"]


@pytest.fixture
def waiting(call):
    """One dispatch whose lease ran out, one whose retry is due, and nobody who noticed."""
    lost, claim = queue(call, "SAM")
    failed, other = queue(call, "ALEX")
    report = {"claim": other, "errorType": "test", "errorMessage": "2 tests failed"}
    status, answer = call(f"dispatches/{failed}/fail", **report)
    assert (status, answer["status"]) == (200, "retrying")
    past = timezone.now() - timedelta(seconds=1)
    Dispatch.objects.filter(pk=lost).update(lease_expires_at=past)
    Dispatch.objects.filter(pk=failed).update(run_at=past)
    assert status_of(call, lost) == "running"
    assert status_of(call, failed) == "retrying"
    return lost, claim, failed


def test_claims_bring_back_what_was_lost_and_what_is_due(call, waiting):
    lost, claim, failed = waiting
    found, attempt = claim_of(call, "LEO")
    assert (found, attempt["number"]) == (lost, 2)
    found, attempt = claim_of(call, "ALEX")
    assert (found, attempt["strategy"]) == (failed, "repeat_with_evidence")
    status, refused = call(f"dispatches/{lost}/complete", claim=claim)
    assert (status, refused["error"]["code"]) == (409, "expired")


def test_heartbeats_bring_back_what_was_lost_and_what_is_due(call, waiting):
    lost, claim, failed = waiting
    status, life = call("agents/LEO/heartbeat", status="idle")
    assert (status, life["claimState"]) == (200, None)
    assert status_of(call, lost) == "pending"
    assert status_of(call, failed) == "pending"
    assert call("agents/SAM/heartbeat", claim=claim)[1]["claimState"] == "expired"
