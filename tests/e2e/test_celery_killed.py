"""Redis, worker and beat work for a while and are killed: claims and heartbeats carry on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from evox.embedded import children, launch
from evox.embedded.binaries import redis_server
from evox.embedded.redis import EmbeddedRedis
from evox.embedded.throwaway import throw_away_servers
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
LEASE, BACKOFF, SWEEP = 8, 1, 1
"""Seconds. An agent here answers within its lease on a busy machine, too."""
PATIENCE = 400
pytestmark = pytest.mark.full
GIVEN = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "EVOX_")


class Api:
    """EVOX over HTTP."""

    def __init__(self, url):
        self.url = url
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)
        with self._opener.open(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def queue(self, title):
        return self.call("POST", "api/v1/dispatches", {"title": title, "command": "true"})["id"]

    def claim(self, agent):
        return self.call("POST", "api/v1/dispatches/claim", {"agentName": agent})

    def fail(self, held):
        body = {
            "claim": held["attempt"]["claim"],
            "errorType": "test",
            "errorMessage": "AssertionError: 3 != 4",
        }
        return self.call("POST", f"api/v1/dispatches/{held['dispatch']['id']}/fail", body)

    def complete(self, held):
        body = {"claim": held["attempt"]["claim"]}
        return self.call("POST", f"api/v1/dispatches/{held['dispatch']['id']}/complete", body)

    def heartbeat(self, agent):
        return self.call("POST", f"api/v1/agents/{agent}/heartbeat", {"status": "idle"})

    def status(self, pk):
        return self.call("GET", f"api/v1/dispatches/{pk}")["status"]


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def environment(data, port, urls):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(GIVEN)}
    return {
        **kept,
        **urls,
        "DJANGO_SETTINGS_MODULE": "evox.settings",
        "PYTHONPATH": str(ROOT),
        "EVOX_DATA_DIR": str(data),
        "EVOX_PORT": str(port),
        "EVOX_LEASE_SECONDS": str(LEASE),
        "EVOX_RETRY_BACKOFF": str(BACKOFF),
        "EVOX_SWEEP_SECONDS": str(SWEEP),
    }


def start(child, logs, stack):
    log = stack.enter_context(logs.joinpath(f"{child.name}.log").open("wb"))
    process = children.start(child, output=log)
    stack.callback(children.stop, child, process)
    return process


def embedded_redis(stack):
    folder = Path(tempfile.mkdtemp(prefix="evox-", dir="/tmp"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    server = EmbeddedRedis(
        program=redis_server(), data=folder / "data", sockets=folder, durable=False
    )
    server.initialise()
    return server


@pytest.fixture(scope="module")
def web_alone(tmp_path_factory):
    """EVOX's web after Redis, worker and beat worked for a while and were killed."""
    logs = tmp_path_factory.mktemp("without-celery")
    port = free_port()
    with ExitStack() as stack:
        urls = stack.enter_context(throw_away_servers(redis=False))
        redis = embedded_redis(stack)
        env = environment(logs / "data", port, urls | {"REDIS_URL": redis.url})
        doomed = [start(redis.child(), logs, stack)]
        wait_until(redis.is_ready)
        upgrade = [sys.executable, "-P", "-m", "evox.upgrade"]
        subprocess.run(upgrade, env=env, cwd=ROOT, check=True, capture_output=True)
        where = launch.Address("127.0.0.1", port)
        start(launch.web(env, where), logs, stack)
        doomed += [
            start(launch.worker(env), logs, stack),
            start(launch.beat(env), logs, stack),
        ]
        wait_until(lambda: launch.is_serving(where))
        api = Api(where.url)
        swept_by_beat(api)
        for process in reversed(doomed):
            children.reap(process)
        assert all(children.has_ended(process) for process in doomed)
        assert not redis.is_ready()
        yield api


def swept_by_beat(api):
    """They did work: a retry comes back while nobody claims or beats."""
    pk = api.queue("While all lives")
    api.fail(api.claim("SAM"))
    wait_until(lambda: api.status(pk) == "pending")
    api.call("POST", f"api/v1/dispatches/{pk}/cancel")


def stays(api, pk, status, seconds):
    """Whether nobody moves it for so long, while it is only looked at."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if api.status(pk) != status:
            return False
        time.sleep(0.2)
    return True


def test_with_all_but_the_web_killed_a_claim_gets_lost_work(web_alone):
    pk = web_alone.queue("Lost")
    web_alone.claim("SAM")
    assert stays(web_alone, pk, "running", LEASE + 2 * SWEEP)
    again = web_alone.claim("LEO")
    assert (again["dispatch"]["id"], again["attempt"]["number"]) == (pk, 2)
    web_alone.complete(again)
    assert web_alone.status(pk) == "completed"


def test_with_all_but_the_web_killed_a_heartbeat_releases_a_due_retry(web_alone):
    pk = web_alone.queue("Fails once")
    web_alone.fail(web_alone.claim("SAM"))
    assert stays(web_alone, pk, "retrying", BACKOFF * 1.2 + 2 * SWEEP)
    web_alone.heartbeat("LEO")
    assert web_alone.status(pk) == "pending"
    again = web_alone.claim("SAM")
    assert (again["dispatch"]["id"], again["attempt"]["strategy"]) == (pk, "repeat_with_evidence")
    web_alone.complete(again)
    assert web_alone.status(pk) == "completed"
