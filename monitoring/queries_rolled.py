"""Which part of a window the rollups stand for, and which is to be looked up anew.

A window is (since, until]: what happened at `until` is in it. Whole hours that are rolled up come
from the rollups, the rest at both ends from the rows themselves; without rollups all of it does.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from django.core.cache import cache as shared
from django.db import connection
from redis import RedisError

from agents.services.statements import TIME, fetch
from monitoring.policy_runs import gaps_filled, pieces_of_text
from monitoring.policy_uptime import HOUR, Piece, Stretch, instant, second, stretches_of

ONE_HOUR = timedelta(hours=1)

SUMS_KEPT = 3_600
"""Seconds that sums of hours are kept in the cache; a change of any of them makes them anew."""
_ROLLED = """
SELECT hour, version, has_runs FROM monitoring_rolledhour
WHERE hour >= %(first)s AND hour < %(last)s
"""
# With the same three numbers the hours of a span are the same: a change has a larger version.
_STAND = """
SELECT count(*), count(*) FILTER (WHERE has_runs), max(version) FROM monitoring_rolledhour
WHERE hour >= %(first)s AND hour < %(last)s
"""
_SUMS = """
SELECT agent_id, sum(up_s)::bigint, sum(down_s)::bigint, sum(excluded_s)::bigint,
       sum(unknown_s)::bigint, sum(productive_s)::bigint, sum(succeeded)::bigint,
       sum(failed_build)::bigint, sum(failed_test)::bigint, sum(failed_api)::bigint,
       sum(failed_timeout)::bigint, sum(failed_other)::bigint
FROM monitoring_hourlyfigures
WHERE hour >= %(first)s AND hour < %(last)s GROUP BY agent_id
"""
_RUNS = """
SELECT agent_id, hour, runs FROM monitoring_hourlyfigures
WHERE hour >= %(first)s AND hour < %(last)s ORDER BY agent_id, hour
"""
SHORT = timedelta(hours=2)
RUNS_KEPT = 6
"""Spans of hours whose runs each process keeps: those of strips and of the edges of windows."""


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
    runs: Part | None = None
    """The whole hours, with those at the edges, of which each second is known from the rollups."""
    runs_version: int = 0

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
    found = _rolled(hour_of(since), first, last) if first < last else None
    if found is None:
        return Cut(since, until, None, (Part(since, until),))
    live = tuple(
        part
        for part in (Part(since, found.hours.since), Part(found.hours.until, until))
        if part.since < part.until
    )
    return Cut(since, until, found.hours, live, found.version, found.runs, found.runs_version)


@dataclass(frozen=True)
class _Rolled:
    """The hours of a window that are rolled up; see `Cut`."""

    hours: Part
    version: int
    runs: Part | None
    runs_version: int


def _rolled(before: datetime, first: datetime, last: datetime) -> _Rolled | None:
    """Of the whole hours [first, last) the last run; `before` and `last` may have runs, too."""
    [stand] = fetch(typed(_STAND), {"first": before, "last": last + ONE_HOUR})
    found: _Rolled | None = _rolled_hours(before, first, last, stand)
    return found


@lru_cache(maxsize=RUNS_KEPT)
def _rolled_hours(
    before: datetime, first: datetime, last: datetime, stand: tuple[int, ...]
) -> _Rolled | None:
    rows = fetch(typed(_ROLLED), {"first": before, "last": last + ONE_HOUR})
    hours = {hour: (version, has_runs) for hour, version, has_runs in rows}
    end = max((hour for hour in hours if first <= hour < last), default=None)
    if end is None:
        return None
    begin, version = end, hours[end][0]
    while begin > first and begin - ONE_HOUR in hours:
        begin -= ONE_HOUR
        version = max(version, hours[begin][0])
    return _Rolled(Part(begin, end + ONE_HOUR), version, *_with_runs(hours, end))


def _with_runs(
    hours: Mapping[datetime, tuple[int, bool]], end: datetime
) -> tuple[Part | None, int]:
    """The neighbours of `end`, and itself, whose runs are kept; and their version."""
    known = {hour: version for hour, (version, has_runs) in hours.items() if has_runs}
    if end not in known:
        return None, 0
    begin = end
    while begin - ONE_HOUR in known:
        begin -= ONE_HOUR
    while end + ONE_HOUR in known:
        end += ONE_HOUR
    return Part(begin, end + ONE_HOUR), max(known.values())


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
        kept = shared.get(key)
    if kept is not None:
        return kept
    rows = fetch(typed(_SUMS), {"first": first, "last": last})
    found = {agent: tuple(sums) for agent, *sums in rows}
    with suppress(RedisError, OSError):
        shared.set(key, found, SUMS_KEPT)
    return found


def pieces_by_agent(parts: Cut, part: Part) -> dict[int, list[Piece]]:
    """The seconds of the whole hours around `part`, which lie in `parts.runs`, by the agent's id.

    Of an agent that wasn't there in one of the hours they lack it.
    """
    found: dict[int, list[Piece]] = _pieces(*_hours_around(part), parts.runs_version)
    return found


def stretches_by_agent(parts: Cut, part: Part) -> dict[int, list[Stretch]]:
    """The same as stretches without a gap; of an agent that was in none of the hours, nothing."""
    found: dict[int, list[Stretch]] = _stretches(*_hours_around(part), parts.runs_version)
    return found


def _hours_around(part: Part) -> tuple[datetime, datetime]:
    last = hour_of(part.until)
    return hour_of(part.since), last if last == part.until else last + ONE_HOUR


@lru_cache(maxsize=RUNS_KEPT)
def _pieces(first: datetime, last: datetime, version: int) -> dict[int, list[Piece]]:
    found: defaultdict[int, list[Piece]] = defaultdict(list)
    for agent, hour, text in fetch(typed(_RUNS), {"first": first, "last": last}):
        found[agent].extend(pieces_of_text(second(hour), text))
    return dict(found)


@lru_cache(maxsize=RUNS_KEPT)
def _stretches(first: datetime, last: datetime, version: int) -> dict[int, list[Stretch]]:
    return {
        agent: stretches_of(gaps_filled(pieces, since=first, until=last))
        for agent, pieces in _pieces.__wrapped__(first, last, version).items()
    }


@cache
def typed(sql: str, **types: str) -> str:
    """The statement with the type of each value, as preparing it needs; instants by default."""

    def of(found: re.Match[str]) -> str:
        name = found[1]
        return f"%({name})s::{types.get(name, 'timestamptz')}"

    return re.sub(r"%\((\w+)\)s(?!::)", of, sql)


def asked(sql: str, params: Mapping[str, Any], *, over: Iterable[Part]) -> list[tuple[Any, ...]]:
    """The rows of a statement over some parts of a window, each read between two instants.

    Over an hour or so it is prepared, which saves what planning takes; over more, such as a month
    that is not rolled up yet, another plan may be much the better one.
    """
    if all(part.until - part.since <= SHORT for part in over):
        return fetch(sql, params)
    with connection.cursor() as cursor:
        # Django's own loader is written in Python, and took more than all else of a row.
        cursor.cursor.adapters.register_loader("timestamptz", TIME)
        cursor.execute(sql, params)
        return list(cursor.fetchall())
