"""Keeps children running: what ends is started again, soon at first, later when it loops."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evox.embedded import children
from evox.embedded.children import Child
from evox.embedded.errors import StartError
from evox.embedded.logs import ChildLog, say
from evox.embedded.processes import Process, identify

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
HEALTHY_AFTER = 60.0
"""Seconds. Who ran for so long starts with a clean slate when it ends."""
CRASHES_AT_START = 4
"""A program that ended so often before it was ready will not come up by itself."""


def restart_delay(crashes: int) -> float:
    """Seconds to wait after the `crashes`-th end in a row (1 is the first): 0.5, 1, 2, … 30."""
    return min(FIRST_DELAY * 2.0 ** min(crashes - 1, 10), LONGEST_DELAY)


@dataclass
class _Kept:
    child: Child
    log: ChildLog
    process: subprocess.Popen[bytes] | None = None
    started: float = 0
    crashes: int = 0
    due: float | None = None


class Supervisor:
    """The children of one `up`. Not thread-safe: one loop calls `tick`."""

    def __init__(
        self, logs: Path, *, echo: bool, changed: Callable[[dict[str, Process]], None]
    ) -> None:
        """Write to the folder `logs`; call `changed` with the children whenever they change."""
        self._logs = logs
        self._echo = echo
        self._changed = changed
        self._kept: dict[str, _Kept] = {}
        self.hurry = False
        """Set to end everything by force from now on."""

    def start(self, child: Child) -> None:
        """Start `child` and keep it running."""
        log = ChildLog(self._logs / f"{child.name}.log", echo=self._echo or child.echo)
        self._kept[child.name] = _Kept(child, log)
        self._launch(self._kept[child.name])

    def tick(self) -> None:
        """Notice what has ended, and start what is due again."""
        for kept in self._kept.values():
            if kept.process is not None and children.has_ended(kept.process):
                self._note_end(kept, children.reap(kept.process))
            elif kept.due is not None and time.monotonic() >= kept.due:
                self._relaunch(kept)

    def wait_until_ready(self, name: str, ready: Callable[[], bool], *, seconds: float) -> None:
        """Tick until `ready`. Raises StartError when the child keeps ending or takes too long."""
        kept = self._kept[name]
        deadline = time.monotonic() + seconds
        while not ready():
            self.tick()
            why = ""
            if kept.crashes >= CRASHES_AT_START:
                why = f"ended {kept.crashes} times"
            elif time.monotonic() > deadline:
                why = f"was not ready after {seconds:.0f} s"
            if why:
                raise StartError(
                    f"{name} {why}; it last said: {kept.log.complaint()} (see {kept.log.file})"
                )
            time.sleep(0.05)

    def stop(self, names: list[str]) -> None:
        """End these children, all at the same time, by force when `hurry` is set or time is up."""
        stopping = [self._kept[name] for name in names if name in self._kept]
        begun = time.monotonic()
        for kept in stopping:
            kept.due = None
            if kept.process is not None and not children.has_ended(kept.process):
                kept.process.send_signal(kept.child.stop_signal)
        for kept in stopping:
            process = kept.process
            while process is not None and not children.has_ended(process):
                if self.hurry or time.monotonic() > begun + kept.child.stop_seconds:
                    break
                time.sleep(0.02)
            if process is not None:
                children.reap(process)
            kept.process = None

    def stop_all(self) -> None:
        """End all children in the reverse order of their start: servers last, one by one."""
        servers = [name for name in ("redis", "postgres") if name in self._kept]
        self.stop([name for name in self._kept if name not in servers])
        for name in servers:
            self.stop([name])
        self._report()

    def _relaunch(self, kept: _Kept) -> None:
        try:
            self._launch(kept)
        except StartError as error:
            kept.crashes += 1
            kept.due = time.monotonic() + restart_delay(kept.crashes)
            say(str(error))

    def _launch(self, kept: _Kept) -> None:
        kept.due = None
        kept.started = time.monotonic()
        kept.process = children.start(kept.child, output=subprocess.PIPE)
        if kept.process.stdout is not None:
            kept.log.follow(kept.process.stdout)
        self._report()

    def _note_end(self, kept: _Kept, code: int) -> None:
        kept.process = None
        ran = time.monotonic() - kept.started
        kept.crashes = 1 if ran > HEALTHY_AFTER else kept.crashes + 1
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        if not kept.child.restart:
            say(f"{kept.child.name} {how}.")
        else:
            delay = restart_delay(kept.crashes)
            kept.due = time.monotonic() + delay
            say(
                f"{kept.child.name} {how} after {ran:.0f} s; starting it again in {delay:g} s"
                f" (see {kept.log.file})."
            )
        self._report()

    def _report(self) -> None:
        alive = {}
        for name, kept in self._kept.items():
            if kept.process is not None:
                with suppress(ProcessLookupError):
                    alive[name] = identify(kept.process.pid)
        self._changed(alive)
