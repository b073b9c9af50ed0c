"""A process is recognised by more than its pid."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from evox.embedded.processes import MARKER, Process, end, identify, is_alive, marked


@pytest.fixture
def sleeper(tmp_path):
    process = subprocess.Popen(["sleep", "60"], env={"PATH": os.defpath, MARKER: str(tmp_path)})
    yield process
    process.kill()
    process.wait()


def test_a_process_is_found_by_its_marker_and_no_other_is(sleeper, tmp_path):
    identity = identify(sleeper.pid)
    assert marked(str(tmp_path)) == [identity]
    assert marked(str(tmp_path / "other")) == []


def test_a_later_process_with_the_same_pid_is_never_killed(sleeper):
    earlier = Process(sleeper.pid, "started at another time")
    end([earlier], grace=0)
    assert not is_alive(earlier)
    assert sleeper.poll() is None


def test_who_ignores_the_polite_signal_is_killed():
    ignoring = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True)"
    command = [sys.executable, "-c", f"{ignoring}; time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as stubborn:
        stubborn.stdout.readline()
        end([identify(stubborn.pid)], grace=0.2)
        assert stubborn.wait(60) == -9


def test_an_ended_process_that_nobody_waited_for_counts_as_ended(sleeper):
    identity = identify(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(identity)
    with pytest.raises(ProcessLookupError):
        identify(sleeper.pid)
