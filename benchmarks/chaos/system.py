"""A whole EVOX of its own, as `./scripts/up` starts it, and ways to hurt it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import redis

from evox.embedded.state import State, read_state

ROOT = Path(__file__).resolve().parents[2]
GIVEN = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "EVOX_", "SECRET_KEY")

# A second pair of eyes: who moved when, in a schema of its own. The commit's time of each line is
# when others could see it, which the line itself can't know.
OBSERVER = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.moves (n bigserial PRIMARY KEY, dispatch bigint, old text, new text,
    epoch bigint, due timestamptz, lease timestamptz);
CREATE TABLE chaos.closings (n bigserial PRIMARY KEY, attempt bigint, old text, new text);
CREATE FUNCTION chaos.note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos.moves (dispatch, old, new, epoch, due, lease) VALUES
        (OLD.id, OLD.status, NEW.status, NEW.lease_epoch, OLD.run_at, OLD.lease_expires_at);
    RETURN NULL; END $$;
CREATE FUNCTION chaos.note_closing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos.closings (attempt, old, new) VALUES (OLD.id, OLD.outcome, NEW.outcome);
    RETURN NULL; END $$;
CREATE TRIGGER chaos_moves AFTER UPDATE ON agents_dispatch FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION chaos.note_move();
CREATE TRIGGER chaos_closings AFTER UPDATE ON agents_attempt FOR EACH ROW
    WHEN (OLD.outcome IS DISTINCT FROM NEW.outcome) EXECUTE FUNCTION chaos.note_closing();
"""


class System:
    """One running `up`: its addresses, its children, its database."""

    def __init__(self, data: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        """The process was started; `wait_until_ready` comes next."""
        self.data, self.port, self.process = data, port, process
        self.url = f"http://127.0.0.1:{port}"
        self.journals = data.parent / "journals"
        self._database = ""

    def state(self) -> State | None:
        """What the supervisor last wrote."""
        return read_state(self.data)

    def pid(self, child: str) -> int | None:
        """The present process of a child; None while it is down."""
        state = self.state()
        found = state.children.get(child) if state else None
        return found.pid if found else None

    def wait_until_ready(self, seconds: float = 120) -> None:
        """Raises TimeoutError, or RuntimeError when it ended."""

        def ready() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"up ended with {self.process.returncode}; see {self.data}")
            state = self.state()
            return state is not None and state.ready

        wait_for(ready, seconds, "EVOX to be ready")
        state = self.state()
        assert state is not None
        self._database = state.database_url

    def rows(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """The rows of a statement. Raises psycopg.Error while PostgreSQL is down."""
        parts = urlsplit(self._database)
        with psycopg.connect(
            host=unquote(parts.hostname or ""),
            user="evox",
            dbname="evox",
            autocommit=True,
            connect_timeout=5,
        ) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def observe(self) -> None:
        """Install the observer; PostgreSQL keeps the times of commits from its next start on."""
        self.rows("ALTER SYSTEM SET track_commit_timestamp = on")
        self.restart_postgres(signal.SIGINT)
        wait_for(self.database_answers, 60, "PostgreSQL to come back")
        self.rows(OBSERVER)

    def database_answers(self) -> bool:
        """Whether PostgreSQL takes a statement now."""
        try:
            return bool(self.rows("SELECT 1"))
        except psycopg.Error:
            return False

    def signal_child(self, child: str, number: signal.Signals) -> bool:
        """Signal a child; False while it is down."""
        pid = self.pid(child)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    def kill_one_web_process(self, draw: Callable[[list[int]], int]) -> bool:
        """SIGKILL one of the processes that answer requests, below the one supervised."""
        master = self.pid("web")
        workers = children_of(master) if master else []
        if not workers:
            return False
        with suppress(ProcessLookupError):
            os.kill(draw(workers), signal.SIGKILL)
            return True
        return False

    def restart_postgres(self, number: signal.Signals) -> bool:
        """SIGINT is a fast shutdown, SIGQUIT an immediate one, as if it had crashed."""
        return self.signal_child("postgres", number)

    def flush_redis(self) -> bool:
        """Forget all that Redis knows; False while it is down."""
        state = self.state()
        if state is None:
            return False
        try:
            with redis.Redis.from_url(state.redis_url, socket_timeout=3) as client:
                client.flushall()
        except redis.RedisError:
            return False
        return True

    def stop(self) -> int:
        """End it as Ctrl-C would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def running(environment: dict[str, str], *, keep: bool) -> Iterator[System]:
    """A system in a fresh folder, ready and observed; gone afterwards unless `keep`."""
    folder = Path(tempfile.mkdtemp(prefix="evox-chaos-"))
    data, port = folder / "data", free_port()
    (folder / "journals").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(GIVEN)}
    own = {"EVOX_DATA_DIR": str(data), "EVOX_PORT": str(port), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "evox.embedded.up"]
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=kept | own | environment, cwd=ROOT, stdout=log, stderr=log
        )
    system = System(data, port, process)
    try:
        system.wait_until_ready()
        system.observe()
        yield system
    finally:
        system.stop()
        if keep:
            print(f"Kept: {folder} (journals, up.log, data/logs)", flush=True)
        else:
            subprocess.run([*command, "--purge"], env=kept | own, check=False, capture_output=True)
            shutil.rmtree(folder, ignore_errors=True)


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {seconds:g} s for {what}.")
        time.sleep(0.1)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children_of(parent: int) -> list[int]:
    """The processes whose parent is `parent`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found
