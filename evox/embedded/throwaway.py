"""Servers for one test run: `python -m evox.embedded.throwaway`.

Starts PostgreSQL and Redis in a temporary folder, writes one line of JSON with their addresses,
waits until its standard input ends, stops them and deletes the folder. Because it waits for the
input's end, it also cleans up after a test run that was killed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from evox.embedded import children
from evox.embedded.binaries import copy_postgres, postgres_install, redis_server
from evox.embedded.errors import StartError
from evox.embedded.logs import complaint
from evox.embedded.places import fits_sockets
from evox.embedded.postgres import EmbeddedPostgres
from evox.embedded.redis import EmbeddedRedis

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_SECONDS = 180


def temporary_folder(account: children.Account | None) -> Path:
    """Make a folder that `account` can reach (None: the present user), and nobody can list.

    The usual temporary folder may lie in a private home, which stays as it is.
    """
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108
    usable = [
        path
        for path in candidates
        if (account is None or open_to_all(path)) and fits_sockets(path / "evox-12345678")
    ]
    if not usable:
        raise StartError("no temporary folder is open to all and has a short path; set TMPDIR.")
    folder = Path(tempfile.mkdtemp(prefix="evox-", dir=usable[0]))
    if account is not None:
        folder.chmod(0o711)
    return folder


def open_to_all(path: Path) -> bool:
    """Whether every user may pass through `path` and the folders above it."""
    return all(
        folder.stat().st_mode & stat.S_IXOTH for folder in (path.resolve(), *path.resolve().parents)
    )


@contextmanager
def throw_away_servers(*, postgres: bool = True, redis: bool = True) -> Iterator[dict[str, str]]:
    """The addresses of fresh servers, as environment variables; gone when the block ends.

    Raises StartError when a server can't be had or doesn't start within READY_SECONDS.
    """
    account = children.server_account() if postgres else None
    with ExitStack() as stack:
        folder = temporary_folder(account)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        urls = {}
        if postgres:
            urls["DATABASE_URL"] = _start_postgres(folder, account, stack)
        if redis:
            urls["REDIS_URL"] = _start_redis(folder, stack)
        yield urls


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wanted = sys.argv[1:] or ["postgres", "redis"]
    try:
        with throw_away_servers(postgres="postgres" in wanted, redis="redis" in wanted) as urls:
            sys.stdout.write(json.dumps(urls) + "\n")
            sys.stdout.flush()
            sys.stdin.read()
    except StartError as error:
        sys.exit(f"The servers for tests cannot start: {error}")


def _start_postgres(folder: Path, account: children.Account | None, stack: ExitStack) -> str:
    install = postgres_install()
    sockets = folder / "s"
    sockets.mkdir(mode=0o700)
    if account:
        install = copy_postgres(install, folder / "programs")
        os.chown(sockets, account.uid, account.gid)
    server = EmbeddedPostgres(
        programs=install,
        data=_owned_folder(folder / "p", account) / "data",
        sockets=sockets,
        account=account,
        durable=False,
    )
    server.initialise()
    _start(server, folder / "postgres.log", stack)
    return server.url


def _owned_folder(folder: Path, account: children.Account | None) -> Path:
    folder.mkdir(mode=0o700)
    if account:
        os.chown(folder, account.uid, account.gid)
    return folder


def _start_redis(folder: Path, stack: ExitStack) -> str:
    sockets = _owned_folder(folder / "r", None)
    server = EmbeddedRedis(
        program=redis_server(), data=sockets / "data", sockets=sockets, durable=False
    )
    server.initialise()
    _start(server, folder / "redis.log", stack)
    return server.url


def _start(server: EmbeddedPostgres | EmbeddedRedis, log: Path, stack: ExitStack) -> None:
    child = server.child()
    with log.open("wb") as output:
        process = children.start(child, output=output)
    stack.callback(children.stop, child, process)
    _wait(server, process, log)


def _wait(
    server: EmbeddedPostgres | EmbeddedRedis, process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not server.is_ready():
        if children.has_ended(process) or time.monotonic() > deadline:
            said = complaint(log.read_text(encoding="utf-8", errors="replace").splitlines())
            raise StartError(f"{server.child().name} did not start: {said}")
        time.sleep(0.02)


def _exit(_number: int, _frame: object) -> None:
    sys.exit(1)


if __name__ == "__main__":
    main()
