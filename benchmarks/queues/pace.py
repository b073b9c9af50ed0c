"""Count what ten workers finish in a window of time. Standard library only: the peers use it, too.

A driver is started as `driver.py DSN fill ROWS` or `driver.py DSN run BATCH SECONDS`, and writes
one line of JSON: how many a second, and the processor's milliseconds for each, in the server and
in the driver itself.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

WORKERS = 10
AWAY, LATER = 50_000, 2_000
"""Jobs of a worker that is offline, at the head of the queue; jobs whose time has not come."""
WARM_UP = 0.7
"""Seconds before the window, in which connections and prepared statements are made."""
POSTMASTER = "QUEUES_POSTMASTER"
"""The environment variable with the id of the server's first process, on this machine."""


def answer(**values: object) -> None:
    print(json.dumps(values), flush=True)


def arguments() -> tuple[str, str, list[str]]:
    dsn, verb, *rest = sys.argv[1:]
    return dsn, verb, rest


class Window:
    """Counts what is finished between its begin and its end."""

    def __init__(self, seconds: float) -> None:
        self.begin = time.perf_counter() + WARM_UP
        self.end = self.begin + seconds
        self.seconds = seconds
        self.counted = 0
        self.dry = False
        self._spent: list[tuple[float, float]] = []
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        return time.perf_counter() < self.end and not self.dry

    def note(self, finished: int) -> None:
        """So many were finished just now; none means that the queue ran dry."""
        if finished == 0:
            self.dry = True
        now = time.perf_counter()
        with self._lock:
            if now >= (self.begin, self.end, float("inf"))[len(self._spent)]:
                self._spent.append((server_seconds(), time.process_time()))
            if self.begin <= now < self.end:
                self.counted += finished

    def report(self) -> None:
        if len(self._spent) < 2:
            self._spent += [(server_seconds(), time.process_time())] * 2
        (server, own), (server_then, own_then) = self._spent[:2]
        each = 1000 / max(self.counted, 1)
        answer(
            per_second=self.counted / self.seconds,
            dry=self.dry,
            server_ms=(server_then - server) * each,
            driver_ms=(own_then - own) * each,
        )


def server_seconds() -> float:
    """Processor time of all processes of the server up to now; 0 where there is no /proc."""
    first = os.environ.get(POSTMASTER, "")
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat") if first else ():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # It has just ended; its parent has its time.
            continue
        if stat.parent.name == first:
            ticks += sum(int(field) for field in fields[11:15])
        elif fields[1] == first:
            ticks += sum(int(field) for field in fields[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


async def run_tasks(cycle: Callable[[int], Awaitable[int]], seconds: float) -> None:
    """Ten tasks of one event loop; `cycle(worker)` takes and finishes, and returns how many."""
    window = Window(seconds)

    async def work(number: int) -> None:
        while window.is_open():
            window.note(await cycle(number))

    await asyncio.gather(*[work(number) for number in range(WORKERS)])
    window.report()


def run_threads(cycle: Callable[[int], int], seconds: float) -> None:
    """The same with ten threads."""
    window = Window(seconds)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            while window.is_open():
                window.note(cycle(number))
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    window.report()
