"""Which part of a window the rollups stand for, and which is to be looked up anew.

A window is (since, until]: what happened at `until` is in it. Whole hours that are rolled up come
from the rollups, the rest at both ends from the rows themselves; without rollups all of it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from monitoring.policy_uptime import HOUR, instant, second

ONE_HOUR = timedelta(hours=1)

_ROLLED = """
SELECT hour FROM monitoring_rolledhour WHERE hour >= %s AND hour < %s ORDER BY hour DESC
"""


@dataclass(frozen=True)
class Part:
    """The instants after `since`, up to and with `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Cut:
    """A window in parts: `rolled` is whole hours that are rolled up, `live` is the rest."""

    since: datetime
    until: datetime
    rolled: Part | None
    live: tuple[Part, ...]

    @property
    def edges(self) -> tuple[Part, Part]:
        """`live` as exactly two parts; the second may be empty."""
        end = Part(self.until, self.until)
        first, second_part = (*self.live, end, end)[:2]
        return first, second_part

    def params(self) -> dict[str, datetime]:
        """What the statements over rollups and both edges ask for."""
        first, last = self.edges
        rolled = self.rolled or Part(self.until, self.until)
        return {
            "rolled_since": rolled.since,
            "rolled_until": rolled.until,
            "first_since": first.since,
            "first_until": first.until,
            "last_since": last.since,
            "last_until": last.until,
        }


def hour_of(at: datetime) -> datetime:
    """The beginning of the hour, in UTC, that the instant lies in."""
    return instant(second(at) // HOUR * HOUR)


def cut(*, since: datetime, until: datetime) -> Cut:
    """The window (since, until] in parts, by the hours that are rolled up without a hole.

    Of several runs of such hours, the last one is taken: rollups are made backwards.
    """
    first = hour_of(since)
    if first < since:
        first += ONE_HOUR
    last = hour_of(until)
    found = _run(first, last) if first < last else None
    if found is None:
        return Cut(since, until, None, (Part(since, until),))
    live = (Part(since, found.since), Part(found.until, until))
    return Cut(since, until, found, tuple(part for part in live if part.since < part.until))


def _run(first: datetime, last: datetime) -> Part | None:
    with connection.cursor() as cursor:
        cursor.execute(_ROLLED, [first, last])
        hours = [hour for (hour,) in cursor.fetchall()]
    if not hours:
        return None
    begin = hours[0]
    for hour in hours[1:]:
        if hour != begin - ONE_HOUR:
            break
        begin = hour
    return Part(begin, hours[0] + ONE_HOUR)
