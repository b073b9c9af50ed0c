"""Hours added up once, so that a month of a hundred agents is a sum over few rows.

Every number here can be made again from other rows. An hour is made when it is over, and again
while something in it may still change; what is missing is made backwards from the last hour, a
bounded number of hours a round. Two rounds at once do no harm: the second leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from agents.models import Agent
from failures.states import ErrorType
from monitoring import policy_uptime
from monitoring.models import RolledHour
from monitoring.policy_runs import text_of
from monitoring.policy_uptime import Piece
from monitoring.queries_rolled import ONE_HOUR, hour_of
from monitoring.queries_uptime import known
from monitoring.queries_work import RETRIED, Work, work_by_hour

ROLLUP_LOCK = 0x45564F06
"""Key of the advisory lock that one round at a time holds."""
SETTLED = timedelta(minutes=1)
"""So long after its end an hour is first made: what was under way then is written by now."""
AGAIN = timedelta(hours=6)
"""An hour is made anew until it is so old: leases are found lost late, stalls are seen late."""
REACH = timedelta(days=32)
"""How far back missing hours are made: the longest window, and some."""
KEPT = timedelta(days=400)
CHUNK = 12
CHUNKS = 8
STALE_LIMIT = 100

# Which of the older hours' retries may have changed: they were under way when the hour was made,
# are now, or ended lately.
_STALE = """
WITH first_failures AS (
    SELECT DISTINCT ON (b.dispatch_id) b.ended_at
    FROM (
        SELECT id AS dispatch_id FROM agents_dispatch
        WHERE status IN ('pending', 'running', 'retrying', 'blocked') AND lease_epoch > 0
        UNION
        SELECT dispatch_id FROM agents_attempt
        WHERE ended_at > %(lately)s AND ended_at <= %(now)s AND lease_epoch > 1
    ) AS moved
    JOIN agents_attempt b ON b.dispatch_id = moved.dispatch_id AND b.outcome = 'failed'
    ORDER BY b.dispatch_id, b.lease_epoch
)
SELECT hour FROM monitoring_rolledhour
WHERE hour >= %(reach)s AND hour < %(until)s
  AND (retries_under_way > 0 OR hour IN (
       SELECT date_trunc('hour', ended_at - interval '1 microsecond', 'UTC') FROM first_failures))
ORDER BY computed_at, hour LIMIT %(rows)s
"""
# The row's own sequence: it only grows, whatever is rolled back.
_NEXT = "nextval(pg_get_serial_sequence('monitoring_rolledhour', 'id'))"
_RETRIES = f"""
WITH hours AS (SELECT unnest(%(hours)s::timestamptz[]) AS hour), found AS (
    SELECT h.hour, coalesce(r.completed, 0) AS completed, coalesce(r.ended, 0) AS ended,
           coalesce(r.under_way, 0) AS under_way
    FROM hours h LEFT JOIN LATERAL (
        {RETRIED.format(hour="h.hour", since="SINCE", until="UNTIL")}
    ) AS r ON TRUE
)
INSERT INTO monitoring_rolledhour AS old
    (hour, computed_at, version, has_runs, retries_completed, retries_ended, retries_under_way)
SELECT hour, %(now)s, {_NEXT}, %(made)s, completed, ended, under_way FROM found
ON CONFLICT (hour) DO UPDATE SET computed_at = excluded.computed_at,
    has_runs = old.has_runs OR excluded.has_runs,
    version = CASE
        WHEN old.hour = ANY (%(changed)s::timestamptz[]) OR
             (old.retries_completed, old.retries_ended, old.retries_under_way) IS DISTINCT FROM
             (excluded.retries_completed, excluded.retries_ended, excluded.retries_under_way)
        THEN excluded.version ELSE old.version END,
    retries_completed = excluded.retries_completed, retries_ended = excluded.retries_ended,
    retries_under_way = excluded.retries_under_way
""".replace("%(SINCE)s", "h.hour").replace("%(UNTIL)s", "h.hour + interval '1 hour'")  # noqa: S608 - put together of the constants above

_COLUMNS = (
    *("agent_id", "hour", "up_s", "down_s", "excluded_s", "unknown_s", "productive_s", "runs"),
    *("succeeded", *(f"failed_{kind.value}" for kind in ErrorType)),
)
_TYPES = (*("bigint", "timestamptz", *["int"] * 5), "text", *["int"] * (len(_COLUMNS) - 8))
_WRITE = f"""
INSERT INTO monitoring_hourlyfigures AS old ({", ".join(_COLUMNS)})
SELECT * FROM unnest({", ".join(f"%s::{kind}[]" for kind in _TYPES)})
ON CONFLICT (agent_id, hour) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])}
WHERE ({", ".join(f"old.{name}" for name in _COLUMNS[2:])})
      IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _COLUMNS[2:])})
RETURNING hour
"""  # noqa: S608 - put together of the constants above


@dataclass(frozen=True)
class RolledUp:
    """What a round did."""

    hours: int = 0
    """Hours that were made, or made anew."""
    changed: int = 0
    """Rows of agents' hours that are other than before."""
    retries: int = 0
    """Older hours whose retries were counted again."""


def roll_up(*, now: datetime) -> RolledUp | None:
    """One round; None when another is at it. Each chunk is kept, whatever becomes of the next."""
    done = RolledUp()
    for since, until in _due(now=now):
        with transaction.atomic():
            if not _alone():
                return None
            changed = make(since=since, until=until, now=now)
        hours = round((until - since) / ONE_HOUR)
        done = RolledUp(done.hours + hours, done.changed + changed)
    with transaction.atomic():
        if not _alone():
            return None
        stale = _count_retries_again(now=now)
        RolledHour.objects.filter(hour__lt=now - KEPT).delete()
        _forget(now=now)
    return RolledUp(done.hours, done.changed, stale)


def make(*, since: datetime, until: datetime, now: datetime) -> int:
    """Make the hours of [since, until), both whole hours, for everybody; how many rows changed.

    Once or many times: the rows are the same.
    """
    team = list(
        Agent.objects.filter(
            Q(retired_at__isnull=True) | Q(retired_at__gt=since), created_at__lt=until
        )
    )
    found = known(team, since=since, until=until, work=True)
    work = work_by_hour(since=since, until=until)
    rows = [
        _row(agent.pk, hour, pieces, work.get((agent.pk, hour), Work()))
        for agent in team
        for hour, pieces in policy_uptime.hourly(
            found.histories[agent.pk], listening=found.listening, since=since, until=until
        ).items()
        if _was_there(agent, hour)
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * len(_COLUMNS)
        cursor.execute(_WRITE, columns)
        changed = [hour for (hour,) in cursor.fetchall()]
        hours = [since + n * ONE_HOUR for n in range(round((until - since) / ONE_HOUR))]
        _count_retries(cursor, hours, changed=set(changed), made=True, now=now)
    return len(changed)


def _was_there(agent: Agent, hour: datetime) -> bool:
    made = agent.created_at < hour + ONE_HOUR
    return made and (agent.retired_at is None or agent.retired_at > hour)


def _row(agent: int, hour: datetime, pieces: Sequence[Piece], work: Work) -> tuple[Any, ...]:
    seconds = policy_uptime.sum_of(pieces)
    return (
        *(agent, hour, seconds.up, seconds.down, seconds.excluded, seconds.unknown),
        *(seconds.productive, text_of(pieces), work.succeeded),
        *(work.failed_by_type.get(kind, 0) for kind in ErrorType),
    )


def _due(*, now: datetime) -> list[tuple[datetime, datetime]]:
    """The young hours, and some of the missing ones, the latest first, in chunks."""
    until, beginning = hour_of(now - SETTLED), _beginning(now=now)
    young = max(until - AGAIN, beginning)
    made = set(
        RolledHour.objects.filter(hour__gte=beginning, hour__lt=young, has_runs=True).values_list(
            "hour", flat=True
        )
    )
    missing: list[datetime] = []
    hour = young - ONE_HOUR
    while hour >= beginning and len(missing) < CHUNK * CHUNKS:
        if hour not in made:
            missing.append(hour)
        hour -= ONE_HOUR
    chunks = [(young, until)] if young < until else []
    return chunks + _joined(missing)


def _joined(hours: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Hours, the latest first, as spans of at most CHUNK neighbours."""
    spans: list[tuple[datetime, datetime]] = []
    for hour in hours:
        if spans and spans[-1][0] == hour + ONE_HOUR and spans[-1][1] - hour <= CHUNK * ONE_HOUR:
            spans[-1] = (hour, spans[-1][1])
        else:
            spans.append((hour, hour + ONE_HOUR))
    return spans


def _beginning(*, now: datetime) -> datetime:
    """The first hour that there is anything to say of."""
    first = Agent.objects.order_by("created_at").values_list("created_at", flat=True).first()
    return hour_of(max(first or now, now - REACH))


def _count_retries_again(*, now: datetime) -> int:
    params: dict[str, Any] = {
        "now": now,
        "lately": now - 2 * ONE_HOUR,
        "reach": now - REACH,
        "until": hour_of(now - SETTLED) - AGAIN,
        "rows": STALE_LIMIT,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STALE, params)
        hours = [hour for (hour,) in cursor.fetchall()]
        if hours:
            _count_retries(cursor, hours, changed=set(), made=False, now=now)
    return len(hours)


def _count_retries(
    cursor: Any, hours: list[datetime], *, changed: set[datetime], made: bool, now: datetime
) -> None:
    params = {"hours": hours, "changed": list(changed), "made": made, "now": now}
    cursor.execute(_RETRIES, params)


def _forget(*, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM monitoring_hourlyfigures WHERE hour < %s", [now - KEPT])


def _alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ROLLUP_LOCK])
        alone: bool = cursor.fetchone()[0]
    return alone
