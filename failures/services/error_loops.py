"""Error loops: one agent that meets the same failure again and again on one piece of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from agents.models import Dispatch
from failures.models import Failure
from failures.services.opening import NewIncident, open_all
from failures.states import IncidentKind

DAY = timedelta(hours=24)

# Each scope by an index of its own: the rows of a group may be a million.
_COUNT = """
SELECT c.n FROM unnest(%(n)s::int[], %(agent)s::bigint[], %(root)s::bigint[],
                       %(dispatch)s::bigint[], %(ticket)s::text[])
     AS c (n, agent_id, root_id, dispatch_id, ticket_id)
CROSS JOIN LATERAL (SELECT array_agg(g.id) AS ids FROM failures_failuregroup g
                    WHERE g.id = c.root_id OR g.merged_into_id = c.root_id) AS held
WHERE %(loop)s <= (SELECT count(*) FROM (
    (SELECT 1 FROM agents_attempt t JOIN failures_failure f ON f.attempt_id = t.id
     WHERE t.dispatch_id = c.dispatch_id
       AND f.agent_id = c.agent_id AND f.group_id = ANY (held.ids) LIMIT %(loop)s)
    UNION ALL
    (SELECT 1 FROM failures_failure f
     WHERE c.dispatch_id IS NULL AND c.ticket_id <> '' AND f.ticket_id = c.ticket_id
       AND f.agent_id = c.agent_id AND f.group_id = ANY (held.ids) LIMIT %(loop)s)
    UNION ALL
    (SELECT 1 FROM failures_failure f
     WHERE c.dispatch_id IS NULL AND c.ticket_id = '' AND f.created_at > %(since)s
       AND f.agent_id = c.agent_id AND f.group_id = ANY (held.ids) LIMIT %(loop)s)) AS seen)
ORDER BY c.n
"""


@dataclass(frozen=True)
class _Candidate:
    failure: Failure
    dispatch: Dispatch | None

    @property
    def scope(self) -> str:
        if self.dispatch is not None:
            return f"#{self.dispatch.pk}"
        return self.failure.ticket_id or self.failure.root_print

    @property
    def key(self) -> str:
        return f"error_loop:{self.failure.agent_id}:{self.scope}"


def open_loops(failures: Sequence[Failure], *, now: datetime) -> int:
    """Open an incident for each loop that these new failures close; returns how many.

    A loop is EVOX_ERROR_LOOP like failures of one agent on one dispatch, else on one ticket, else
    within 24 hours; alike are those whose groups have one root. The failures come from the log.
    """
    candidates: dict[str, _Candidate] = {}
    for failure in failures:
        if failure.occurrences >= settings.EVOX_ERROR_LOOP:
            found = _Candidate(failure, failure.attempt.dispatch if failure.attempt else None)
            candidates.setdefault(f"{found.key}:{failure.root_pk}", found)
    if not candidates:
        return 0
    looping = _looping(list(candidates.values()), now=now)
    news = {found.key: _incident(found) for found in looping}
    return open_all(list(news.values()), now=now)


def _looping(candidates: Sequence[_Candidate], *, now: datetime) -> list[_Candidate]:
    params: dict[str, Any] = {
        "n": list(range(len(candidates))),
        "agent": [c.failure.agent_id for c in candidates],
        "root": [c.failure.root_pk for c in candidates],
        "dispatch": [c.dispatch.pk if c.dispatch else None for c in candidates],
        "ticket": [c.failure.ticket_id for c in candidates],
        "loop": settings.EVOX_ERROR_LOOP,
        "since": now - DAY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, params)
        return [candidates[n] for (n,) in cursor.fetchall()]


def _incident(found: _Candidate) -> NewIncident:
    failure, dispatch = found.failure, found.dispatch
    name = failure.agent.name
    where = ""
    if dispatch is not None:
        where = f" on #{dispatch.pk} {dispatch.title}"
    elif failure.ticket_id:
        where = f" on {failure.ticket_id}"
    return NewIncident(
        kind=IncidentKind.ERROR_LOOP,
        title=f"{name} meets the same failure again and again{where}",
        # The failure's own words are its agent's: the lead, an agent too, looks them up as data.
        message=f"Its last one is failure {failure.pk} of group {failure.root_pk}."
        " Help it past that, or give the work to somebody else.",
        dedup_key=found.key[:200],
        agent=failure.agent,
        dispatch=dispatch,
        metadata={"fingerprint": failure.root_print, "groupId": failure.root_pk},
    )
