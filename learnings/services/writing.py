"""Writing learnings about patterns, and keeping their evidence up to date."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from failures.models import FailureGroup
from learnings import queries
from learnings.models import Learning
from learnings.policy import drafts
from learnings.policy.approval import POLICY, Case, lets_through
from learnings.policy.record import FAILED, Did
from learnings.queries import FamilyPattern
from learnings.services import lifecycle
from learnings.services.coverage import COVERED
from learnings.services.locks import free_slugs
from learnings.services.parts import Watch, nobody, parts
from learnings.states import Approval, LearningOrigin, LearningStatus

logger = logging.getLogger(__name__)

AUTHOR = "SYSTEM"
MOST_WAITING = 200

# All of a window's failures are counted in their index alone, and the newest are found by another.
_REFRESH = f"""
WITH covered AS MATERIALIZED (
    SELECT c.*, l.counted_from AS since FROM ({COVERED}) c
    JOIN learnings_learning l ON l.id = c.learning_id
    WHERE l.status IN ('proposed', 'active', 'watch') AND l.counted_from IS NOT NULL
), by_agent AS (
    SELECT c.learning_id, a.name, sum(f.n) AS n
    FROM covered c CROSS JOIN LATERAL (
        SELECT f.agent_id, count(*) AS n FROM failures_failure f
        WHERE f.group_id = c.group_id AND f.created_at >= c.since GROUP BY f.agent_id) f
    JOIN agents_agent a ON a.id = f.agent_id
    GROUP BY c.learning_id, a.name
), counted AS (
    SELECT learning_id, sum(n) AS n, array_agg(name ORDER BY name) AS names
    FROM by_agent GROUP BY learning_id
), newest AS (
    SELECT c.learning_id, (array_agg(f.id ORDER BY f.id DESC))[1:%(evidence)s] AS ids
    FROM covered c CROSS JOIN LATERAL (
        SELECT f.id FROM failures_failure f
        WHERE f.fingerprint = c.fingerprint AND f.created_at >= c.since
        ORDER BY f.id DESC LIMIT %(evidence)s) f
    GROUP BY c.learning_id
), stands AS (
    -- None are left when those that it was written about were split off.
    SELECT learning_id, coalesce(n, 0) AS n, coalesce(names, '{{}}') AS names,
           coalesce(ids, '{{}}') AS ids
    FROM (SELECT DISTINCT learning_id FROM covered) c
    LEFT JOIN counted USING (learning_id) LEFT JOIN newest USING (learning_id)
)
UPDATE learnings_learning AS l SET count = s.n, agents = s.names, evidence = s.ids
FROM stands s
WHERE l.id = s.learning_id
    AND (l.count, l.agents, l.evidence) IS DISTINCT FROM (s.n, s.names, s.ids)
RETURNING l.id
"""  # noqa: S608 - made of constants


def write_about(
    found: Sequence[FailureGroup | FamilyPattern],
    did: Did,
    *,
    now: datetime,
    watch: Watch = nobody,
) -> None:
    """A learning about each, some hundreds in a statement; what fails is left for the next run.

    Announcing them is the caller's, and guidance at the end of its transaction.
    """
    done = 0
    for some in parts(found):
        _write_all(some, did, now)
        done += len(some)
        watch("Learnings", done, len(found))


def _write_all(some: Sequence[FailureGroup | FamilyPattern], did: Did, now: datetime) -> None:
    """What can't be written is found by halves, so that it stops no other."""
    made = _tried(some, now)
    if made is not None:
        did.add("made", made)
    elif len(some) > 1:
        half = len(some) // 2
        _write_all(some[:half], did, now)
        _write_all(some[half:], did, now)
    else:
        did.add(FAILED, [one.pk if isinstance(one, FailureGroup) else 0 for one in some])


def _name(found: FailureGroup | FamilyPattern) -> str:
    if isinstance(found, FailureGroup):
        return f"Group {found.pk}"
    return f"Family {found.family}"


def _tried(some: Sequence[FailureGroup | FamilyPattern], now: datetime) -> list[int] | None:
    try:
        with transaction.atomic():
            return _write(some, now)
    except DatabaseError:
        if transaction.get_rollback():
            raise  # The connection is gone: nothing else can be written either.
        if len(some) == 1:
            logger.exception("%s is left for the next run.", _name(some[0]))
        return None


def _write(some: Sequence[FailureGroup | FamilyPattern], now: datetime) -> list[int]:
    roots = [one.pk for one in some if isinstance(one, FailureGroup)]
    solved = queries.with_known_fix(roots) if roots else set()
    drafted = [(one, drafts.draft(_facts(one, solved))) for one in some]
    slugs = free_slugs([made.title for _, made in drafted])
    rows = [
        _learning(one, made, slug, now) for (one, made), slug in zip(drafted, slugs, strict=True)
    ]
    _let_through(rows, now)
    Learning.objects.bulk_create(rows)
    made = [row.pk for row in rows]
    refresh(made)
    return made


def _facts(found: FailureGroup | FamilyPattern, solved: Collection[int]) -> drafts.Facts:
    if isinstance(found, FailureGroup):
        return queries.facts_of(found, fix_known=found.pk in solved)
    return drafts.Facts(
        error_type=found.error_type,
        template="",
        tool_code=found.tool_code,
        error_class=found.error_class,
    )


def _learning(
    found: FailureGroup | FamilyPattern, made: drafts.Draft, slug: str, now: datetime
) -> Learning:
    group = found if isinstance(found, FailureGroup) else None
    return Learning(
        slug=slug,
        group=group,
        family="" if group else found.family,
        title=made.title,
        category=made.category,
        problem=made.problem,
        solution=made.solution,
        rule=made.rule,
        why=made.why,
        scope={
            "types": [str(found.error_type)],
            "tools": [found.tool_code] if found.tool_code else [],
        },
        origin=LearningOrigin.RULE.value,
        template_only=made.template_only,
        flags=made.flags,
        counted_from=now - drafts.WINDOW,
        proposed_by=AUTHOR,
        created_at=now,
        review_at=now + drafts.REVIEW_AFTER,
    )


def approve_waiting(*, now: datetime) -> list[int]:
    """Let be told what the policy lets through by now, of what EVOX wrote itself; the ids.

    Announcing them is the caller's.
    """
    if Approval(settings.EVOX_LEARNING_APPROVAL) is not Approval.AUTO:
        return []
    waiting = Learning.objects.filter(
        status=LearningStatus.PROPOSED.value,
        origin=LearningOrigin.RULE.value,
        template_only=True,
        flags=[],
    )
    rows = waiting.order_by("id").select_for_update(of=("self",))[:MOST_WAITING]
    begun = _let_through(list(rows), now)
    Learning.objects.bulk_update(begun, lifecycle.BEGUN)
    return [row.pk for row in begun]


def _let_through(rows: Sequence[Learning], now: datetime) -> list[Learning]:
    """Begin those, in memory, that the policy lets be told."""
    begun = [row for row in rows if _may_be_told(row)]
    lifecycle.begin(begun, approved_by=POLICY, now=now)
    return begun


def _may_be_told(learning: Learning) -> bool:
    case = Case(
        template_only=learning.template_only, flags=learning.flags, author=learning.proposed_by
    )
    return lets_through(case, approval=Approval(settings.EVOX_LEARNING_APPROVAL))


def refresh(learnings: Sequence[int]) -> list[int]:
    """Bring count, agents and evidence of these up to date; the ids of those that changed."""
    changed: list[int] = []
    for some in parts(learnings):
        with connection.cursor() as cursor:
            cursor.execute(_REFRESH, {"evidence": drafts.EVIDENCE_LIMIT, "only": some})
            changed += [pk for (pk,) in cursor.fetchall()]
    return changed
