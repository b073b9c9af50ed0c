"""Counting what came back after agents were told, and what follows.

Repeats are counted anew from the rows each time, so that it does no harm to count twice, late or
in two places at once. The statements look at groups by index and at most at `MOST_FAILURES` of
each; what a flood adds beyond is not needed to know that a learning doesn't hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from failures.queries import ROOT_SQL
from learnings.models import Learning
from learnings.policy.lasting import MOST_REPEATS, REPEAT_SPAN, to_watch
from learnings.services import lifecycle
from learnings.services.coverage import COVERED
from learnings.services.owners import Notice, tell_owners
from learnings.services.parts import AT_ONCE, parts
from learnings.states import LearningStatus

MOST_FAILURES = 1_000
"""Newest failures of a group that are looked at."""
MOST_SEEN = 2_000
"""Groups that a sweep looks at, the most recently seen; the weekly run looks at all."""

# A failure is exposed when its agent had been told before it: in the very answer to a failure,
# both have one time. The newest failures come by (fingerprint, -id), the told by (group, text).
_COUNT = f"""
WITH counted AS MATERIALIZED (
    SELECT l.id, l.rule_hashes, l.recurrence_from AS since FROM learnings_learning l
    WHERE l.id = ANY(%(only)s) AND l.recurrence_from IS NOT NULL
), covered AS MATERIALIZED ({COVERED}), told AS MATERIALIZED (
    SELECT learning_id, agent_id, min(at) AS at FROM (
        SELECT c.learning_id, s.agent_id, s.at FROM counted l
        JOIN covered c ON c.learning_id = l.id
        JOIN failures_guidanceshown s
          ON s.group_id = c.group_id AND s.text_hash = ANY(l.rule_hashes)
        UNION ALL
        SELECT i.learning_id, i.agent_id, i.at FROM learnings_injection i
        WHERE i.learning_id = ANY(%(only)s)) heard
    GROUP BY learning_id, agent_id
), repeats AS (
    SELECT l.id, count(*) FILTER (WHERE t.at < f.created_at) AS exposed,
           count(*) FILTER (WHERE t.at < f.created_at IS NOT TRUE) AS unexposed,
           max(f.created_at) AS last_at
    FROM counted l JOIN covered c ON c.learning_id = l.id AND c.last_seen_at > l.since
    CROSS JOIN LATERAL (
        SELECT f.agent_id, f.created_at FROM failures_failure f
        WHERE f.fingerprint = c.fingerprint ORDER BY f.id DESC LIMIT {MOST_FAILURES}) f
    LEFT JOIN told t ON t.learning_id = l.id AND t.agent_id = f.agent_id
    WHERE f.created_at > l.since AND f.created_at <= l.since + make_interval(days => %(days)s)
    GROUP BY l.id
)
UPDATE learnings_learning l
SET exposed_repeats = coalesce(r.exposed, 0), unexposed_repeats = coalesce(r.unexposed, 0),
    last_repeat_at = r.last_at
FROM counted c LEFT JOIN repeats r ON r.id = c.id
WHERE l.id = c.id AND (l.exposed_repeats, l.unexposed_repeats, l.last_repeat_at)
    IS DISTINCT FROM (coalesce(r.exposed, 0), coalesce(r.unexposed, 0), r.last_at)
"""  # noqa: S608 - made of constants

_SEEN = f"""
WITH seen AS MATERIALIZED (
    SELECT {ROOT_SQL} AS root, g.family FROM failures_failuregroup g
    WHERE g.last_seen_at >= %(since)s ORDER BY g.last_seen_at DESC LIMIT {MOST_SEEN})
SELECT l.id FROM learnings_learning l JOIN failures_failuregroup g ON g.id = l.group_id
WHERE l.status IN ('active', 'watch') AND {ROOT_SQL} IN (SELECT root FROM seen)
UNION
SELECT l.id FROM learnings_learning l
WHERE l.status IN ('active', 'watch') AND l.family IN (SELECT family FROM seen WHERE family <> '')
"""  # noqa: S608 - made of constants

# What was resolved since it was noted, and what came back since. A group's root keeps its
# resolved_at when it regresses, so both are found even when they happened between two looks. A
# family is dealt with when all of its groups are.
_ENDED = f"""
WITH now_at AS (
    SELECT l.id, r.resolved_at AS at, r.status = 'regressed' AS back
    FROM learnings_learning l JOIN failures_failuregroup g ON g.id = l.group_id
    JOIN failures_failuregroup r ON r.id = {ROOT_SQL}
    WHERE l.status IN ('active', 'watch') AND r.status IN ('resolved', 'regressed')
    UNION ALL
    SELECT l.id, max(g.resolved_at), bool_or(g.status = 'regressed')
    FROM learnings_learning l JOIN failures_failuregroup g ON g.family = l.family
    WHERE l.status IN ('active', 'watch') AND l.family <> '' AND g.family <> ''
    GROUP BY l.id
    HAVING bool_and(g.status IN ('resolved', 'regressed', 'ignored'))
)
SELECT l.id, n.at, n.back FROM now_at n JOIN learnings_learning l ON l.id = n.id
WHERE n.at > l.published_at AND (
    n.at > coalesce(l.resolved_at, l.published_at)
    OR n.back AND coalesce(l.regressed_at < n.at, TRUE))
ORDER BY l.id LIMIT {AT_ONCE}
"""  # noqa: S608 - made of constants


def seen_since(since: datetime) -> list[int]:
    """Ids of learnings that are told and whose groups failed since then."""
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, {"since": since})
        return sorted(pk for (pk,) in cursor.fetchall())


def ended() -> list[tuple[int, datetime, bool]]:
    """Learnings whose groups were resolved, since when, and whether they have regressed since."""
    with connection.cursor() as cursor:
        cursor.execute(_ENDED)
        return [(pk, at, back) for pk, at, back in cursor.fetchall()]


def note_ended(found: Sequence[tuple[int, datetime, bool]], *, now: datetime) -> dict[str, Any]:
    """Begin anew where something was resolved, and tell owners where it came back; the ids."""
    rows = _locked([pk for pk, _, _ in found])
    did: dict[str, list[int]] = {"resolved": [], "regressed": []}
    news = []
    for pk, at, back in found:
        learning = rows.get(pk)
        if learning is None:
            continue
        if learning.resolved_at is None or learning.resolved_at < at:
            lifecycle.resolved(learning, at=at)
            did["resolved"].append(pk)
        if back and (learning.regressed_at is None or learning.regressed_at < at):
            learning.regressed_at = now
            learning.save(update_fields=["regressed_at"])
            did["regressed"].append(pk)
            news.append(_regressed(learning, at))
    tell_owners(news, of_more="regressed", now=now)
    return did


def _regressed(learning: Learning, at: datetime) -> Notice:
    return Notice(
        learning=learning,
        text=f"regressed: what it is about was resolved on {at:%Y-%m-%d %H:%M} UTC, and has failed"
        " again since.",
        key=f"regressed:{learning.pk}:{at.isoformat()}",
    )


def count_repeats(learnings: Sequence[int]) -> None:
    """Count the repeats of these learnings anew, so many in a statement."""
    for some in parts(sorted(learnings)):
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, {"only": some, "days": REPEAT_SPAN.days})


def watch_repeated(*, now: datetime) -> list[int]:
    """Watch what came back too often, and tell its owner; the ids."""
    over = Learning.objects.filter(
        status=LearningStatus.ACTIVE.value, exposed_repeats__gt=MOST_REPEATS
    )
    rows = _locked(list(over.order_by("id").values_list("id", flat=True)[:AT_ONCE]))
    watched = [row for row in rows.values() if _overdue(row)]
    watched.sort(key=lambda learning: -learning.exposed_repeats)
    news = [lifecycle.watch(learning, now=now) for learning in watched]
    tell_owners(news, of_more="don't hold", now=now)
    return sorted(learning.pk for learning in watched)


def _overdue(learning: Learning) -> bool:
    return learning.status == LearningStatus.ACTIVE and to_watch(learning.exposed_repeats)


def _locked(pks: Sequence[int]) -> dict[int, Learning]:
    told = Learning.objects.told().filter(pk__in=pks)
    return {row.pk: row for row in told.order_by("id").select_for_update(of=("self",))}
