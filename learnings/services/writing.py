"""Writing learnings about patterns, and keeping their evidence up to date."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from failures.queries import member_ids
from learnings import queries
from learnings.models import Learning
from learnings.policy import drafts
from learnings.policy.approval import POLICY, Case, lets_through
from learnings.policy.record import FAILED, Did
from learnings.queries import FamilyPattern, Pattern
from learnings.services import lifecycle
from learnings.services.coverage import COVERED
from learnings.services.locks import free_slug
from learnings.states import Approval, LearningOrigin, LearningStatus

logger = logging.getLogger(__name__)

AUTHOR = "SYSTEM"
AT_ONCE = 200
MOST_WAITING = 200

_REFRESH = f"""
WITH covered AS MATERIALIZED ({COVERED})
UPDATE learnings_learning AS l
SET count = s.n, agents = s.names, evidence = s.ids
FROM (SELECT l.id, count(f.id) AS n,
             coalesce(array_agg(DISTINCT a.name ORDER BY a.name) FILTER (WHERE f.id > 0),
                      '{{}}') AS names,
             coalesce((array_agg(f.id ORDER BY f.id DESC) FILTER (WHERE f.id > 0))
                      [1:%(evidence)s], '{{}}') AS ids
      FROM learnings_learning l JOIN covered c ON c.learning_id = l.id
      -- None are left when those that it was written about were split off.
      LEFT JOIN failures_failure f ON f.group_id = c.group_id AND f.created_at >= l.counted_from
      LEFT JOIN agents_agent a ON a.id = f.agent_id
      WHERE l.status IN ('proposed', 'active', 'watch') AND l.counted_from IS NOT NULL
      GROUP BY l.id) s
WHERE l.id = s.id AND (l.count, l.agents, l.evidence) IS DISTINCT FROM (s.n, s.names, s.ids)
RETURNING l.id
"""  # noqa: S608 - made of constants


def write_about(patterns: Sequence[Pattern], did: Did, *, now: datetime) -> None:
    """A learning about each; one that fails is left for the next run."""
    for pattern in patterns:
        _one(pattern.group.pk, partial(_about_group, pattern, now), did)


def write_about_families(patterns: Sequence[FamilyPattern], did: Did, *, now: datetime) -> None:
    """The same for families."""
    for pattern in patterns:
        _one(0, partial(_about_family, pattern, now), did)


def _one(group: int, write: Callable[[], Learning], did: Did) -> None:
    try:
        with transaction.atomic():
            learning = write()
    except DatabaseError:
        logger.exception("Group %s is left for the next run.", group)
        did.add(FAILED, [group])
    else:
        did.add("made", [learning.pk])


def _about_group(pattern: Pattern, now: datetime) -> Learning:
    group = pattern.group
    resolution = drafts.best_resolution(queries.past_resolutions(member_ids(group)))
    made = drafts.draft(queries.facts_of(group, resolution=resolution))
    return _write(made, group.error_type, group.tool_code, {"group": group}, now)


def _about_family(pattern: FamilyPattern, now: datetime) -> Learning:
    facts = drafts.Facts(
        error_type=pattern.error_type,
        template="",
        tool_code=pattern.tool_code,
        error_class=pattern.error_class,
    )
    made = drafts.draft(facts)
    source = {"family": pattern.family}
    return _write(made, pattern.error_type.value, pattern.tool_code, source, now)


def _write(
    made: drafts.Draft, error_type: str, tool_code: str, source: dict[str, Any], now: datetime
) -> Learning:
    learning = Learning.objects.create(
        slug=free_slug(made.title),
        title=made.title,
        category=made.category,
        problem=made.problem,
        solution=made.solution,
        rule=made.rule,
        why=made.why,
        scope={"types": [error_type], "tools": [tool_code] if tool_code else []},
        origin=LearningOrigin.RULE.value,
        template_only=made.template_only,
        flags=made.flags,
        counted_from=now - drafts.WINDOW,
        proposed_by=AUTHOR,
        created_at=now,
        review_at=now + drafts.REVIEW_AFTER,
        **source,
    )
    refresh([learning.pk])
    learning.refresh_from_db(fields=["count", "agents", "evidence"])
    _approve(learning, now)
    return learning


def approve_waiting(*, now: datetime) -> list[int]:
    """Let be told what the policy lets through by now, of what EVOX wrote itself; the ids."""
    if Approval(settings.EVOX_LEARNING_APPROVAL) is not Approval.AUTO:
        return []
    waiting = Learning.objects.filter(
        status=LearningStatus.PROPOSED.value,
        origin=LearningOrigin.RULE.value,
        template_only=True,
        flags=[],
    )
    rows = waiting.order_by("id").select_for_update(of=("self",))[:MOST_WAITING]
    return [row.pk for row in list(rows) if _approve(row, now)]


def _approve(learning: Learning, now: datetime) -> bool:
    case = Case(
        template_only=learning.template_only, flags=learning.flags, author=learning.proposed_by
    )
    if not lets_through(case, approval=Approval(settings.EVOX_LEARNING_APPROVAL)):
        return False
    lifecycle.begin(learning, approved_by=POLICY, now=now)
    return True


def refresh(learnings: Sequence[int]) -> list[int]:
    """Bring count, agents and evidence of these up to date; the ids of those that changed."""
    changed: list[int] = []
    for at in range(0, len(learnings), AT_ONCE):
        some = list(learnings[at : at + AT_ONCE])
        with connection.cursor() as cursor:
            cursor.execute(_REFRESH, {"evidence": drafts.EVIDENCE_LIMIT, "only": some})
            changed += [pk for (pk,) in cursor.fetchall()]
    return changed
