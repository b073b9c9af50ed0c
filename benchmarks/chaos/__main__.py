"""Break everything under a working team, and check the books.

    python -m benchmarks.chaos [--small] [--seed N] [--sweep SECONDS] [--keep] …

Starts a whole EVOX in a temporary folder (PostgreSQL, Redis, web, worker and beat, supervised as
by ./scripts/up), agents as processes of their own that talk HTTP, and for some minutes kills,
stops, flushes and restarts all of them. Then nobody calls for a while, so that beat alone sweeps.
At the end the database, an observer's log of every change and the agents' journals must agree.
Exits with 1 when something was done twice, lost, late or early.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace

import psycopg

from benchmarks.chaos import books, figures
from benchmarks.chaos.figures import Run
from benchmarks.chaos.fleet import Fleet, Operator
from benchmarks.chaos.plan import FULL, SMALL, Plan
from benchmarks.chaos.system import System, running, wait_for

TICK = 0.05
UNFINISHED = """SELECT count(*) FROM agents_dispatch
                WHERE status IN ('pending', 'running', 'retrying', 'blocked')"""
PATIENCE = 10.0
"""Seconds that an event waits for its victim, such as an agent that holds a lease."""


class Harness:
    """One run, phase by phase."""

    def __init__(self, system: System, plan: Plan) -> None:
        """Nothing happens yet."""
        self.system, self.plan = system, plan
        self.run = Run(plan)
        self.fleet = Fleet(system, plan)
        self.operator = Operator(system, plan)
        self.draw = random.Random(f"harness {plan.seed}")
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._redis_down_until = 0.0
        self._swept_at: float | None = None
        self._look_at = 0.0

    def all_phases(self) -> None:
        """Chaos, drain, beat alone, drain."""
        self.operator.start()
        self.operator.queue(range(self.plan.dispatches), over=self.plan.window * 0.92)
        self.fleet.start_all()
        with self.phase("chaos"):
            self.chaos()
        with self.phase("its rest"):
            self.drain("the chaos' work to be finished")
        self.fleet.end_all()
        with self.phase("beat alone"):
            self.beat_alone()
        self.fleet.start_all()
        with self.phase("its rest again"):
            self.drain("the last work to be finished")
        self.fleet.end_all()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Note how long it takes."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.run.phases[name] = time.monotonic() - begun

    def chaos(self) -> None:
        """What the plan holds, each at its time."""
        begun = time.monotonic()
        waiting = self.plan.events()
        while waiting or time.monotonic() < begun + self.plan.window or self._later:
            self.tick()
            passed = time.monotonic() - begun
            for at, kind in [event for event in waiting if event[0] <= passed]:
                if getattr(self, kind)():
                    self.run.done[kind.replace("_", " ")] += 1
                elif passed < at + PATIENCE:
                    continue
                waiting.remove((at, kind))

    def tick(self) -> None:
        """What goes on all the time."""
        time.sleep(TICK)
        self.fleet.tick()
        now = time.monotonic()
        if now < self._redis_down_until:
            self.system.signal_child("redis", signal.SIGKILL)
        for due, act in [later for later in self._later if later[0] <= now]:
            act()
            self._later.remove((due, act))
        if now >= self._look_at:
            self._look_at = now + 1
            self.look_at_beat()

    def look_at_beat(self) -> None:
        """How long beat's own sweep has not come."""
        with suppress(psycopg.Error):
            rows = self.system.rows(
                """SELECT extract(epoch FROM at)::float8,
                          extract(epoch FROM clock_timestamp())::float8
                   FROM agents_systembeat WHERE name = 'sweeper'"""
            )
            for at, now in rows:
                gap = now - at
                self.run.longest_without_beat = max(self.run.longest_without_beat, gap)
                self._swept_at = at

    def drain(self, what: str) -> None:
        """Until nothing is left to do; raises TimeoutError with what still waits."""

        def is_drained() -> bool:
            self.tick()
            with suppress(psycopg.Error):
                return self.operator.is_done() and self.system.rows(UNFINISHED) == [(0,)]
            return False

        try:
            wait_for(is_drained, self.plan.drain, what)
        except TimeoutError:
            left = self.system.rows(
                """SELECT status, count(*), min(reason) FROM agents_dispatch
                   WHERE finished_at IS NULL GROUP BY 1"""
            )
            print(f"Left: {left}; agents {len(self.fleet.live)}", file=sys.stderr)
            raise

    def beat_alone(self) -> None:
        """Leases and retries run out over some seconds while nobody calls."""
        self.wait_for_beat()
        plan, first = self.plan, self.plan.dispatches
        self.operator.queue(range(first, first + 2 * plan.probes), over=0)
        wait_for(self.operator.is_done, 60, "the work for beat alone to be queued")
        self.operator.resting.set()
        names = self.fleet.trusted()
        begin = time.time() + 3 + 0.2 * plan.probes
        probes = []
        for index in range(plan.probes):
            at = begin + index / plan.probes * plan.lease * 0.6
            hold = self.draw.randint(plan.lease, plan.lease + 2 * plan.sweep)
            options = ("--probe-at", f"{at:.3f}", "--hold", str(hold))
            probes.append(self.fleet.start(names[index % len(names)], *options))
        waiting = list(probes)
        until = begin + plan.lease * 0.6 + 1.5
        while waiting and time.time() < until:
            time.sleep(TICK)
            rows = self.system.rows(
                "SELECT session::text FROM agents_attempt GROUP BY 1 HAVING count(*) > 1"
            )
            ready = {session for (session,) in rows}
            for probe in [live for live in waiting if live.session in ready]:
                waiting.remove(probe)
                self.fleet.kill(probe, phase="beat")
        for probe in waiting:
            self.fleet.kill(probe, phase="beat")
        self.fleet.end_all()
        quiet_from = time.time()

        def is_swept() -> bool:
            left = "SELECT count(*) FROM agents_dispatch WHERE status IN ('running', 'retrying')"
            return self.system.rows(left) == [(0,)]

        try:
            wait_for(is_swept, plan.lease + 3 * plan.sweep + 40, "beat to sweep alone")
        finally:
            self.run.quiet = (quiet_from, time.time())
            self.operator.resting.clear()

    def wait_for_beat(self) -> None:
        """Raises TimeoutError when beat and the worker don't sweep any more."""

        def sweeps() -> bool:
            self.look_at_beat()
            return self._swept_at is not None and self._swept_at > begun

        begun = time.time()
        wait_for(sweeps, self.plan.sweep * 2 + 60, "beat and the worker to sweep again")

    # Each returns whether it was done.

    def kill_agent(self) -> bool:
        return self.fleet.kill_holder()

    def stop_agent(self) -> bool:
        return self.fleet.stop_holder()

    def kill_web(self) -> bool:
        return self.system.signal_child("web", signal.SIGKILL)

    def kill_web_process(self) -> bool:
        return self.system.kill_one_web_process(self.draw.choice)

    def kill_worker(self) -> bool:
        return self.system.signal_child("worker", signal.SIGKILL)

    def kill_beat(self) -> bool:
        return self.system.signal_child("beat", signal.SIGKILL)

    def flush_redis(self) -> bool:
        return self.system.flush_redis()

    def hang_redis(self) -> bool:
        if not self.system.signal_child("redis", signal.SIGSTOP):
            return False
        due = time.monotonic() + self.plan.redis_away
        self._later.append((due, lambda: self.system.signal_child("redis", signal.SIGCONT)))
        return True

    def hold_redis_down(self) -> bool:
        self._redis_down_until = time.monotonic() + self.plan.redis_away
        return True

    def restart_postgres(self) -> bool:
        return self.system.restart_postgres(signal.SIGINT)

    def crash_postgres(self) -> bool:
        return self.system.restart_postgres(signal.SIGQUIT)


def parse(argv: list[str] | None) -> tuple[Plan, bool]:
    """The plan, and whether to keep what the run leaves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="a minute and a half, for tests")
    parser.add_argument("--keep", action="store_true", help="keep journals and logs")
    for one in fields(Plan):
        kind = {"int": int, "float": float}.get(str(one.type), str)
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=kind, metavar=one.name.upper())
    given = vars(parser.parse_args(argv))
    small, keep = given.pop("small"), given.pop("keep")
    changed = {name: value for name, value in given.items() if value is not None}
    return replace(SMALL if small else FULL, **changed), keep


def out_of_time(_number: int, _frame: object) -> None:
    """The run's own limit."""
    raise TimeoutError("The run took longer than its limit.")


def main(argv: list[str] | None = None) -> int:
    """Run it, print what was seen; 1 when something is wrong."""
    plan, keep = parse(argv)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.alarm(plan.limit)
    begun = time.monotonic()
    wrong: list[str] = []
    with running(plan.environment(), keep=keep) as system:
        harness = Harness(system, plan)
        try:
            harness.all_phases()
        except TimeoutError as error:
            wrong.append(str(error))
        finally:
            harness.fleet.end_all()
        run, fleet = harness.run, harness.fleet
        run.kills, run.zombies = fleet.kills, fleet.zombies
        run.unblocked = harness.operator.unblocked
        run.phases["in all"] = time.monotonic() - begun
        found = books.read(system)
    measured = figures.measure(found, harness.run)
    print(figures.table(found, harness.run, measured))
    total = plan.dispatches + 2 * plan.probes
    wrong += books.violations(found, dispatches=total)
    wrong += figures.missed_goals(measured, found, plan)
    for line in wrong[:40]:
        print(f"WRONG: {line}")
    well = "Nothing lost, nothing done twice, nothing late."
    print(f"{len(wrong)} violations" if wrong else well)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
