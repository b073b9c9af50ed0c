"""In which version the page stands, and at what time: asked at most once in HELD_SECONDS."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring import page_rows

HELD_SECONDS = 2.0
"""So long a version stands for those who poll. Who opens a page is shown what is now."""


@dataclass(frozen=True)
class Look:
    """An instant, by the database's clock, and the version that the page has by then."""

    now: datetime
    version: str
    asked: datetime
    """When the version was read: what happened later is not in it."""


class Held:
    """The last look of this process."""

    def __init__(self) -> None:
        self._last: tuple[float, datetime, str] | None = None

    def fresh(self) -> Look:
        """What the database says now, in one statement; those who poll see no less from now on."""
        asked, version = page_rows.look()
        self._last = (time.monotonic(), asked, version)
        return Look(asked, version, asked)

    def recent(self, *, seen: datetime | None = None) -> Look:
        """The same, with a version of up to HELD_SECONDS ago, but from no earlier than `seen`."""
        if self._last is not None:
            began, asked, version = self._last
            age = time.monotonic() - began
            if age < HELD_SECONDS and (seen is None or asked >= seen):
                return Look(asked + timedelta(seconds=age), version, asked)
        return self.fresh()

    def forget(self) -> None:
        """Begin anew."""
        self._last = None


HELD = Held()
