"""Work that stands still, and agents that fell silent: seen, and made into incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from agents.models import Agent, Dispatch
from agents.policy_pauses import unpaused
from agents.services import pauses
from failures.kinds import PEER
from failures.services.opening import NewIncident, open_all
from failures.states import IncidentKind
from monitoring import policy, policy_words

LIMIT = 1_000

# Since when the work stands still: since its last progress (and what it said that the next takes),
# or since a person called an earlier incident of it dealt with.
_STALLED = """
SELECT d.id, greatest(d.last_progress_at + coalesce(d.expected_progress_every, interval '0'),
                      earlier.resolved_at) AS since
FROM agents_dispatch d
LEFT JOIN LATERAL (
    SELECT max(i.resolved_at) AS resolved_at FROM failures_incident i
    WHERE i.dispatch_id = d.id AND i.kind = 'stalled' AND i.status = 'resolved'
      AND i.resolved_by <> 'SYSTEM'
) AS earlier ON true
WHERE d.status = 'running' AND d.last_progress_at <= %(limit)s
  AND d.last_progress_at + coalesce(d.expected_progress_every, interval '0') <= %(limit)s
  AND coalesce(earlier.resolved_at <= %(limit)s, true)
  AND NOT EXISTS (SELECT 1 FROM failures_incident i WHERE i.dedup_key = 'stalled:' || d.id
                  AND i.status <> 'resolved')
ORDER BY d.id LIMIT %(rows)s
"""

# Expected: it holds a lease, or lost one and did not come back, or opened a session and did not
# end it. A closed laptop without any of these is no incident. One a silence.
_SILENT = """
SELECT a.id FROM agents_agent a
WHERE a.retired_at IS NULL AND a.status <> 'offline'
  AND a.last_seen_at + make_interval(secs => a.heartbeat_seconds + a.heartbeat_grace_seconds)
      <= %(now)s
  AND (EXISTS (SELECT 1 FROM agents_dispatch d
               WHERE d.status = 'running' AND d.agent_id = a.id)
       OR EXISTS (SELECT 1 FROM agents_attempt t WHERE t.agent_id = a.id AND t.outcome = 'lost'
                  AND t.ended_at > greatest(a.last_seen_at, %(recent)s))
       OR EXISTS (SELECT 1 FROM agents_agentsession s
                  WHERE s.agent_id = a.id AND s.ended_at IS NULL))
  AND NOT EXISTS (SELECT 1 FROM failures_incident i WHERE i.agent_id = a.id AND i.kind = 'silent'
                  AND i.stall_since >= a.last_seen_at)
ORDER BY a.id LIMIT %(rows)s
"""
LOST_LATELY = timedelta(hours=1)


def open_stalls(*, now: datetime) -> int:
    """Open an incident for each running dispatch that stands still; returns how many were new.

    The rows are judged again under their locks; a paused agent's clock stands still.
    """
    first = settings.EVOX_ESCALATION_LADDER[PEER - 1]
    since = unseen_stalls(first=first, now=now)
    if not since:
        return 0
    with transaction.atomic():
        rows = Dispatch.objects.filter(pk__in=list(since), status="running")
        locked = rows.select_for_update(of=("self",), skip_locked=True).select_related("agent")
        standing = [d for d in locked.order_by("id") if _still(d, since[d.pk], now - first)]
        clocks = pauses.spans_for(
            {d.agent_id for d in standing if d.agent_id},
            since=min(since.values()),
            now=now,
        )
        stuck = [
            _stalled(d, since[d.pk])
            for d in standing
            if unpaused(clocks.get(d.agent_id or 0, ()), since[d.pk], now) >= first
        ]
        return open_all(stuck, now=now)


def open_silences(*, now: datetime) -> int:
    """Open an incident for each expected agent that fell silent; returns how many were new."""
    found = unseen_silences(now=now)
    if not found:
        return 0
    resting = pauses.paused_ids(now=now)
    with transaction.atomic():
        rows = Agent.objects.filter(pk__in=found)
        locked = rows.select_for_update(skip_locked=True).order_by("id")
        silent = [
            _silent(agent, now=now)
            for agent in locked
            if agent.pk not in resting and not agent.is_online(now=now)
        ]
        return open_all(silent, now=now)


def unseen_stalls(*, first: timedelta, now: datetime) -> dict[int, datetime]:
    """Running dispatches without an incident that stand still for `first`, and since when.

    Pauses are not left out here.
    """
    return dict(_rows(_STALLED, {"limit": now - first, "rows": LIMIT}))


def unseen_silences(*, now: datetime) -> list[int]:
    """Expected agents that were silent at `now` and have no incident of that silence."""
    params = {"now": now, "recent": now - LOST_LATELY, "rows": LIMIT}
    return [pk for (pk,) in _rows(_SILENT, params)]


def _still(dispatch: Dispatch, since: datetime, limit: datetime) -> bool:
    progress = dispatch.last_progress_at
    if progress is None:
        return False
    return policy.stall_since(progress, dispatch.expected_progress_every) <= min(since, limit)


def _stalled(dispatch: Dispatch, since: datetime) -> NewIncident:
    work = policy_words.work_of(dispatch.pk, dispatch.title, dispatch.ticket_id)
    name = dispatch.agent.name if dispatch.agent else "Somebody"
    return NewIncident(
        kind=IncidentKind.STALLED,
        title=f"{name} has made no progress on {work}",
        message=f"The last progress was at {since:%H:%M:%S} UTC; signs of life don't count as any.",
        dedup_key=f"stalled:{dispatch.pk}",
        agent=dispatch.agent,
        dispatch=dispatch,
        stall_since=since,
    )


def _silent(agent: Agent, *, now: datetime) -> NewIncident:
    seen = agent.last_seen_at or now
    return NewIncident(
        kind=IncidentKind.SILENT,
        title=f"{agent.name} has gone silent",
        message=f"Its last sign of life was at {seen:%H:%M:%S} UTC. Work that it holds goes to"
        " somebody else when its lease ends.",
        dedup_key=f"silent:{agent.name}",
        agent=agent,
        stall_since=seen,
    )


def _rows(sql: str, params: dict[str, Any]) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return found
