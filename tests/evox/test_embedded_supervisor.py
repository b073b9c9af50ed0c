"""What ends is started again, ever later when it loops."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from evox.embedded.children import Child
from evox.embedded.errors import StartError
from evox.embedded.processes import identify, is_alive
from evox.embedded.supervisor import Supervisor, restart_delay


@pytest.mark.parametrize(
    ("crashes", "seconds"), [(1, 0.5), (2, 1), (3, 2), (6, 16), (7, 30), (1000, 30)]
)
def test_the_delay_doubles_up_to_half_a_minute(crashes, seconds):
    assert restart_delay(crashes) == seconds


@pytest.fixture
def alive():
    return {}


@pytest.fixture
def supervisor(tmp_path, alive):
    def changed(children):
        alive.clear()
        alive.update(children)

    supervisor = Supervisor(tmp_path, echo=False, changed=changed)
    yield supervisor
    supervisor.hurry = True
    supervisor.stop_all()


def child(code, **options):
    return Child(
        name="worker",
        command=(sys.executable, "-c", code),
        env={"PATH": os.defpath},
        folder=os.curdir,
        **options,
    )


def wait_for(supervisor, condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        supervisor.tick()
        time.sleep(0.02)


def test_a_killed_child_comes_back_as_another_process(supervisor, alive, capsys):
    supervisor.start(child("import time; time.sleep(60)"))
    first = alive["worker"]
    os.kill(first.pid, signal.SIGKILL)
    wait_for(supervisor, lambda: alive.get("worker", first) != first)
    assert "worker was killed by signal 9" in capsys.readouterr().out


def test_a_child_that_keeps_ending_before_it_is_ready_is_given_up_with_its_complaint(supervisor):
    supervisor.start(child("raise SystemExit('FATAL: no such thing')"))
    with pytest.raises(StartError, match=r"worker ended 4 times; .* FATAL: no such thing"):
        supervisor.wait_until_ready("worker", lambda: False, seconds=120)


def test_a_child_that_is_never_ready_is_given_up(supervisor):
    supervisor.start(child("import time; time.sleep(60)"))
    with pytest.raises(StartError, match="not ready after 0 s"):
        supervisor.wait_until_ready("worker", lambda: False, seconds=0.2)


def test_a_child_that_may_end_is_not_started_again(supervisor, alive, capsys):
    supervisor.start(child("", restart=False))
    wait_for(supervisor, lambda: not alive)
    assert "worker ended with 0." in capsys.readouterr().out


def test_a_program_that_is_missing_is_one_line(supervisor, tmp_path):
    with pytest.raises(StartError, match="worker can't be started"):
        supervisor.start(
            Child(name="worker", command=("/no/such/program",), env={}, folder=tmp_path)
        )


def test_who_ignores_the_stop_signal_is_killed_with_its_group(supervisor, alive, tmp_path):
    code = (
        "import signal, subprocess, time; signal.signal(15, signal.SIG_IGN);"
        f"p = subprocess.Popen(['sleep', '60']); open({str(tmp_path / 'pid')!r}, 'w').write("
        "str(p.pid)); time.sleep(60)"
    )
    supervisor.start(child(code, stop_seconds=0.2))
    file = tmp_path / "pid"
    wait_for(supervisor, lambda: file.exists() and file.read_text())
    grandchild = identify(int(file.read_text()))
    supervisor.stop_all()
    assert alive == {}
    wait_for(supervisor, lambda: not is_alive(grandchild))
