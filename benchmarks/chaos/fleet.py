"""The agents' processes, and the operator that feeds and unblocks them."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from benchmarks.chaos.agent import NO_ANSWER, Client
from benchmarks.chaos.plan import Plan
from benchmarks.chaos.system import ROOT, System

RESTART_SECONDS = 0.5


@dataclass
class Live:
    """A process of an agent; each start has a session of its own."""

    name: str
    session: str
    process: subprocess.Popen[bytes]
    stopped_until: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True)
class Kill:
    """A SIGKILL: of whom, when, in which phase."""

    session: str
    at: float
    phase: str


@dataclass
class Fleet:
    """All agents of a run."""

    system: System
    plan: Plan
    kills: list[Kill] = field(default_factory=list)
    zombies: int = 0
    live: list[Live] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Who is killed when is the seed's."""
        self.draw = random.Random(f"fleet {self.plan.seed}")

    def start(self, name: str, *options: str) -> Live:
        """One agent more."""
        session = str(uuid.uuid4())
        journal = self.system.journals / f"{session}.jsonl"
        own = ("--url", self.system.url, "--name", name, "--session", session)
        more = ("--journal", str(journal), "--seed", str(self.plan.seed))
        terms = ("--lease", str(self.plan.lease), "--work", str(self.plan.work))
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.chaos.agent", *own, *more, *terms, *options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
        )
        live = Live(name, session, process)
        self.live.append(live)
        return live

    def start_all(self) -> None:
        """The usual agents."""
        for index in range(self.plan.agents):
            self.start(f"CHAOS-{index:02}")

    def tick(self) -> None:
        """Start the dead again, wake the stopped whose time has come."""
        now = time.monotonic()
        for live in list(self.live):
            if live.stopped_until is not None and now >= live.stopped_until:
                live.stopped_until = None
                live.process.send_signal(signal.SIGCONT)
            if live.process.poll() is None:
                continue
            live.ended_at = live.ended_at or now
            if now >= live.ended_at + RESTART_SECONDS:
                self.live.remove(live)
                self.start(live.name)

    def holders(self) -> list[Live]:
        """Running agents that hold a lease now; none while PostgreSQL is down."""
        try:
            rows = self.system.rows(
                "SELECT session::text FROM agents_attempt WHERE outcome = 'running'"
            )
        except psycopg.Error:
            return []
        held = {session for (session,) in rows}
        return [
            live
            for live in self.live
            if live.session in held and live.stopped_until is None and live.process.poll() is None
        ]

    def trusted(self) -> list[str]:
        """Agents with nothing held against them: a breaker would let them have one thing a time."""
        rows = self.system.rows(
            """SELECT name FROM agents_agent a WHERE name LIKE 'CHAOS-%' AND NOT EXISTS (
                   SELECT 1 FROM recovery_agentbreaker b
                   WHERE b.agent_id = a.id AND b.open_until IS NOT NULL) ORDER BY name"""
        )
        return [name for (name,) in rows] or ["CHAOS-NEW"]

    def kill_holder(self) -> bool:
        """SIGKILL an agent at work; False when none is."""
        found = self.holders()
        if found:
            self.kill(self.draw.choice(found), phase="chaos")
        return bool(found)

    def kill(self, live: Live, *, phase: str) -> None:
        """SIGKILL that one."""
        self.kills.append(Kill(live.session, time.time(), phase))
        live.process.kill()

    def stop_holder(self) -> bool:
        """SIGSTOP an agent at work past its lease, so that it wakes as a zombie."""
        found = self.holders()
        if found:
            live = self.draw.choice(found)
            live.process.send_signal(signal.SIGSTOP)
            live.stopped_until = time.monotonic() + self.plan.lease + self.draw.uniform(2, 6)
            self.zombies += 1
        return bool(found)

    def end_all(self) -> None:
        """End all agents; they hold nothing."""
        for live in self.live:
            live.process.kill()
        for live in self.live:
            live.process.wait()
        self.live.clear()


class Operator(threading.Thread):
    """Queues work, bit by bit, and unblocks what waits for a person. Retries as agents do."""

    def __init__(self, system: System, plan: Plan) -> None:
        """Started by `start`."""
        super().__init__(daemon=True)
        self._client, self._plan = Client(system.url), plan
        self._todo: list[tuple[float, int]] = []
        self._lock = threading.Lock()
        self.resting = threading.Event()
        self.unblocked = 0

    def queue(self, numbers: range, *, over: float) -> None:
        """Make these dispatches in the next `over` seconds, a tenth of them at once."""
        now, head = time.monotonic(), len(numbers) // 10
        with self._lock:
            self._todo += [
                (now + max(0, index - head) * over / len(numbers), n)
                for index, n in enumerate(numbers)
            ]

    def is_done(self) -> bool:
        """Whether all that was queued is made."""
        with self._lock:
            return not self._todo

    def run(self) -> None:
        """Until the process ends."""
        look_at = 0.0
        while True:
            time.sleep(0.02)
            with suppress(*NO_ANSWER):
                self._make_next()
            if time.monotonic() >= look_at and not self.resting.is_set():
                look_at = time.monotonic() + 1
                with suppress(*NO_ANSWER):
                    self._unblock()

    def _make_next(self) -> None:
        with self._lock:
            if not self._todo or time.monotonic() < self._todo[0][0]:
                return
            n = self._todo[0][1]
        body = {
            "title": f"Chaos {n}",
            "command": "true",
            "payload": {"n": n, "kind": self._plan.kind_of(n)},
        }
        key = f"chaos {self._plan.seed} {n}"
        status, _ = self._client.call("POST", "dispatches", body, key=key)
        if status == 201:
            with self._lock:
                self._todo.pop(0)

    def _unblock(self) -> None:
        status, found = self._client.call("GET", "dispatches?status=blocked&limit=50")
        if status != 200:
            return
        waiting: list[dict[str, Any]] = found["results"]
        for dispatch in waiting:
            status, _ = self._client.call("POST", f"dispatches/{dispatch['id']}/unblock")
            self.unblocked += status == 200
