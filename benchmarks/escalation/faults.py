"""Where the children of the chaos run die, and what they leave in writing before.

A kill is a ticket: a file named after its point and the second from which it is valid. Whoever
unlinks it dies by SIGKILL there and then. Nothing of this is in the product: the points are put
around its functions by the benchmark's own children.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

WATCHER_POINTS = ("open: inside", "escalate: inside", "escalate: said", "escalate: committed")
SENDER_POINTS = ("claim: inside", "claim: committed", "send: answered", "record: inside")
POINTS = (*WATCHER_POINTS, *SENDER_POINTS)


class Book:
    """What children did, one line of JSON each, whole even when its writer dies next."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, what: str, **data: Any) -> None:
        line = json.dumps({"what": what, "at": time.time(), "pid": os.getpid(), **data}) + "\n"
        with self._path.open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(line.encode())

    def read(self, what: str) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        lines = (json.loads(line) for line in self._path.read_text().splitlines())
        return [line for line in lines if line["what"] == what]


class Tickets:
    """The kills that are to happen, spread over the run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def issue(self, per_point: int, *, opening: float, telling: float) -> None:
        """So many for each point, valid one after the other while incidents open, or are told."""
        self._folder.mkdir()
        start = time.time()
        for shift, point in enumerate(POINTS):
            over = opening if point.startswith("open") else telling
            for n in range(per_point):
                at = start + (n + shift / len(POINTS)) * over / per_point
                (self._folder / f"{point}@{at:.3f}").touch()

    def left(self) -> Counter[str]:
        return Counter(file.name.partition("@")[0] for file in self._folder.iterdir())

    def take(self, point: str) -> bool:
        """Whether the caller has to die here."""
        return any(self._unlinked(file) for file in self._valid(point))

    def _valid(self, point: str) -> Iterator[Path]:
        for file in sorted(self._folder.glob(f"{point}@*")):
            if float(file.name.partition("@")[2]) <= time.time():
                yield file

    @staticmethod
    def _unlinked(file: Path) -> bool:
        try:
            file.unlink()
        except FileNotFoundError:
            return False  # Somebody else dies of it.
        return True


class Faults:
    """Puts the points around functions, in this process alone."""

    def __init__(self, tickets: Tickets, book: Book) -> None:
        self._tickets = tickets
        self._book = book
        self._one_at_a_time = threading.Lock()
        self.in_hand: set[str] = set()
        """Keys of the deliveries that this process may have sent and not written down."""

    def after(self, owner: Any, name: str, point: str, *, when: Callable[..., bool] = bool) -> None:
        """Die, when a ticket says so, just after `owner.name` returned something that `when`."""
        real = getattr(owner, name)

        @wraps(real)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            with self._one_at_a_time:  # Else one thread's ticket is lost with another's death.
                if when(result) and self._tickets.take(point):
                    self.die(point)
            return result

        setattr(owner, name, wrapped)

    def die(self, point: str) -> None:
        self._book.write("killed", point=point, in_hand=sorted(self.in_hand))
        os.kill(os.getpid(), signal.SIGKILL)
