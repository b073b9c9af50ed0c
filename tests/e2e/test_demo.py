"""`./scripts/up --demo`: what is said of it in its own output is what the API shows."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from evox.embedded.processes import marked
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600
"""Seconds; machines that run tests are busy."""
pytestmark = pytest.mark.full


@pytest.fixture
def environment(tmp_path):
    given = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "EVOX_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(given)}
    data = tmp_path / "data"
    yield kept | {
        "EVOX_DATA_DIR": str(data),
        "EVOX_PORT": str(free_port()),
        "PYTHONPATH": str(ROOT),
    }
    shutil.rmtree(data, ignore_errors=True)


def start(environment, log):
    command = [sys.executable, "-P", "-m", "evox.embedded.up", "--demo"]
    with log.open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def stop(up, environment):
    up.send_signal(signal.SIGTERM)
    up.wait(PATIENCE)
    assert marked(environment["EVOX_DATA_DIR"]) == []


def wait_for(text, log):
    deadline = time.monotonic() + PATIENCE
    while text not in log.read_text(errors="replace"):
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.2)


def results(environment, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"http://127.0.0.1:{environment['EVOX_PORT']}/api/v1/{path}"
    with opener.open(url, timeout=PATIENCE) as answer:
        return json.load(answer)["results"]


def test_retries_heal_what_has_a_real_reason_that_goes_away_and_one_stays(environment, tmp_path):
    log = tmp_path / "log"
    up = start(environment, log)
    try:
        wait_for("were healed by a retry", log)
        found = results(environment, "dispatches?limit=200")
        # What fails three times is also given to the lead, whom nobody plays.
        dispatches = [one for one in found if not one["title"].startswith("Diagnose pattern: ")]
        outcomes = {found["title"]: found["status"] for found in dispatches}
        assert outcomes.pop("Read the settings of Poetry") == "exhausted"
        assert len(outcomes) == 11
        assert set(outcomes.values()) == {"completed"}
        healed = {found["title"] for found in dispatches if len(found["attempts"]) > 1}
        assert healed >= {
            "Listen on the staging port",
            "Build under the release lock",
            "Ask the staging server",
            "Count the modules",
            "Look for dead ends",
        }
        groups = results(environment, "failure-groups?limit=200")
        assert any(g["count"] >= 3 and g["errorClass"] == "AssertionError" for g in groups)
    finally:
        stop(up, environment)


def test_a_demo_that_was_cut_off_is_taken_up_by_the_next(environment, tmp_path):
    log = tmp_path / "log"
    up = start(environment, log)
    try:
        wait_for("retrying", log)
    finally:
        stop(up, environment)
    again = tmp_path / "again"
    up = start(environment, again)
    try:
        wait_for("attempt 1, first_try", again)
        found = results(environment, "dispatches?status=retrying&limit=200")
        assert len(found) == len({one["uniqueKey"] for one in found})
    finally:
        stop(up, environment)
