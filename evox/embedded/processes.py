"""Which process is which: a pid alone may be a stranger's by the time it is used."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MARKER = "EVOX_SUPERVISED_BY"
"""Every process under `up` carries this variable; its value is the absolute data folder."""


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one with the same pid by when it was started."""

    pid: int
    started: str


def started_at(pid: int) -> str | None:
    """When `pid` was started, as text to compare; None when it has ended or is a zombie."""
    if PROC.joinpath("self", "stat").exists():
        try:
            stat = PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The name in parentheses may itself hold blanks and parentheses.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else f"{_boot_id()}/{fields[19]}"
    ps = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return ps.stdout.strip() or None


def identify(pid: int) -> Process:
    """The process that has `pid` now. Raises ProcessLookupError when there is none."""
    started = started_at(pid)
    if started is None:
        raise ProcessLookupError(pid)
    return Process(pid, started)


def is_alive(process: Process) -> bool:
    """Whether this very process still runs."""
    return started_at(process.pid) == process.started


def marked(marker: str) -> list[Process]:
    """Every process whose environment says that it runs under the `up` of data folder `marker`.

    Finds what its parent left behind, whatever became of the parent. Empty where there is no
    /proc; other users' processes are not seen.
    """
    wanted = f"{MARKER}={marker}".encode()
    found = []
    for folder in PROC.glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid():
            continue
        with suppress(OSError):
            if wanted in folder.joinpath("environ").read_bytes().split(b"\0"):
                found.append(identify(pid))
    return found


def end(processes: Iterable[Process], *, grace: float) -> None:
    """End these processes, politely first, by force after `grace` seconds."""
    left = [process for process in processes if is_alive(process)]
    for process in left:
        send(process, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [process for process in left if is_alive(process)]
    for process in left:
        send(process, signal.SIGKILL)
    while any(is_alive(process) for process in left) and time.monotonic() < deadline + 5:
        time.sleep(0.05)


def send(process: Process, number: signal.Signals) -> None:
    """Signal this very process, never one that was given its pid later."""
    if is_alive(process):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def _boot_id() -> str:
    try:
        return PROC.joinpath("sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
