"""What a learning's page in the admin shows: why it exists, who was told, whether it came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from agents.models import AuditEntry
from failures.models import Failure
from failures.states import GuidanceVia
from learnings.models import Feedback, Learning, LearningRevision, Measurement
from learnings.policy.effect_words import said_of
from learnings.services.coverage import COVERED
from learnings.services.effects import latest

SHOWN = 50
"""Rows of each list, the newest."""
_WAYS = {
    GuidanceVia.FAILURE_ANSWER.value: "in the answer to its failure",
    GuidanceVia.INSTRUCTIONS.value: "with the work that it claimed",
    GuidanceVia.BRIEFING.value: "in a briefing",
}
# A briefing writes a row of its own for the learning; for its group it is the same telling.
_TOLD = f"""
WITH covered AS ({COVERED}), heard AS (
    SELECT i.at, i.agent_id, i.attempt_id, 'briefing' AS via, i.why
    FROM learnings_injection i WHERE i.learning_id = ANY(%(only)s)
    UNION ALL
    SELECT s.at, s.agent_id, s.attempt_id, s.via, ''
    FROM covered c JOIN failures_guidanceshown s ON s.group_id = c.group_id
    WHERE s.text_hash = ANY(%(hashes)s::varchar[]) AND s.via <> 'briefing'
)
SELECT h.at, a.name, h.via, h.why, t.dispatch_id,
       count(*) OVER () AS times, (SELECT count(DISTINCT agent_id) FROM heard) AS agents
FROM heard h JOIN agents_agent a ON a.id = h.agent_id
LEFT JOIN agents_attempt t ON t.id = h.attempt_id
ORDER BY h.at DESC LIMIT %(most)s
"""  # noqa: S608 - made of constants
_REPEATS = f"""
WITH covered AS ({COVERED}), told AS (
    SELECT agent_id, min(at) AS at FROM (
        SELECT i.agent_id, i.at FROM learnings_injection i WHERE i.learning_id = ANY(%(only)s)
        UNION ALL
        SELECT s.agent_id, s.at FROM covered c
        JOIN failures_guidanceshown s ON s.group_id = c.group_id
        WHERE s.text_hash = ANY(%(hashes)s::varchar[])) heard
    GROUP BY agent_id
)
SELECT f.id, f.created_at, a.name, f.attempt_id, t.at < f.created_at IS TRUE
FROM covered c CROSS JOIN LATERAL (
    SELECT * FROM failures_failure f
    WHERE f.fingerprint = c.fingerprint AND f.created_at > %(since)s
    ORDER BY f.id DESC LIMIT %(most)s) f
JOIN agents_agent a ON a.id = f.agent_id
LEFT JOIN told t ON t.agent_id = f.agent_id
ORDER BY f.id DESC LIMIT %(most)s
"""  # noqa: S608 - made of constants


@dataclass(frozen=True)
class Telling:
    """Once that somebody was told."""

    at: datetime
    agent: str
    way: str
    why: str
    dispatch: int | None


@dataclass(frozen=True)
class Repeat:
    """A failure after agents were told."""

    failure: int
    at: datetime
    agent: str
    exposed: bool
    """Whether this agent had been told."""


@dataclass(frozen=True)
class LearningPage:
    """Everything beside the learning's own columns; a fixed number of queries."""

    evidence: list[Failure]
    revisions: list[LearningRevision]
    told: list[Telling]
    times_told: int
    agents_told: int
    repeats: list[Repeat]
    measurement: Measurement | None
    effect: list[str]
    """What was measured, in sentences."""
    votes: list[Feedback]
    acts: list[AuditEntry]


def page_of(learning: Learning) -> LearningPage:
    """Why it exists, who was told, whether it came back, and what people did; bounded lists."""
    told = _rows(_TOLD, learning)
    measured = latest(learning)
    acts = AuditEntry.objects.filter(subject_kind="learning", subject_id=learning.pk)
    evidence = Failure.objects.select_related("agent").filter(id__in=learning.evidence[:SHOWN])
    return LearningPage(
        evidence=list(evidence.order_by("-id")),
        revisions=list(learning.revisions.select_related("diagnosis").order_by("-id")[:SHOWN]),
        told=[
            Telling(at, name, _WAYS[via], why, dispatch)
            for at, name, via, why, dispatch, _, _ in told
        ],
        times_told=told[0][5] if told else 0,
        agents_told=told[0][6] if told else 0,
        repeats=[
            Repeat(pk, at, name, exposed)
            for pk, at, name, _, exposed in (
                _rows(_REPEATS, learning) if learning.recurrence_from else []
            )
        ],
        measurement=measured,
        effect=said_of(measured),
        votes=list(learning.feedback.order_by("-id")[:SHOWN]),
        acts=list(reversed(acts.order_by("-id")[:SHOWN])),
    )


def _rows(sql: str, learning: Learning) -> Sequence[tuple[Any, ...]]:
    params: dict[str, Any] = {
        "only": [learning.pk],
        "hashes": list(learning.rule_hashes),
        "since": learning.recurrence_from,
        "most": SHOWN,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    return rows
