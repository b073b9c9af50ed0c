"""How incidents went in a window: how soon people acted, what healed by itself, who was called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from agents.services.statements import fetch
from agents.states import AgentRole
from failures.kinds import CEO
from monitoring.queries_rolled import typed

_ACTS = "('acknowledged', 'snoozed', 'resolved')"

# Records are born resolved, at the instant of their opening: nobody had to do anything.
# Nothing is resolved before it is opened.
_COURSE = f"""
WITH touched AS (
    SELECT id, opened_at, stall_since, resolved_at, resolved_by,
           opened_at > %(since)s AND opened_at <= %(now)s AS fresh,
           resolved_at > %(since)s AND resolved_at <= %(now)s AS over
    FROM failures_incident
    WHERE (resolved_at > %(since)s OR resolved_at IS NULL)
      AND opened_at <= %(now)s AND resolved_at IS DISTINCT FROM opened_at
), lines AS (
    SELECT incident_id,
           min(at) FILTER (WHERE actor <> 'SYSTEM' AND kind IN {_ACTS} AND at <= %(now)s) AS act_at,
           min(at) FILTER (WHERE kind = 'escalated') AS told_at
    FROM failures_incidentevent WHERE incident_id IN (SELECT id FROM touched)
    GROUP BY incident_id
), acted AS (
    SELECT t.*, act_at, told_at FROM touched t LEFT JOIN lines ON incident_id = t.id
)
SELECT count(*) FILTER (WHERE fresh),
       count(*) FILTER (WHERE over),
       count(*) FILTER (WHERE over AND act_at IS NULL AND resolved_by = 'SYSTEM'),
       count(*) FILTER (WHERE fresh AND act_at IS NOT NULL),
       percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY act_at - opened_at)
           FILTER (WHERE fresh AND act_at IS NOT NULL),
       percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY resolved_at - opened_at)
           FILTER (WHERE over),
       count(*) FILTER (WHERE told_at > %(since)s AND told_at <= %(now)s),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY told_at - coalesce(stall_since, opened_at))
           FILTER (WHERE told_at > %(since)s AND told_at <= %(now)s)
FROM acted
"""  # noqa: S608 - put together of the constants above

_CEOS = f"""ARRAY(
    SELECT name FROM agents_agent WHERE role = '{AgentRole.CEO.value}'
    UNION SELECT lower(name) FROM agents_agent WHERE role = '{AgentRole.CEO.value}'
    UNION VALUES ('CEO'), ('ceo'))"""  # noqa: S608 - a constant
_CALLED = typed(f"""
SELECT (SELECT count(*) FROM failures_incidentevent
        WHERE kind IN ('escalated', 'reminded') AND level >= {CEO}
          AND at > %(since)s AND at <= %(now)s),
       (SELECT count(*) FROM agents_auditentry
        WHERE actor = ANY ({_CEOS}) AND at > %(since)s AND at <= %(now)s)
       + (SELECT count(*) FROM failures_incidentevent
          WHERE actor = ANY ({_CEOS}) AND at > %(since)s AND at <= %(now)s)
""")  # noqa: S608 - put together of the constants above


@dataclass(frozen=True)
class Middle:
    """A duration's median and 90th percentile, of how many; None without any."""

    count: int
    median: timedelta | None
    p90: timedelta | None


@dataclass(frozen=True)
class Course:
    """How incidents went; records that were born resolved are in none of it."""

    opened: int
    resolved: int
    healed: int
    """Of those resolved: by EVOX, without a person's act."""
    to_acknowledge: Middle
    """From the opening to a person's first act, of those opened in the window."""
    to_resolve: Middle
    """From the opening to the resolution, of those resolved in the window."""
    escalated: int
    """Whose first level was told in the window."""
    escalation_p95: timedelta | None
    """From when the work stood still, else the opening, to that level."""


@dataclass(frozen=True)
class Interventions:
    """What reached the CEO, and what the CEO had to do."""

    messages: int
    """Level 3: escalations and their reminders."""
    acts: int
    days: float

    @property
    def total(self) -> int:
        """Of both kinds."""
        return self.messages + self.acts

    @property
    def a_day(self) -> float:
        """How many a day."""
        return self.total / self.days


def course(*, now: datetime, window: timedelta) -> Course:
    """How the incidents of the window went, in one statement."""
    # Not prepared: of a day and of a month, the best plans differ.
    with connection.cursor() as cursor:
        cursor.execute(_COURSE, {"since": now - window, "now": now})
        opened, over, healed, acted, to_act, to_end, escalated, p95 = cursor.fetchone()
    return Course(
        opened=opened,
        resolved=over,
        healed=healed,
        to_acknowledge=Middle(acted, *(to_act or (None, None))),
        to_resolve=Middle(over, *(to_end or (None, None))),
        escalated=escalated,
        escalation_p95=p95,
    )


def interventions(*, now: datetime, window: timedelta) -> Interventions:
    """Level-3 messages and acts by the CEO in the window, in one statement."""
    [(messages, acts)] = fetch(_CALLED, {"since": now - window, "now": now})
    return Interventions(messages, acts, window / timedelta(days=1))
