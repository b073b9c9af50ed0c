"""An embedded PostgreSQL: unix socket only, one superuser `evox`, one database `evox`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from evox.embedded.binaries import POSTGRES_MAJOR
from evox.embedded.children import Account, Child, account_options
from evox.embedded.errors import StartError
from evox.embedded.processes import MARKER

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # part of the socket's name; no port is opened
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] ",
}
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, kw_only=True)
class EmbeddedPostgres:
    """Where one server keeps its data and its socket, and what is run with them."""

    programs: Path
    """The folder with bin, lib and share; `account` must be able to read it."""
    data: Path
    """PostgreSQL's data folder; made by `initialise`."""
    sockets: Path
    """The folder for its socket, closed to others."""
    account: Account | None = None
    """Who runs it; None for the present user."""
    durable: bool = True
    """False trades safety against a crash for speed, for data that is thrown away."""
    marker: str = ""
    """The data folder whose `up` it belongs to."""

    @property
    def url(self) -> str:
        """Its address, in the form that dj-database-url and libpq take."""
        return f"postgresql://evox@{quote(str(self.sockets), safe='')}/evox"

    @property
    def env(self) -> dict[str, str]:
        """An environment without EVOX's secrets: the server may run as another user."""
        env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return env | {MARKER: self.marker} if self.marker else env

    def initialise(self) -> None:
        """Make the data folder, complete or not at all; one that is there is checked only.

        Raises StartError when it can't be made or belongs to another major version.
        """
        if self.data.exists():
            self._check_version()
            return
        unfinished = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self.account:
            os.chown(unfinished, self.account.uid, self.account.gid)
        self._run(
            *("initdb", "--username=evox", "--auth=trust", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
            *("--no-sync",) if not self.durable else (),
            *("-D", str(unfinished)),
        )
        single = ("postgres", "--single", "-D", str(unfinished), "-c", "fsync=off", "postgres")
        self._run(*single, typed="CREATE DATABASE evox\n")
        unfinished.rename(self.data)

    def child(self) -> Child:
        """The server as a program to supervise."""
        settings = SETTINGS | {"unix_socket_directories": str(self.sockets)}
        if not self.durable:
            settings |= THROW_AWAY
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Child(
            name="postgres",
            command=(self._program("postgres"), "-D", str(self.data), *options),
            env=self.env,
            folder=Path("/"),
            account=self.account,
            stop_signal=signal.SIGINT,  # ends open connections; SIGTERM would wait for them
            stop_seconds=30,
        )

    def is_ready(self) -> bool:
        """Whether it accepts connections now."""
        command = (self._program("pg_isready"), "-q", "-h", str(self.sockets), "-t", "2")
        run = subprocess.run(command, env=self.env, check=False, capture_output=True)
        return run.returncode == 0

    def _check_version(self) -> None:
        try:
            version = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        except OSError as error:
            raise StartError(f"the database in {self.data} can't be read: {error}.") from None
        if version != str(POSTGRES_MAJOR):
            raise StartError(
                f"the database in {self.data} was made by PostgreSQL {version}, and this EVOX"
                f" brings {POSTGRES_MAJOR}: go back to the EVOX that made it and dump it there,"
                " or set EVOX_DATA_DIR to a fresh folder."
            )

    def _program(self, name: str) -> str:
        return str(self.programs / "bin" / name)

    def _run(self, program: str, *arguments: str, typed: str = "") -> None:
        run = subprocess.run(
            (self._program(program), *arguments),
            input=typed,
            env=self.env,
            cwd="/",
            check=False,
            capture_output=True,
            text=True,
            **account_options(self.account),
        )
        if run.returncode:
            said = _last_line(run.stderr) or _last_line(run.stdout)
            raise StartError(f"PostgreSQL's {program} failed: {said}")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def dump(program: str, url: str, file: Path) -> None:
    """Write the database at `url` to `file` by the pg_dump `program`, for pg_restore.

    Raises StartError when it fails; then there is no `file`.
    """
    unfinished = file.with_name(f"{file.name}.new")
    run = subprocess.run(
        (program, "--format=custom", "--file", str(unfinished), "--dbname", url),
        check=False,
        capture_output=True,
        text=True,
    )
    if run.returncode:
        unfinished.unlink(missing_ok=True)
        raise StartError(f"the dump before migrating failed: {_last_line(run.stderr)}")
    unfinished.replace(file)
