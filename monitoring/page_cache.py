"""The fragment, made once for all who look at the same in the same quarter of a minute."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from django.utils.http import quote_etag

BUCKET_SECONDS = 15
KEPT = 32
WAIT_SECONDS = 5.0
LATE_SECONDS = 2.0
"""So long after it was in force a fragment is still given to those who poll, while one of them
makes the next."""


@dataclass(frozen=True)
class Key:
    """What a fragment depends on: with the same key it says the same."""

    version: str
    period: str
    role: str
    base: str
    bucket: int

    @property
    def etag(self) -> str:
        """The key as an entity tag."""
        said = repr((self.version, self.period, self.role, self.base, self.bucket))
        return quote_etag(hashlib.sha256(said.encode()).hexdigest()[:32])

    @property
    def view(self) -> tuple[str, str, str]:
        """What is looked at, whenever that is."""
        return self.period, self.role, self.base


def bucket_of(now: datetime) -> int:
    """The quarter of a minute that `now` is in: what only time changes is that late at most."""
    return int(now.timestamp()) // BUCKET_SECONDS


@dataclass
class Made:
    """A fragment."""

    key: Key
    body: bytes
    asked: datetime
    """When its version was read."""
    in_force: float
    """When it was last what somebody asked for, by the process's clock."""


class Remembered:
    """The last KEPT fragments of this process; one caller makes what others wait for."""

    def __init__(self) -> None:
        self._made: OrderedDict[Key, Made] = OrderedDict()
        self._lock = Lock()
        self._making = Lock()

    def get(self, key: Key, make: Callable[[], str], *, asked: datetime) -> Made:
        """The fragment of `key`, from `make` when there is none yet; its version is of `asked`.

        Who has waited WAIT_SECONDS for another caller makes it without remembering.
        """
        if (found := self._found(key)) is not None:
            return found
        if not self._making.acquire(timeout=WAIT_SECONDS):
            return Made(key, make().encode(), asked, time.monotonic())
        try:
            return self._found(key) or self._kept(key, make, asked)
        finally:
            self._making.release()

    def soon(
        self,
        key: Key,
        make: Callable[[], str],
        *,
        asked: datetime,
        seen: datetime | None = None,
    ) -> Made:
        """The same; while another caller makes it, the one before.

        That one was in force within the last LATE_SECONDS, its version is not older than `seen`.
        """
        if (found := self._found(key)) is not None:
            return found
        if self._making.acquire(blocking=False):
            try:
                return self._found(key) or self._kept(key, make, asked)
            finally:
                self._making.release()
        before = self._before(key, seen=seen)
        return self.get(key, make, asked=asked) if before is None else before

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._made.clear()

    def _found(self, key: Key) -> Made | None:
        with self._lock:
            found = self._made.get(key)
            if found is not None:
                found.in_force = time.monotonic()
            return found

    def _before(self, key: Key, *, seen: datetime | None) -> Made | None:
        youngest = time.monotonic() - LATE_SECONDS
        with self._lock:
            fitting = (
                one
                for one in reversed(self._made.values())
                if one.key.view == key.view and one.in_force >= youngest
            )
            found = next(fitting, None)
        return None if found is None or (seen is not None and found.asked < seen) else found

    def _kept(self, key: Key, make: Callable[[], str], asked: datetime) -> Made:
        made = Made(key, make().encode(), asked, 0.0)
        with self._lock:
            made.in_force = time.monotonic()
            self._made[key] = made
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        return made


FRAGMENTS = Remembered()
