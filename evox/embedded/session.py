"""One run of `up`: the servers, the upgrade of the database, then EVOX itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress

from evox import env
from evox.embedded import launch, processes
from evox.embedded.binaries import postgres_install, redis_server
from evox.embedded.errors import StartError
from evox.embedded.launch import ROOT, Address
from evox.embedded.logs import say
from evox.embedded.places import Places, remove_short_folder
from evox.embedded.postgres import EmbeddedPostgres
from evox.embedded.processes import Process, identify
from evox.embedded.redis import EmbeddedRedis
from evox.embedded.state import State, forget_state, write_state
from evox.embedded.supervisor import Supervisor

READY_SECONDS = 180
TICK_SECONDS = 0.2


class Session:
    """Starts in the order of need, serves until interrupted, ends in the reverse order."""

    def __init__(self, places: Places, where: Address, *, demo: bool, echo: bool) -> None:
        """Nothing is started yet. `echo` shows the children's output at the terminal."""
        self._places = places
        self._where = where
        self._demo = demo
        self._state = State(str(places.data_dir), up=identify(os.getpid()), url=where.url)
        self.supervisor = Supervisor(places.logs, echo=echo, changed=self._children_changed)

    def start(self) -> None:
        """Start everything and say where it is. Raises StartError when a part can't be had."""
        begun = time.monotonic()
        self._write()
        programs = self._start_servers()
        urls = {"DATABASE_URL": self._state.database_url, "REDIS_URL": self._state.redis_url}
        temporary = self._places.temporary_folder(self._state.socket_folder)
        own = urls | {"TMPDIR": str(temporary)}
        environment = launch.child_env(self._places.data_dir, own, demo=self._demo)
        notes = self._upgrade(environment | programs)
        self.supervisor.start(launch.web(environment, self._where))
        self.supervisor.start(launch.worker(environment))
        self.supervisor.start(launch.beat(environment))
        self.supervisor.wait_until_ready(
            "web", lambda: launch.is_serving(self._where), seconds=READY_SECONDS
        )
        self._state.ready = True
        self._write()
        say(f"EVOX runs at {self._where.url} (ready in {time.monotonic() - begun:.1f} s).")
        for note in notes:
            say(note)
        say(f"Try it: curl {self._where.url}/healthz")
        say("Ctrl-C stops it.")
        if self._demo:
            self.supervisor.start(launch.demo(environment))

    def serve(self) -> None:
        """Keep the children running, until an exception ends it."""
        while True:
            self.supervisor.tick()
            time.sleep(TICK_SECONDS)

    def close(self) -> None:
        """End all children and whatever they started, and leave no trace of having run."""
        self.supervisor.stop_all()
        processes.end(processes.marked(str(self._places.data_dir)), grace=2)
        if self._state.socket_folder:
            remove_short_folder(self._state.socket_folder)
        forget_state(self._places.data_dir)

    def _start_servers(self) -> dict[str, str]:
        """Start the servers that the environment doesn't name, and note all addresses.

        Returns what the upgrade needs to dump an embedded database first.
        """
        self._state.database_url = env.text("DATABASE_URL")
        self._state.redis_url = env.text("REDIS_URL")
        if self._state.database_url and self._state.redis_url:
            return {}
        postgres_sockets, redis_sockets = self._places.socket_folders()
        self._state.socket_folder = str(redis_sockets)
        dump_settings: dict[str, str] = {}
        servers: list[EmbeddedPostgres | EmbeddedRedis] = []
        if not self._state.database_url:
            programs = self._places.programs(postgres_install())
            postgres = EmbeddedPostgres(
                programs=programs,
                data=self._places.postgres_home() / "postgres",
                sockets=postgres_sockets,
                account=self._places.account,
                marker=str(self._places.data_dir),
            )
            self._state.database_url = postgres.url
            servers.append(postgres)
            dump_settings = {
                "EVOX_DUMP_PROGRAM": str(programs / "bin" / "pg_dump"),
                "EVOX_DUMP_FOLDER": str(self._places.backups),
            }
        if not self._state.redis_url:
            redis = EmbeddedRedis(
                program=redis_server(),
                data=self._places.data_dir / "redis",
                sockets=redis_sockets,
                marker=str(self._places.data_dir),
            )
            self._state.redis_url = redis.url
            servers.append(redis)
        self._start_all(servers)
        return dump_settings

    def _start_all(self, servers: list[EmbeddedPostgres | EmbeddedRedis]) -> None:
        for server in servers:
            server.initialise()
            self.supervisor.start(server.child())
        for server in servers:
            name = server.child().name
            self.supervisor.wait_until_ready(name, server.is_ready, seconds=READY_SECONDS)

    def _upgrade(self, environment: dict[str, str]) -> list[str]:
        """Bring the database to this version, and return what its reader should know."""
        log = self._places.logs / "upgrade.log"
        run = subprocess.run(
            [sys.executable, "-P", "-m", "evox.upgrade"],
            env=environment,
            cwd=ROOT,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
        )
        with suppress(OSError):
            log.write_text(run.stderr, encoding="utf-8")
        if run.returncode:
            said = [line for line in run.stderr.splitlines() if line.strip()]
            raise StartError(said[-1].removeprefix("EVOX cannot start: ") if said else str(log))
        return [line for line in run.stdout.splitlines() if line.strip()]

    def _children_changed(self, alive: dict[str, Process]) -> None:
        self._state.children = alive
        self._write()

    def _write(self) -> None:
        # A full disk must not end the supervisor.
        with suppress(OSError):
            write_state(self._places.data_dir, self._state)
