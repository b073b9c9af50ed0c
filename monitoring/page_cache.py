"""The fragment, made once for all who look at the same in the same quarter of a minute."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from django.utils.http import quote_etag

BUCKET_SECONDS = 15
KEPT = 32
WAIT_SECONDS = 5.0


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


def bucket_of(now: datetime) -> int:
    """The quarter of a minute that `now` is in: what only time changes is that late at most."""
    return int(now.timestamp()) // BUCKET_SECONDS


class Remembered:
    """The last KEPT fragments of this process; one caller makes what others wait for."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[Key, str] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[], str]) -> str:
        """The fragment of `key`, from `make` when there is none yet.

        Who has waited WAIT_SECONDS for another caller makes it without remembering.
        """
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            return make()
        try:
            if key not in self._bodies:
                self._bodies[key] = make()
                while len(self._bodies) > KEPT:
                    self._bodies.popitem(last=False)
            return self._bodies[key]
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._bodies.clear()


FRAGMENTS = Remembered()
