"""`./scripts/test` runs every step, names what failed and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evox.embedded import checks


@pytest.fixture(autouse=True)
def _signals():
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_a_failed_step_does_not_hide_the_next(capfd):
    steps = {
        "good": ("-c", ""),
        "bad": ("-c", "raise SystemExit(3)"),
        "later": ("-c", "print('x')"),
    }
    assert checks.Steps({}).run(steps) == ["bad"]
    assert "--- later: ok" in capfd.readouterr().out


def test_after_a_signal_nothing_more_is_run(capfd):
    interrupt = "import os, signal; os.kill(os.getppid(), signal.SIGTERM); signal.pause()"
    steps = {"stopped": ("-c", interrupt), "never": ("-c", "")}
    assert checks.Steps({}).run(steps) == ["stopped"]
    assert "never" not in capfd.readouterr().out


def test_the_steps_temporary_folder_and_their_processes_are_gone_afterwards():
    with checks._private_environment() as environment:
        folder = Path(environment["TMPDIR"])
        (folder / "left").write_text("x")
        left = subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=-1)
        assert folder.is_dir()
    assert not folder.exists()
    assert left.wait(60) == -signal.SIGTERM
    left.stdin.close()


@pytest.mark.parametrize(
    ("typed", "options"),
    [
        ([], ("--cov", "--cov-report=term:skip-covered")),
        (["--full"], ("--full", "--cov", "--cov-report=term:skip-covered")),
        (["--full", "--", "-k", "retry"], ("--full", "-k", "retry")),
    ],
)
def test_what_comes_after_two_dashes_goes_to_pytest(monkeypatch, typed, options):
    monkeypatch.setattr(sys, "argv", ["test", *typed])
    assert checks._pytest_options(checks._parse()) == options
