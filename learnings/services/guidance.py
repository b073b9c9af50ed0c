"""What groups of failures say to agents: copies of the rules of learnings that are told.

`FailureGroup.guidance` is read wherever a failure is answered and work is given out, so it follows
the learnings in the transaction that changes them, and is empty while the switch is off.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection

from learnings.models import THE_SWITCH, InjectionSwitch
from learnings.services.locks import share_switch

# A group's own learning comes before its family's; either is one row of an index for each group,
# so that this stays quick where thousands were just written and nobody has counted them yet.
# Locked in the order in which failures are logged, so that neither waits for the other in a circle.
_SYNC = """
WITH off AS MATERIALIZED (
    SELECT 1 FROM learnings_injectionswitch s WHERE s.id = %(switch)s AND NOT s.on
), reached AS MATERIALIZED (
    SELECT l.group_id AS id FROM learnings_learning l
    WHERE l.id = ANY(%(only)s) AND l.group_id IS NOT NULL
    UNION
    SELECT g.id FROM failures_failuregroup g
    JOIN learnings_learning l
      ON l.id = ANY(%(only)s) AND l.family <> '' AND l.family = g.family
    WHERE g.family <> ''
), stale AS MATERIALIZED (
    SELECT g.id, wanted.text
    FROM failures_failuregroup g CROSS JOIN LATERAL (SELECT CASE
        WHEN EXISTS (SELECT FROM off) THEN ''
        ELSE coalesce(
            (SELECT l.rule FROM learnings_learning l
             WHERE l.group_id = g.id AND l.status IN ('active', 'watch') AND l.rule <> ''),
            (SELECT l.rule FROM learnings_learning l
             WHERE l.family = g.family AND l.family <> '' AND l.status IN ('active', 'watch')
               AND l.rule <> ''),
            '') END AS text) wanted
    WHERE (%(only)s::bigint[] IS NULL OR g.id IN (SELECT id FROM reached))
      AND g.guidance <> wanted.text
    ORDER BY g.fingerprint FOR NO KEY UPDATE OF g
)
UPDATE failures_failuregroup g SET guidance = stale.text FROM stale WHERE g.id = stale.id
"""


def sync_guidance(learnings: Collection[int] | None = None) -> int:
    """Bring the groups of these learnings, or all when None, in step; how many weren't.

    At the end of a transaction: it locks rows that every failure wants.
    """
    if learnings is not None and not learnings:
        return 0
    share_switch()
    only = None if learnings is None else sorted(learnings)
    with connection.cursor() as cursor:
        cursor.execute(_SYNC, {"only": only, "switch": THE_SWITCH})
        changed: int = cursor.rowcount
    return changed


# Only what is lacking: what stands there too much is taken away with the learning that it was of.
_LACKING = """
SELECT l.id FROM learnings_learning l JOIN failures_failuregroup g ON g.id = l.group_id
WHERE l.status IN ('active', 'watch') AND g.guidance <> l.rule
UNION
SELECT l.id FROM learnings_learning l
JOIN failures_failuregroup g ON g.family = l.family AND g.guidance = ''
WHERE l.status IN ('active', 'watch') AND l.family <> '' AND g.family <> '' AND l.rule <> ''
"""


def out_of_step() -> list[int]:
    """Ids of learnings that are told but not by all of their groups, such as a family's new ones.

    None while the switch is off.
    """
    if InjectionSwitch.objects.filter(pk=THE_SWITCH, on=False).exists():
        return []
    with connection.cursor() as cursor:
        cursor.execute(_LACKING)
        return [pk for (pk,) in cursor.fetchall()]
