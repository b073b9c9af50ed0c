"""`./scripts/up`, as a person meets it. Real processes on a port and a data folder of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from evox.embedded.processes import marked
from evox.embedded.state import read_state
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
CHILDREN = {"postgres", "redis", "web", "worker", "beat"}
PATIENCE = 400
"""Seconds; machines that run tests are busy."""


def up_command(*arguments):
    return [sys.executable, "-P", "-m", "evox.embedded.up", *arguments]


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def environment(tmp_path, port):
    given = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in given}
    data = tmp_path / "data"
    own = {"EVOX_DATA_DIR": str(data), "EVOX_PORT": str(port), "PYTHONPATH": str(ROOT)}
    yield kept | own
    subprocess.run(up_command("--purge"), env=kept | own, check=False, capture_output=True)
    shutil.rmtree(data, ignore_errors=True)


def run(environment, *arguments, **extra):
    return subprocess.run(
        up_command(*arguments),
        env=environment | extra,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def running(environment, *arguments):
    data = Path(environment["EVOX_DATA_DIR"])
    with subprocess.Popen(
        up_command(*arguments), env=environment, stdout=subprocess.PIPE, text=True
    ) as up:
        try:
            wait_until(lambda: up.poll() is not None or is_ready(data, up.pid))
            assert up.poll() is None, up.stdout.read()
            yield up
        finally:
            up.terminate()
            up.wait(PATIENCE)


def is_ready(data, pid):
    state = read_state(data)
    return state is not None and state.ready and state.up.pid == pid


def healthy(environment):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        url = f"http://127.0.0.1:{environment['EVOX_PORT']}/healthz"
        return opener.open(url, timeout=PATIENCE).status == 200
    except OSError:
        return False


def test_help_needs_nothing(environment):
    answer = run(environment, "--help")
    assert answer.returncode == 0
    assert "--purge" in answer.stdout


def test_a_port_that_is_taken_is_one_line_and_nothing_is_started(environment, port, tmp_path):
    with socket.create_server(("127.0.0.1", port)):
        answer = run(environment)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert f"port {port} on 127.0.0.1 is taken" in answer.stderr
    assert marked(str(tmp_path / "data")) == []


@pytest.mark.parametrize("value", ["abc", "0", "70000", "-1", "8000.5"])
def test_a_port_that_is_nonsense_is_one_line(environment, value):
    answer = run(environment, EVOX_PORT=value)
    assert answer.returncode == 1
    assert answer.stderr.startswith("EVOX cannot start: EVOX_PORT")
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "url"),
    [("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x"), ("REDIS_URL", "redis://127.0.0.1:1")],
)
def test_a_server_that_is_down_is_one_line_without_its_password(environment, name, url):
    answer = run(environment, **{name: url})
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "does not answer" in answer.stderr
    assert "secret" not in answer.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_data_folder_that_can_not_be_written_is_one_line(environment, tmp_path):
    tmp_path.joinpath("closed").mkdir(mode=0o500)
    answer = run(environment, EVOX_DATA_DIR=str(tmp_path / "closed"))
    assert answer.returncode == 1
    assert "set EVOX_DATA_DIR" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_private_home_stays_private_and_all_is_gone_after_the_end(environment, tmp_path):
    tmp_path.chmod(0o700)
    data = tmp_path / "data"
    with running(environment):
        assert healthy(environment)
        children = read_state(data).children
        assert set(children) == CHILDREN
        assert tmp_path.stat().st_mode & 0o777 == 0o700
        assert data.stat().st_mode & 0o077 == 0
    assert marked(str(data)) == []
    assert read_state(data) is None
    assert run(environment, "--purge").returncode == 0
    assert not data.exists()


def test_a_second_start_tells_what_runs_and_purge_refuses(environment, port):
    with running(environment) as up:
        second = run(environment)
        assert second.returncode == 0
        assert f"already running at http://127.0.0.1:{port} (process {up.pid})" in second.stdout
        refused = run(environment, "--purge")
        assert refused.returncode == 1
        assert "Nothing was removed" in refused.stderr
        assert healthy(environment)


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(CHILDREN))
def test_a_killed_child_comes_back(environment, tmp_path, name):
    data = tmp_path / "data"
    with running(environment):
        before = read_state(data).children[name]
        os.kill(before.pid, signal.SIGKILL)
        wait_until(lambda: read_state(data).children.get(name, before) != before)
        wait_until(lambda: healthy(environment))


def test_what_a_killed_up_left_is_ended_by_the_next_start(environment, tmp_path):
    data = tmp_path / "data"
    with running(environment) as up:
        left = set(marked(str(data))) - {read_state(data).up}
        up.kill()
        up.wait()
        assert len(left) >= len(CHILDREN)
        with running(environment):
            assert healthy(environment)
            assert not left & set(marked(str(data)))


@pytest.mark.full
def test_processes_are_found_even_when_the_state_file_is_lost(environment, tmp_path):
    data = tmp_path / "data"
    with running(environment) as up:
        data.joinpath("run", "state.json").unlink()
        up.kill()
        up.wait()
        with running(environment):
            assert healthy(environment)
    assert marked(str(data)) == []


@pytest.mark.full
def test_ctrl_c_at_any_moment_of_a_first_start_leaves_no_process(environment, tmp_path):
    data = tmp_path / "data"
    for tenths in range(3, 24, 4):
        with subprocess.Popen(up_command(), env=environment, stdout=subprocess.PIPE) as up:
            time.sleep(tenths / 10)
            up.send_signal(signal.SIGINT)
            up.wait(PATIENCE)
        assert marked(str(data)) == []
    with running(environment):
        assert healthy(environment)


@pytest.mark.full
def test_a_web_that_can_not_start_is_given_up_with_its_reason(environment):
    answer = run(environment, GRANIAN_BLOCKING_THREADS="1", GRANIAN_HTTP="nonsense")
    assert answer.returncode == 1
    assert "web ended 4 times; it last said:" in answer.stderr


@pytest.mark.full
def test_the_state_file_names_each_childs_pid(environment, tmp_path):
    with running(environment):
        content = json.loads((tmp_path / "data" / "run" / "state.json").read_text())
        assert set(content["children"]) == CHILDREN
        assert all(isinstance(pid, int) for pid in content["children"].values())
