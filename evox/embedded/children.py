"""A child process: what to run, as whom, and how to end it."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from evox.embedded.errors import StartError


@dataclass(frozen=True)
class Account:
    """A user of this machine, by number."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Child:
    """One program under supervision. `stop_seconds` is how long it may take to end politely."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10
    restart: bool = True
    """Whether it is started anew when it ends by itself."""
    echo: bool = False
    """Whether its output is shown even without --logs."""


def server_account() -> Account | None:
    """Who runs PostgreSQL, which refuses root: nobody when EVOX runs as root, else None.

    It must be a user that exists: initdb asks access(2), so neither a made-up number nor a
    capability will do.
    """
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise StartError(
            "PostgreSQL does not run as root and this machine has no user nobody:"
            " run EVOX as an ordinary user, or set DATABASE_URL."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def account_options(account: Account | None) -> dict[str, Any]:
    """What Popen takes to run as `account`, with none of root's groups."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def start(child: Child, *, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, so that Ctrl-C reaches the supervisor alone.

    Raises StartError when the program can't be run at all.
    """
    try:
        return subprocess.Popen(
            child.command,
            env=dict(child.env),
            cwd=child.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **account_options(child.account),
        )
    except OSError as error:
        raise StartError(f"{child.name} can't be started: {error}") from None


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended. It stays a zombie, so that its pid can't become a stranger's yet."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def reap(process: subprocess.Popen[bytes]) -> int:
    """Kill it and what is left of its group, and return its exit code, negative for a signal."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def stop(child: Child, process: subprocess.Popen[bytes]) -> int:
    """End it politely, by force after its `stop_seconds`, with whatever it left in its group.

    Returns its exit code, negative for a signal.
    """
    if not has_ended(process):
        process.send_signal(child.stop_signal)
    deadline = time.monotonic() + child.stop_seconds
    while not has_ended(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    return reap(process)
