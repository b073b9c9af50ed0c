"""Error loops: one agent that meets the same failure again and again on one piece of work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from agents.models import Agent, Attempt, Dispatch
from agents.services.statements import array, fetch
from failures.services.opening import NewIncident, open_all
from failures.states import IncidentKind

DAY = timedelta(hours=24)

# Each scope by an index of its own: the rows of a group, or of an agent, may be a million. Adding 0
# keeps PostgreSQL from combining it with theirs, as it did with plans from when they were few.
_COUNT = """
SELECT c.n FROM unnest(%(n)s::int[], %(agent)s::bigint[], %(root)s::bigint[],
                       %(dispatch)s::bigint[], %(ticket)s::text[])
     AS c (n, agent_id, root_id, dispatch_id, ticket_id)
CROSS JOIN LATERAL (SELECT c.root_id || array_agg(g.id) AS ids FROM failures_failuregroup g
                    WHERE g.merged_into_id = c.root_id) AS held
WHERE %(loop)s <= (SELECT count(*) FROM (
    (SELECT 1 FROM agents_attempt t JOIN failures_failure f ON f.attempt_id = t.id
     WHERE t.dispatch_id = c.dispatch_id
       AND f.agent_id + 0 = c.agent_id AND f.group_id + 0 = ANY (held.ids) LIMIT %(loop)s)
    UNION ALL
    (SELECT 1 FROM failures_failure f
     WHERE c.dispatch_id IS NULL AND f.ticket_id <> '' AND f.ticket_id = c.ticket_id
       AND f.agent_id + 0 = c.agent_id AND f.group_id + 0 = ANY (held.ids) LIMIT %(loop)s)
    UNION ALL
    (SELECT 1 FROM failures_failure f
     WHERE c.dispatch_id IS NULL AND c.ticket_id = '' AND f.created_at > %(since)s
       AND f.agent_id = c.agent_id AND f.group_id = ANY (held.ids) LIMIT %(loop)s)) AS seen)
ORDER BY c.n
"""


class Seen(NamedTuple):
    """A new failure as this module sees it, with what its group's root stands at."""

    pk: int
    agent: Agent
    attempt: Attempt | None
    ticket_id: str
    root_pk: int
    root_print: str
    occurrences: int

    @property
    def dispatch(self) -> Dispatch | None:
        """What was being worked on."""
        return self.attempt.dispatch if self.attempt else None

    @property
    def key(self) -> str:
        """What its incident is about: an agent, and a dispatch, a ticket or a mistake."""
        scope = self.ticket_id or self.root_print
        if self.attempt is not None:
            scope = f"#{self.attempt.dispatch_id}"
        return f"error_loop:{self.agent.pk}:{scope}"


def open_loops(failures: Iterable[Seen], *, now: datetime) -> int:
    """Open an incident for each loop that these new failures close; returns how many.

    A loop is EVOX_ERROR_LOOP like failures of one agent on one dispatch, else on one ticket, else
    within 24 hours; alike are those whose groups have one root.
    """
    candidates: dict[tuple[str, int], Seen] = {}
    for failure in failures:
        if failure.occurrences >= settings.EVOX_ERROR_LOOP:
            candidates.setdefault((failure.key, failure.root_pk), failure)
    if not candidates:
        return 0
    looping = _looping(list(candidates.values()), now=now)
    news = {found.key: _incident(found) for found in looping}
    return open_all(list(news.values()), now=now) if news else 0


def _looping(candidates: Sequence[Seen], *, now: datetime) -> list[Seen]:
    found = fetch(
        _COUNT,
        {
            "n": array(range(len(candidates))),
            "agent": array(c.agent.pk for c in candidates),
            "root": array(c.root_pk for c in candidates),
            "dispatch": array(c.attempt.dispatch_id if c.attempt else None for c in candidates),
            "ticket": array(c.ticket_id for c in candidates),
            "loop": settings.EVOX_ERROR_LOOP,
            "since": now - DAY,
        },
    )
    return [candidates[n] for (n,) in found]


def _incident(failure: Seen) -> NewIncident:
    dispatch = failure.dispatch
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
        dedup_key=failure.key[:200],
        agent=failure.agent,
        dispatch=dispatch,
        metadata={"fingerprint": failure.root_print, "groupId": failure.root_pk},
    )
