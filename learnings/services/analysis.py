"""Find patterns, write a learning about each, and keep what was written up to date.

The weekly run, the command and the sweep are one service. It may run twice, at the same time, or
late: writers take turns, and each group has at most one live learning.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from agents.models import SystemBeat
from agents.services.records import beat
from learnings import queries
from learnings.models import AnalysisRun, Learning
from learnings.policy import drafts
from learnings.queries import Pattern
from learnings.services import diagnosis, documents, lifecycle
from learnings.services.locks import free_slug, take_turn, wait_for_turn
from learnings.states import Approval, LearningOrigin, Trigger

logger = logging.getLogger(__name__)

AUTHOR = "SYSTEM"
BEAT = "learner"
OVERLAP = timedelta(minutes=5)
"""A failure is stamped before it is committed; a sweep looks back further than its last round."""

_REFRESH = """
UPDATE learnings_learning AS l
SET count = s.n, agents = s.names, evidence = s.ids
FROM (SELECT l.id, count(*) AS n, array_agg(DISTINCT a.name ORDER BY a.name) AS names,
             (array_agg(f.id ORDER BY f.id DESC))[1:%(evidence)s] AS ids
      FROM learnings_learning l
      JOIN failures_failure f ON f.group_id = l.group_id AND f.created_at >= l.counted_from
      JOIN agents_agent a ON a.id = f.agent_id
      WHERE l.status IN ('proposed', 'active', 'watch')
        AND (%(only)s::bigint[] IS NULL OR l.id = ANY(%(only)s))
      GROUP BY l.id) s
WHERE l.id = s.id AND (l.count, l.agents, l.evidence) IS DISTINCT FROM (s.n, s.names, s.ids)
"""


def analyse(trigger: Trigger, *, now: datetime) -> AnalysisRun:
    """Look through the last seven days. A weekly run is made once an ISO week."""
    with transaction.atomic():
        wait_for_turn()
        run = _weekly_run_of(now) if trigger is Trigger.WEEKLY else None
        if run is None:
            run = _look_through(trigger, now)
        lifecycle.announce_pending(now=now)
    documents.publish_all()
    return run


def sweep(*, now: datetime) -> AnalysisRun | None:
    """Write about groups that just became patterns, and repair what was left undone.

    Catches up on a weekly run that was missed. None when there was nothing to write about.
    """
    last = queries.last_weekly_run()
    if drafts.weekly_due(now, last_week=last.iso_week if last else ""):
        run: AnalysisRun | None = analyse(Trigger.WEEKLY, now=now)
    else:
        run = _sweep_a_little(now)
    diagnosis.sweep(now=now)
    documents.repair_missing()
    beat(BEAT, now=now)
    return run


def _sweep_a_little(now: datetime) -> AnalysisRun | None:
    since = _last_look(now)
    if not _fresh_patterns(since, now) and not Learning.objects.unannounced().exists():
        return None
    with transaction.atomic():
        if not take_turn():
            return None
        # Looked up again: whoever had the turn before may have written about them.
        fresh = _fresh_patterns(since, now)
        run = _record(Trigger.SWEEP, fresh, fresh, now) if fresh else None
        lifecycle.announce_pending(now=now)
    documents.publish_all()
    return run


def _last_look(now: datetime) -> datetime:
    last = SystemBeat.objects.filter(name=BEAT).values_list("at", flat=True).first()
    return now - drafts.WINDOW if last is None else last - OVERLAP


def _fresh_patterns(seen_since: datetime, now: datetime) -> list[Pattern]:
    return queries.patterns_without_learning(
        threshold=settings.EVOX_PATTERN_THRESHOLD, seen_since=seen_since, now=now
    )


def _weekly_run_of(now: datetime) -> AnalysisRun | None:
    week = drafts.iso_week(now)
    return AnalysisRun.objects.filter(trigger=Trigger.WEEKLY.value, iso_week=week).first()


def _look_through(trigger: Trigger, now: datetime) -> AnalysisRun:
    found = queries.patterns(threshold=settings.EVOX_PATTERN_THRESHOLD, now=now)
    return _record(trigger, found, _fresh_patterns(now - drafts.WINDOW, now), now)


def _record(
    trigger: Trigger, found: Sequence[Pattern], fresh: Sequence[Pattern], now: datetime
) -> AnalysisRun:
    made = 0
    # The order in which failures are logged, so that neither waits for the other in a circle.
    for pattern in sorted(fresh, key=lambda one: one.group.fingerprint):
        try:
            with transaction.atomic():
                _write_about(pattern, now)
                made += 1
        except DatabaseError:
            logger.exception("Group %s is left for the next run.", pattern.group.pk)
    refreshed = _refresh(only=None) if trigger is not Trigger.SWEEP else 0
    run = AnalysisRun.objects.create(
        trigger=trigger.value,
        iso_week=drafts.iso_week(now),
        started_at=now,
        window_from=now - drafts.WINDOW,
        window_to=now,
        patterns_found=len(found),
        learnings_made=made,
        learnings_refreshed=refreshed,
    )
    AnalysisRun.objects.filter(pk=run.pk).update(finished_at=Now())
    return run


def _write_about(pattern: Pattern, now: datetime) -> Learning:
    group = pattern.group
    resolution = drafts.best_resolution(queries.past_resolutions(group))
    made = drafts.draft(queries.facts_of(group, resolution=resolution))
    learning = Learning.objects.create(
        slug=free_slug(made.title),
        group=group,
        title=made.title,
        category=made.category,
        problem=made.problem,
        solution=made.solution,
        rule=made.rule,
        why=made.why,
        scope={"types": [group.error_type], "tools": [group.tool_code] if group.tool_code else []},
        origin=LearningOrigin.RULE.value,
        template_only=made.template_only,
        flags=made.flags,
        counted_from=now - drafts.WINDOW,
        proposed_by=AUTHOR,
        created_at=now,
        review_at=now + drafts.REVIEW_AFTER,
    )
    _refresh(only=[learning.pk])
    learning.refresh_from_db(fields=["count", "agents", "evidence"])
    if drafts.active_at_once(made, approval=Approval(settings.EVOX_LEARNING_APPROVAL)):
        lifecycle.activate(learning, approved_by=lifecycle.POLICY, now=now)
    return learning


def _refresh(*, only: list[int] | None) -> int:
    """Bring count, agents and evidence up to date, of `only` these; how many had changed."""
    with connection.cursor() as cursor:
        cursor.execute(_REFRESH, {"evidence": drafts.EVIDENCE_LIMIT, "only": only})
        changed: int = cursor.rowcount
    return changed
