"""Seconds of processor time that processes spent, from /proc."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path


def computed() -> float:
    """Seconds of processor time of this process and of the PostgreSQL that serves it."""
    return time.process_time() + spent_by(backend())


def backend() -> int:
    from django.db import connection

    connection.ensure_connection()
    pid: int = connection.connection.info.backend_pid
    return pid


def postmaster() -> int:
    return int(status_of(backend())[1])


def status_of(pid: int | str) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def spent_by(pid: int) -> float:
    fields = status_of(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spent_below(pid: int) -> float:
    """Seconds of processor time of a process and its children, as far as they live."""
    total = spent_by(pid)
    for other in Path("/proc").iterdir():
        with suppress(OSError):
            if other.name.isdigit() and int(status_of(other.name)[1]) == pid:
                total += spent_by(int(other.name))
    return total
