"""Attempts and retries in a window: what failed, whose it was, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection

from failures.states import ErrorType
from monitoring.queries_rolled import Cut, asked, cut, sums_by_agent, typed

_TYPES = tuple(ErrorType)
FIRST_OF_WORK = 5
"""Where in the sums of hours attempts begin."""

_COUNTS = """count(*) FILTER (WHERE a.outcome = 'succeeded'),
       count(*) FILTER (WHERE a.outcome = 'failed' AND f.error_type = 'build'),
       count(*) FILTER (WHERE a.outcome = 'failed' AND f.error_type = 'test'),
       count(*) FILTER (WHERE a.outcome = 'failed' AND f.error_type = 'api'),
       count(*) FILTER (WHERE a.outcome = 'failed' AND f.error_type = 'timeout'),
       count(*) FILTER (WHERE a.outcome = 'failed' AND coalesce(f.error_type, 'other') = 'other')
"""
_ENDED = """
SELECT agent_id, outcome, failure_id, ended_at FROM agents_attempt
WHERE ended_at > %(since)s AND ended_at <= %(until)s AND outcome IN ('succeeded', 'failed')
"""
# Each part by itself: an OR over two ranges of one index reads all that lies between them.
# Materialized: with the join, it was thought worth to start other processes, which took longer.
_WORK = f"""
WITH ended AS MATERIALIZED (
    {_ENDED.replace("since", "first_since").replace("until", "first_until")} UNION ALL
    {_ENDED.replace("since", "last_since").replace("until", "last_until")}
)
SELECT a.agent_id, {_COUNTS}
FROM ended a LEFT JOIN failures_failure f ON f.id = a.failure_id GROUP BY a.agent_id
"""  # noqa: S608 - put together of the constants above
_BY_HOUR = f"""
SELECT a.agent_id, date_trunc('hour', a.ended_at - interval '1 microsecond', 'UTC'), {_COUNTS}
FROM ({_ENDED}) a LEFT JOIN failures_failure f ON f.id = a.failure_id GROUP BY 1, 2
"""  # noqa: S608 - put together of the constants above

# Of dispatches whose very first failure lies in the part: how those stand that were retried.
RETRIED = """
SELECT {hour} AS hour, count(*) FILTER (WHERE d.status = 'completed') AS completed,
       count(*) FILTER (WHERE d.finished_at IS NOT NULL) AS ended,
       count(*) FILTER (WHERE d.finished_at IS NULL) AS under_way
FROM agents_attempt f JOIN agents_dispatch d ON d.id = f.dispatch_id
WHERE f.ended_at > %({since})s AND f.ended_at <= %({until})s AND f.outcome = 'failed'
  AND d.lease_epoch > f.lease_epoch
  AND NOT EXISTS (SELECT 1 FROM agents_attempt b WHERE b.dispatch_id = f.dispatch_id
                  AND b.lease_epoch < f.lease_epoch AND b.outcome = 'failed')
GROUP BY 1
"""
_RETRIES = f"""
WITH parts AS (
    SELECT hour, retries_completed AS completed, retries_ended AS ended,
           retries_under_way AS under_way
    FROM monitoring_rolledhour WHERE hour >= %(rolled_since)s AND hour < %(rolled_until)s
    UNION ALL
    {RETRIED.format(hour="NULL::timestamptz", since="first_since", until="first_until")}
    UNION ALL
    {RETRIED.format(hour="NULL::timestamptz", since="last_since", until="last_until")}
)
SELECT coalesce(sum(completed), 0)::bigint, coalesce(sum(ended), 0)::bigint,
       coalesce(sum(under_way), 0)::bigint
FROM parts
"""  # noqa: S608 - put together of the constants above


@dataclass(frozen=True)
class Work:
    """Attempts that came to a verdict: error rate = failed ÷ finished.

    Left out are those without one: running, cancelled, lost, blocked, superseded, released.
    """

    succeeded: int = 0
    failed_by_type: Mapping[ErrorType, int] = field(default_factory=dict)
    """By the type of the failure that the attempt reported; one without counts as other."""

    @property
    def failed(self) -> int:
        """Of all types."""
        return sum(self.failed_by_type.values())

    @property
    def finished(self) -> int:
        """Succeeded or failed."""
        return self.succeeded + self.failed

    def __add__(self, other: Work) -> Work:
        both = {
            kind: self.failed_by_type.get(kind, 0) + other.failed_by_type.get(kind, 0)
            for kind in _TYPES
        }
        return Work(self.succeeded + other.succeeded, both)


@dataclass(frozen=True)
class RetrySuccess:
    """What became of the dispatches that were retried."""

    completed: int
    ended: int
    under_way: int


def work_by_agent(
    *,
    now: datetime,
    window: timedelta,
    parts: Cut | None = None,
    sums: Mapping[int, tuple[int, ...]] | None = None,
) -> dict[int, Work]:
    """What each agent's attempts came to that ended in the window, by the agent's id.

    `parts` and `sums` save asking for them when the caller has them. At most three statements.
    """
    parts = parts or cut(since=now - window, until=now)
    sums = sums_by_agent(parts) if sums is None else sums
    found = {agent: _work(numbers[FIRST_OF_WORK:]) for agent, numbers in sums.items()}
    for agent, *numbers in asked(typed(_WORK), parts.params(), over=parts.edges):
        found[agent] = found.get(agent, Work()) + _work(numbers)
    return found


def _work(numbers: Sequence[int]) -> Work:
    return Work(numbers[0], dict(zip(_TYPES, numbers[1:], strict=True)))


def work_by_hour(*, since: datetime, until: datetime) -> dict[tuple[int, datetime], Work]:
    """The same by agent's id and hour, looked up in the attempts themselves.

    An hour is (its first instant, the next hour's first], as windows are.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BY_HOUR, {"since": since, "until": until})
        return {(agent, hour): _work(numbers) for agent, hour, *numbers in cursor.fetchall()}


def retry_success(*, now: datetime, window: timedelta, parts: Cut | None = None) -> RetrySuccess:
    """Of dispatches whose first failure fell in the window and that were retried: how they ended.

    Retry success = completed ÷ ended. Those still under way are counted apart, in neither.
    """
    parts = parts or cut(since=now - window, until=now)
    [row] = asked(typed(_RETRIES), parts.params(), over=parts.edges)
    return RetrySuccess(*row)
