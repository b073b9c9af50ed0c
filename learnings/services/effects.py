"""Measure what learnings changed: counts before and after, in a few statements for all of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from django.db import connection

from learnings.models import Learning, Measurement
from learnings.policy.effect import SPAN, Comparison, Span, judge
from learnings.services.coverage import COVERED
from learnings.services.parts import parts
from learnings.states import Verdict

MOST_SUBJECTS = 2_000
"""The newest learnings that one look measures or compares with."""
GRAIN = timedelta(minutes=1)
"""Attempts are counted by the minute: of four weeks that is nothing."""

# Treated: told, from the publication of the words that stand now. Untreated: found in the same way
# but never told, from when they were written down.
_SUBJECTS = """
SELECT l.id, l.version, l.published_at IS NOT NULL,
       coalesce((SELECT max(r.decided_at) FROM learnings_learningrevision r
                 WHERE r.learning_id = l.id AND r.status = 'applied'),
                l.published_at, l.created_at) AS since,
       l.exposed_repeats, l.unexposed_repeats,
       coalesce((SELECT m.complete FROM learnings_measurement m
                 WHERE m.learning_id = l.id AND m.version = l.version), FALSE)
FROM learnings_learning l
WHERE (l.group_id IS NOT NULL OR l.family <> '') AND l.origin = 'rule'
  AND (l.published_at IS NULL OR l.status IN ('active', 'watch'))
ORDER BY l.id DESC LIMIT %(most)s
"""
_FAILURES = f"""
WITH subject AS (
    SELECT * FROM unnest(%(only)s::bigint[], %(since)s::timestamptz[]) AS s (id, since)
), covered AS MATERIALIZED ({COVERED})
SELECT s.id, count(*) FILTER (WHERE f.created_at <= s.since),
       count(*) FILTER (WHERE f.created_at > s.since)
FROM subject s JOIN covered c ON c.learning_id = s.id
JOIN failures_failure f ON f.group_id = c.group_id
     AND f.created_at > s.since - %(span)s AND f.created_at <= least(s.since + %(span)s, %(now)s)
GROUP BY s.id
"""  # noqa: S608 - made of constants
_ATTEMPTS = """
SELECT date_trunc('minute', ended_at), count(*) FROM agents_attempt
WHERE ended_at >= %(oldest)s AND ended_at < %(now)s
  AND outcome IN ('succeeded', 'failed', 'lost', 'blocked')
GROUP BY 1 ORDER BY 1
"""


_COLUMNS = {
    "learning_id": "bigint",
    "version": "integer",
    "since": "timestamptz",
    "at": "timestamptz",
    "complete": "boolean",
    "failures_before": "integer",
    "attempts_before": "integer",
    "failures_after": "integer",
    "attempts_after": "integer",
    "exposed_repeats": "integer",
    "unexposed_repeats": "integer",
    "untreated": "integer",
    "untreated_ratio": "float8",
    "ratio": "float8",
    "p": "float8",
    "verdict": "text",
}
# One that is complete was measured by somebody else meanwhile, and stays.
_UPSERT = f"""
INSERT INTO learnings_measurement ({", ".join(_COLUMNS)})
SELECT * FROM unnest({", ".join(f"%({name})s::{kind}[]" for name, kind in _COLUMNS.items())})
ON CONFLICT (learning_id, version) DO UPDATE
SET {", ".join(f"{name} = excluded.{name}" for name in list(_COLUMNS)[2:])}
WHERE NOT learnings_measurement.complete
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class _Subject:
    learning: int
    version: int
    treated: bool
    since: datetime
    exposed: int
    unexposed: int
    done: bool


def measure(*, now: datetime) -> list[int]:
    """Measure all told learnings whose days aren't over; the ids of those whose verdict changed.

    Safe to run at any time and twice.
    """
    subjects = _subjects()
    waiting = [one for one in subjects if one.treated and not one.done]
    if not waiting:
        return []
    earliest = min(one.since for one in waiting) - SPAN
    untreated = [
        one
        for one in subjects
        if not one.treated and one.since + SPAN <= now and one.since >= earliest
    ]
    compared = _compare([*waiting, *untreated], now=now)
    measured = []
    for one in waiting:
        others = [
            compared[other.learning]
            for other in untreated
            if abs(other.since - one.since) <= SPAN  # Of the same weeks.
        ]
        measured.append(_measured(one, compared[one.learning], others, now))
    return _write(measured)


def _measured(
    one: _Subject, compared: Comparison, untreated: Sequence[Comparison], now: datetime
) -> Measurement:
    complete = one.since + SPAN <= now
    effect = judge(compared, exposed_repeats=one.exposed, complete=complete, untreated=untreated)
    return Measurement(
        learning_id=one.learning,
        version=one.version,
        since=one.since,
        at=now,
        complete=complete,
        failures_before=compared.before.failures,
        attempts_before=compared.before.attempts,
        failures_after=compared.after.failures,
        attempts_after=compared.after.attempts,
        exposed_repeats=one.exposed,
        unexposed_repeats=one.unexposed,
        untreated=effect.untreated,
        untreated_ratio=effect.untreated_ratio,
        ratio=effect.ratio,
        p=effect.p,
        verdict=effect.verdict.value,
    )


def latest(learning: Learning) -> Measurement | None:
    """What was last measured of the words that stand now; of a prefetched row without a query."""
    measured = (one for one in learning.measurements.all() if one.version == learning.version)
    return next(measured, None)


def _subjects() -> list[_Subject]:
    with connection.cursor() as cursor:
        cursor.execute(_SUBJECTS, {"most": MOST_SUBJECTS})
        return [_Subject(*row) for row in cursor.fetchall()]


def _compare(subjects: Sequence[_Subject], *, now: datetime) -> dict[int, Comparison]:
    failures = _failures(subjects, now=now)
    attempts = _Attempts(min(one.since for one in subjects) - SPAN, now)
    return {
        one.learning: Comparison(
            before=Span(
                failures.get(one.learning, (0, 0))[0],
                attempts.between(one.since - SPAN, one.since),
            ),
            after=Span(
                failures.get(one.learning, (0, 0))[1],
                attempts.between(one.since, min(one.since + SPAN, now)),
            ),
        )
        for one in subjects
    }


def _failures(subjects: Sequence[_Subject], *, now: datetime) -> dict[int, tuple[int, int]]:
    params: dict[str, Any] = {
        "only": [one.learning for one in subjects],
        "since": [one.since for one in subjects],
        "span": SPAN,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FAILURES, params)
        return {pk: (before, after) for pk, before, after in cursor.fetchall()}


class _Attempts:
    """Finished attempts by the minute, so that any span costs two look-ups."""

    def __init__(self, oldest: datetime, now: datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_ATTEMPTS, {"oldest": oldest, "now": now})
            rows = cursor.fetchall()
        self._minutes = [minute for minute, _ in rows]
        self._before: list[int] = [0, *accumulate(count for _, count in rows)]

    def between(self, start: datetime, end: datetime) -> int:
        """How many ended from the minute of `start` until that of `end`."""
        first = bisect_left(self._minutes, start - GRAIN)
        last = bisect_left(self._minutes, end - GRAIN)
        return self._before[last] - self._before[first]


def _write(measured: Sequence[Measurement]) -> list[int]:
    """The learnings whose verdict is another than before, which is unproven when there was none."""
    changed = []
    for some in parts(sorted(measured, key=lambda row: row.learning_id)):
        found = Measurement.objects.filter(learning__in=[row.learning_id for row in some])
        old = {
            (learning, version): verdict
            for learning, version, verdict in found.values_list("learning", "version", "verdict")
        }
        with connection.cursor() as cursor:
            cursor.execute(
                _UPSERT, {name: [getattr(row, name) for row in some] for name in _COLUMNS}
            )
        changed += [
            row.learning_id
            for row in some
            if old.get((row.learning_id, row.version), Verdict.UNPROVEN.value) != row.verdict
        ]
    return changed
