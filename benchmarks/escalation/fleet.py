"""Real beats and workers, started as `up` starts them, and killed as nobody should."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.escalation.ground import ROOT

WORKER = ("worker", "--loglevel", "INFO", "--concurrency", "2", "--without-gossip")
BEAT = ("beat", "--loglevel", "INFO", "--pidfile", "")
READY_SECONDS = 60


class Fleet:
    """Beats and workers, each a process group of its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.logs = Path(tempfile.mkdtemp(prefix="evox-fleet-"))

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self.kill(name)
        if not self.tracebacks():
            shutil.rmtree(self.logs, ignore_errors=True)

    def start(self, *, beats: int, workers: int) -> None:
        """Start them, and wait until a round of watching was done."""
        for n in range(1, workers + 1):
            self._start(f"worker{n}", *WORKER, "--without-mingle", "--hostname", f"worker{n}@bench")
        for n in range(1, beats + 1):
            self._start(f"beat{n}", *BEAT)
        self._wait_for_a_round()
        for name in self._running:
            self._wait_for_words(name)

    def kill(self, name: str) -> None:
        """SIGKILL for that one and all that it started."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def tracebacks(self) -> int:
        """How many errors the logs of all of them hold."""
        logs = self.logs.glob("*.log")
        return sum(log.read_text(errors="replace").count("Traceback (most") for log in logs)

    def _start(self, name: str, *arguments: str) -> None:
        with (self.logs / f"{name}.log").open("wb") as output:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "evox", *arguments],
                cwd=ROOT,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _wait_for_a_round(self) -> None:
        from agents.models import SystemBeat

        deadline = time.monotonic() + READY_SECONDS
        while not SystemBeat.objects.filter(name="watcher").exists():
            self._give_up_after(deadline)
            time.sleep(0.2)

    def _wait_for_words(self, name: str) -> None:
        word = "ready." if name.startswith("worker") else "beat: Starting"
        deadline = time.monotonic() + READY_SECONDS
        while word not in (self.logs / f"{name}.log").read_text(errors="replace"):
            self._give_up_after(deadline)
            time.sleep(0.2)

    def _give_up_after(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            sys.exit(f"The beats and workers did not start; see {self.logs}.")
