"""The agents' client as agents use it: the real file as a process, over real HTTP."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.utils import timezone

from agents.models import Agent, Dispatch, Message
from agents.services import agents as agent_services
from agents.services.dispatches import NewDispatch, create_dispatch
from agents.states import Strategy
from failures.models import Failure
from recovery.services.operator import cancel_dispatch
from tests.ports import free_port

EVOXCTL = Path(__file__).resolve().parents[2] / "scripts" / "evoxctl.py"
PATIENCE = 200
"""Seconds; machines that run tests are busy."""
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def url(live_server, settings):
    settings.EVOX_REQUIRE_KEY = False
    agent_services.seed_team(now=timezone.now())
    return live_server.url


@pytest.fixture
def environment(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVOX_")}
    return kept | {"XDG_STATE_HOME": str(tmp_path / "state"), "EVOX_AGENT": "SAM"}


@pytest.fixture
def evoxctl(url, environment, tmp_path):
    def run(*arguments, server=url, given="", **extra):
        return subprocess.run(
            [sys.executable, EVOXCTL, *arguments],
            env=environment | {"EVOX_URL": server} | extra,
            cwd=tmp_path,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


@contextmanager
def working(url, environment, folder, *arguments):
    command = [sys.executable, EVOXCTL, "work", "--poll", "0.2", *arguments]
    with subprocess.Popen(
        command, env=environment | {"EVOX_URL": url}, cwd=folder, stdout=subprocess.PIPE, text=True
    ) as agent:
        try:
            yield agent
        finally:
            agent.terminate()
            agent.wait(PATIENCE)


def queue(command="true", **fields):
    new = NewDispatch(title=fields.pop("title", "Try it"), command=command, **fields)
    return create_dispatch(new, actor="test", now=timezone.now())


def make_due(dispatch):
    Dispatch.objects.filter(pk=dispatch.pk).update(run_at=timezone.now())


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def status_of(dispatch):
    dispatch.refresh_from_db()
    return dispatch.status


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def closed_port():
    return f"http://127.0.0.1:{free_port()}"


def test_an_agent_takes_work_shows_progress_and_is_done(evoxctl):
    dispatch = queue("make docs", title="Write the docs", ticket_id="DOC-1")
    taken = evoxctl("next")
    assert taken.returncode == 0, taken.stderr
    assert f"#{dispatch.pk} Write the docs" in taken.stdout
    assert "make docs" in taken.stdout
    again = evoxctl("next")
    assert "You hold this already" in again.stdout
    assert evoxctl("progress", "half of it", "--marker", "abc123").returncode == 0
    assert evoxctl("done", "--evidence", "12 pages").stdout == f"#{dispatch.pk} is completed.\n"
    attempt = dispatch.attempts.get()
    assert attempt.progress_note == "half of it"
    assert attempt.result["evidence"] == "12 pages"
    assert evoxctl("done").returncode == 4


def test_nothing_to_do_has_an_exit_code_of_its_own(evoxctl):
    answer = evoxctl("next")
    assert (answer.returncode, answer.stdout) == (5, "")
    assert answer.stderr == "evoxctl: There is no work now.\n"


def test_a_failure_from_stdin_is_logged_and_the_work_comes_back_with_other_words(evoxctl):
    dispatch = queue()
    evoxctl("next")
    answer = evoxctl("fail", "--type", "test", "-", given="2 tests failed\n")
    assert f"#{dispatch.pk} is retrying. Try 1 of 4 failed" in answer.stdout
    failure = Failure.objects.get()
    assert (failure.error_type, failure.message) == ("test", "2 tests failed\n")
    make_due(dispatch)
    assert "2 tests failed" in evoxctl("next").stdout


def test_a_failure_that_no_try_can_help_is_given_up(evoxctl):
    dispatch = queue()
    evoxctl("next")
    evoxctl("fail", "--no-retry", "no such repository")
    assert status_of(dispatch) == "exhausted"


def test_blocked_work_waits_for_a_person(evoxctl):
    dispatch = queue()
    evoxctl("next")
    answer = evoxctl("blocked", "I need the password")
    assert answer.stdout == f"#{dispatch.pk} is blocked. I need the password\n"
    assert "SAM is blocked" in evoxctl("inbox", "--agent", "MAX").stdout


def test_a_claim_that_expired_is_one_clear_line_and_is_forgotten(evoxctl):
    dispatch = queue()
    evoxctl("next")
    Dispatch.objects.filter(pk=dispatch.pk).update(lease_expires_at=timezone.now())
    evoxctl("next", "--agent", "LEO")
    answer = evoxctl("done")
    assert answer.returncode == 4
    assert answer.stderr.startswith("evoxctl: This claim expired")
    assert answer.stderr.count("\n") == 1
    assert "No claim is remembered" in evoxctl("progress").stderr
    assert status_of(dispatch) == "running"


def test_progress_says_when_to_stop(evoxctl):
    dispatch = queue()
    evoxctl("next")
    cancel_dispatch(dispatch.pk, actor="test", now=timezone.now())
    answer = evoxctl("progress", "going on")
    assert answer.returncode == 4
    assert "is cancelled" in answer.stderr


def test_messages_go_to_agents_and_channels_and_are_read_once(evoxctl):
    assert evoxctl("say", "LEO", "look at #3").returncode == 0
    assert evoxctl("say", "#dev", "deploying").returncode == 0
    assert "SAM: look at #3" in evoxctl("inbox", "--agent", "LEO").stdout
    assert evoxctl("inbox", "--agent", "LEO").stdout == "Nothing unread.\n"
    assert Message.objects.get(channel__name="dev").text == "deploying"
    assert "NOBODY" in evoxctl("say", "NOBODY", "hello").stderr


def test_doctor_explains_in_plain_words(evoxctl, settings):
    assert "ok: no claim is remembered" in evoxctl("doctor").stdout
    assert "unknown: no agent ZOE" in evoxctl("doctor", "--agent", "ZOE").stdout
    dispatch = queue()
    evoxctl("next")
    assert f"ok: #{dispatch.pk} is yours." in evoxctl("doctor").stdout
    settings.EVOX_REQUIRE_KEY = True
    refused = evoxctl("doctor")
    assert refused.returncode == 1
    assert "set EVOX_KEY" in refused.stderr


def test_a_key_comes_from_the_environment_or_a_file(evoxctl, settings, tmp_path):
    settings.EVOX_REQUIRE_KEY = True
    key = agent_services.create_key(Agent.objects.get(name="SAM"))
    tmp_path.joinpath("key").write_text(f"{key}\n")
    assert "ok: the key is accepted" in evoxctl("doctor", EVOX_KEY=key).stdout
    assert evoxctl("doctor", "--key-file", "key").returncode == 0
    assert evoxctl("doctor", "--key-file", "absent").returncode == 2
    foreign = evoxctl("next", "--agent", "LEO", EVOX_KEY=key)
    assert (foreign.returncode, foreign.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("verb", [["next"], ["doctor"], ["work", "--once", "--idle-exit", "0.1"]])
def test_a_server_that_is_down_is_one_line(evoxctl, verb):
    answer = evoxctl(*verb, server=closed_port())
    assert answer.returncode == 3
    assert (answer.stdout + answer.stderr).count("\n") == 1
    assert "can't be reached" in answer.stdout + answer.stderr


def test_nonsense_on_the_command_line_is_refused(evoxctl):
    assert evoxctl("next", "--server", "ftp://x").returncode == 2
    assert evoxctl("next", "--agent", "").returncode == 2
    assert evoxctl("work", "--timeout", "-1").returncode == 2
    assert evoxctl("work", "--cwd", "/nowhere").returncode == 2


def test_a_command_that_truly_fails_is_retried_and_then_succeeds(evoxctl, tmp_path):
    command = 'echo "$EVOX_STRATEGY $EVOX_ATTEMPT"; cat answer.txt'
    dispatch = queue(command)
    assert evoxctl("work", "--once").returncode == 1
    failure = Failure.objects.get()
    assert failure.message.startswith("Exit code 1\nfirst_try 1\ncat: ")
    assert failure.error_type == "other"
    tmp_path.joinpath("answer.txt").write_text("42")
    make_due(dispatch)
    answer = evoxctl("work", "--once")
    assert "Exit code 0 → completed." in answer.stdout
    assert answer.returncode == 0
    assert status_of(dispatch) == "completed"
    second = dispatch.attempts.last()
    assert second.strategy == Strategy.REPEAT_WITH_EVIDENCE
    assert "repeat_with_evidence 2" in second.result["evidence"]
    assert second.result["result"]["exitCode"] == 0


def test_a_command_that_does_not_exist_says_so(evoxctl):
    queue("no-such-tool --now")
    evoxctl("work", "--once")
    assert Failure.objects.get().message.startswith("Exit code 127 (there is no such command)")


def test_of_a_flood_the_tail_is_kept_and_the_payload_names_the_type(evoxctl):
    queue("seq 1 2000000; exit 3", payload={"errorType": "build"})
    evoxctl("work", "--once")
    failure = Failure.objects.get()
    assert failure.message.endswith("1999999\n2000000")
    assert "bytes before this]" in failure.message
    assert len(failure.message) < 8_400
    assert failure.error_type == "build"


def test_a_command_over_its_time_limit_is_killed_with_its_children(evoxctl, tmp_path):
    queue("sleep 300 & echo $! > pid; wait")
    evoxctl("work", "--once", "--timeout", "1")
    failure = Failure.objects.get()
    assert failure.error_type == "timeout"
    assert "Killed at its time limit of 1 s" in failure.message
    assert not is_alive(int(tmp_path.joinpath("pid").read_text()))


def test_a_command_that_ignores_sigterm_is_killed_all_the_same(evoxctl, tmp_path):
    queue("trap '' TERM; echo $$ > pid; while :; do sleep 0.2; done")
    evoxctl("work", "--once", "--timeout", "0.5")
    assert not is_alive(int(tmp_path.joinpath("pid").read_text()))


def test_a_command_that_is_cancelled_while_it_runs_is_killed(
    url,
    environment,
    tmp_path,
):
    Agent.objects.filter(name="SAM").update(heartbeat_seconds=3)
    dispatch, pid = queue("echo $$ > pid; sleep 300"), tmp_path / "pid"
    with working(url, environment, tmp_path):
        wait_until(lambda: pid.exists() and pid.read_text())
        wait_until(lambda: Agent.objects.get(name="SAM").status == "busy")
        cancel_dispatch(dispatch.pk, actor="test", now=timezone.now())
        wait_until(lambda: status_of(dispatch) == "cancelled")
        wait_until(lambda: not is_alive(int(pid.read_text())))
    assert not Failure.objects.exists()


def test_an_agent_that_is_stopped_kills_its_command_and_reports_no_failure(
    url, environment, tmp_path
):
    dispatch, pid = queue("echo $$ > pid; sleep 300"), tmp_path / "pid"
    with working(url, environment, tmp_path) as agent:
        wait_until(lambda: pid.exists() and pid.read_text())
        agent.terminate()
        assert agent.wait(PATIENCE) == 128 + signal.SIGTERM
    assert not is_alive(int(pid.read_text()))
    assert not Failure.objects.exists()
    assert status_of(dispatch) == "running"
    assert Agent.objects.get(name="SAM").status == "offline"


class StandIn(BaseHTTPRequestHandler):
    """Answers as EVOX would, once: what a test needs when the server shall go away."""

    answers: dict[str, object] = {}

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        verb = self.path.rpartition("/")[2]
        self.server.heard.append((verb, sent))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.answers[verb]).encode())

    def log_message(self, *_):
        pass


@contextmanager
def standing_in(port, **answers):
    handler = type("Handler", (StandIn,), {"answers": answers})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.heard = []
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_report_that_could_not_be_sent_is_sent_when_the_server_is_back(environment, tmp_path):
    attempt = {"number": 1, "strategy": "first_try", "claim": "secret"}
    command = "touch begun; until test -e go; do sleep 0.1; done; exit 5"
    work = {"id": 7, "title": "Try it", "command": command}
    claimed = {"dispatch": work, "attempt": attempt, "heartbeatSeconds": 60}
    url = closed_port()
    port = int(url.rpartition(":")[2])
    with standing_in(port, heartbeat={"claimState": "live"}, claim=claimed):
        agent = subprocess.Popen(
            [sys.executable, EVOXCTL, "work", "--once"],
            env=environment | {"EVOX_URL": url},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(tmp_path.joinpath("begun").exists)
    tmp_path.joinpath("go").touch()
    lines = iter(agent.stdout.readline, "")
    said = next(line for line in lines if "can't be reached" in line)
    closed = {"status": "retrying", "reason": "Soon."}
    with standing_in(port, heartbeat={"claimState": "live"}, fail=closed) as back:
        said += agent.communicate(timeout=PATIENCE)[0]
    assert agent.returncode == 1
    assert said.count("can't be reached") == 1
    assert "Exit code 5 → retrying. Soon." in said
    verb, body = back.heard[0]
    assert (verb, body["claim"], body["context"]["exitCode"]) == ("fail", "secret", 5)


def test_it_needs_the_standard_library_of_python_3_8_alone():
    tree = ast.parse(EVOXCTL.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names)
    assert os.access(EVOXCTL, os.X_OK)
