"""Which part of a window the rollups stand for, and which is to be looked up anew.

A window is (since, until]: what happened at `until` is in it. Whole hours that are rolled up come
from the rollups, the rest at both ends from the rows themselves; without rollups all of it does.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import connection
from redis import RedisError

from monitoring.policy_uptime import HOUR, instant, second

ONE_HOUR = timedelta(hours=1)

SUMS_KEPT = 3_600
"""Seconds that sums of hours are kept in the cache; a change of any of them makes them anew."""
_ROLLED = """
SELECT hour, version FROM monitoring_rolledhour WHERE hour >= %s AND hour < %s ORDER BY hour DESC
"""
_SUMS = """
SELECT agent_id, sum(up_s)::bigint, sum(down_s)::bigint, sum(excluded_s)::bigint,
       sum(unknown_s)::bigint, sum(productive_s)::bigint, sum(succeeded)::bigint,
       sum(failed_build)::bigint, sum(failed_test)::bigint, sum(failed_api)::bigint,
       sum(failed_timeout)::bigint, sum(failed_other)::bigint
FROM monitoring_hourlyfigures WHERE hour >= %s AND hour < %s GROUP BY agent_id
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
    version: int = 0
    """Of the rolled hours: the same hours with the same version have the same sums."""

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
    hours = _hours(first, last) if first < last else []
    if not hours:
        return Cut(since, until, None, (Part(since, until),))
    begin, version = hours[0]
    for hour, its_version in hours[1:]:
        if hour != begin - ONE_HOUR:
            break
        begin, version = hour, max(version, its_version)
    found = Part(begin, hours[0][0] + ONE_HOUR)
    live = tuple(
        part
        for part in (Part(since, found.since), Part(found.until, until))
        if part.since < part.until
    )
    return Cut(since, until, found, live, version)


def sums_by_agent(parts: Cut) -> dict[int, tuple[int, ...]]:
    """What the rolled hours come to, by the agent's id.

    Seconds up, down, excluded, unknown and productive; attempts succeeded, and failed by type in
    the order of ErrorType. Kept in the cache, since most hours never change again; without one,
    it only takes longer.
    """
    if parts.rolled is None:
        return {}
    first, last = parts.rolled.since, parts.rolled.until
    key = f"sums:{second(first)}:{second(last)}:{parts.version}"
    kept: dict[int, tuple[int, ...]] | None = None
    with suppress(RedisError, OSError):
        kept = cache.get(key)
    if kept is not None:
        return kept
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, [first, last])
        found = {agent: tuple(sums) for agent, *sums in cursor.fetchall()}
    with suppress(RedisError, OSError):
        cache.set(key, found, SUMS_KEPT)
    return found


def _hours(first: datetime, last: datetime) -> list[tuple[datetime, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_ROLLED, [first, last])
        return list(cursor.fetchall())
