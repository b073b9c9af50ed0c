"""Which groups of failures a learning is about, as SQL."""

from __future__ import annotations

from failures.queries import ROOT_SQL

MOST_GROUPS = 200
"""Most recently seen groups of a family that are looked at."""

# All that its own group's root stands for, or those of its family.
COVERED = f"""
SELECT l.id AS learning_id, m.id AS group_id, m.fingerprint, m.last_seen_at
FROM learnings_learning l JOIN failures_failuregroup g ON g.id = l.group_id
JOIN failures_failuregroup m ON m.id = {ROOT_SQL} OR m.merged_into_id = {ROOT_SQL}
WHERE l.id = ANY(%(only)s)
UNION ALL
SELECT l.id, m.id, m.fingerprint, m.last_seen_at
FROM learnings_learning l CROSS JOIN LATERAL (
    SELECT g.id, g.fingerprint, g.last_seen_at FROM failures_failuregroup g
    WHERE g.family = l.family ORDER BY g.last_seen_at DESC LIMIT {MOST_GROUPS}) m
WHERE l.id = ANY(%(only)s) AND l.family <> ''
"""  # noqa: S608 - made of constants
