"""What helped an agent is proposed as a learning's new words: its text never goes out by itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, connection, transaction

from learnings.models import Learning
from learnings.policy.revisions import words_of_resolution
from learnings.services.revisions import Origin, propose
from learnings.states import RevisionSource

logger = logging.getLogger(__name__)

MOST_LEARNINGS = 1_000
MOST_A_ROUND = 50

# Of each learning that nobody's words wait beside the best that wasn't proposed before: what fixed
# it, else what went around it, the newest first.
_BEST = """
WITH ours AS (
    SELECT l.id, l.family, coalesce(r.merged_into_id, r.id) AS root
    FROM learnings_learning l LEFT JOIN failures_failuregroup r ON r.id = l.group_id
    WHERE l.status IN ('proposed', 'active', 'watch') AND l.origin = 'rule' AND l.template_only
      AND NOT EXISTS (
          SELECT 1 FROM learnings_learningrevision w
          WHERE w.learning_id = l.id AND w.status = 'proposed' AND w.source = 'resolution')
    ORDER BY l.id DESC LIMIT %(learnings)s
), pairs AS (
    SELECT id AS learning_id, root AS group_id FROM ours WHERE root IS NOT NULL
    UNION ALL
    SELECT ours.id, g.id FROM ours JOIN failures_failuregroup g ON g.merged_into_id = ours.root
    UNION ALL
    SELECT ours.id, g.id FROM ours JOIN failures_failuregroup g ON g.family = ours.family
    WHERE ours.family <> ''
), best AS (
    SELECT DISTINCT ON (pairs.learning_id) pairs.learning_id, f.*
    FROM pairs CROSS JOIN LATERAL (
        SELECT f.id, f.resolution, f.agent_id, f.outcome = 'fixed' AS fixed
        FROM failures_failure f
        WHERE f.group_id = pairs.group_id AND f.outcome <> 'none' AND f.resolution <> ''
          AND NOT EXISTS (
              SELECT 1 FROM learnings_learningrevision r
              WHERE r.failure_id = f.id AND r.learning_id = pairs.learning_id)
        ORDER BY fixed DESC, f.id DESC LIMIT 1) AS f
    ORDER BY pairs.learning_id, f.fixed DESC, f.id DESC
)
SELECT best.learning_id, best.id, best.resolution, a.name
FROM best JOIN agents_agent a ON a.id = best.agent_id
ORDER BY best.learning_id LIMIT %(round)s
"""


@dataclass(frozen=True)
class _Resolution:
    learning_id: int
    failure_id: int
    text: str
    author: str


def propose_resolutions(*, now: datetime) -> int:
    """Put what helped beside learnings that say no fix yet, once each; how many were proposed."""
    proposed = 0
    for resolution in _best():
        try:
            with transaction.atomic():
                proposed += _propose(resolution, now)
        except DatabaseError:
            logger.exception("Failure %s is left for the next round.", resolution.failure_id)
    return proposed


def _best() -> list[_Resolution]:
    with connection.cursor() as cursor:
        cursor.execute(_BEST, {"learnings": MOST_LEARNINGS, "round": MOST_A_ROUND})
        return [_Resolution(*row) for row in cursor.fetchall()]


def _propose(resolution: _Resolution, now: datetime) -> bool:
    learning = Learning.objects.select_for_update().get(pk=resolution.learning_id)
    if not learning.template_only:
        return False
    words = words_of_resolution(resolution.text, title=learning.title, why=learning.why)
    origin = Origin(
        source=RevisionSource.RESOLUTION,
        author=resolution.author,
        failure_id=resolution.failure_id,
    )
    propose(learning, words, origin, now=now)
    return True
