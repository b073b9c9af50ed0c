"""What is told no more: by policy, or all that came of one agent; and whose review is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from agents.errors import InvalidInputError
from agents.models import Agent
from agents.services.records import audit
from learnings.models import Learning, LearningQuerySet, LearningRevision
from learnings.policy.approval import POLICY
from learnings.policy.lasting import MOST_HARMFUL, UNMATCHED_AFTER, Standing, retirement
from learnings.services import documents, lifecycle
from learnings.services.coverage import COVERED
from learnings.services.guidance import sync_guidance
from learnings.services.locks import wait_for_turn
from learnings.services.owners import Notice, tell_owners
from learnings.services.parts import AT_ONCE, parts
from learnings.states import LearningStatus, RevisionStatus

MOST_DERIVED = 10_000
REASON_LIMIT = 500

# By what it is about; without groups, by the briefings that told it.
_LAST_MATCH = f"""
WITH covered AS MATERIALIZED ({COVERED})
SELECT l.id, l.helpful_count, l.harmful_count, greatest(l.published_at,
    (SELECT max(c.last_seen_at) FROM covered c WHERE c.learning_id = l.id),
    CASE WHEN l.group_id IS NULL AND l.family = '' THEN
        (SELECT max(i.at) FROM learnings_injection i WHERE i.learning_id = l.id) END)
FROM learnings_learning l WHERE l.id = ANY(%(only)s)
"""  # noqa: S608 - made of constants


def review_due(*, now: datetime) -> LearningQuerySet:
    """Past its review, and its owner wasn't asked."""
    told: LearningQuerySet = Learning.objects.told()
    return told.filter(review_at__lte=now, review_asked_at__isnull=True)


def retire_due(*, all_of_them: bool, now: datetime) -> list[int]:
    """Retire what the policy says, among all that is told or only what was voted harmful.

    Returns the ids. Guidance is the caller's, at the end of its transaction.
    """
    looked_at = Q(harmful_count__gt=MOST_HARMFUL)
    if all_of_them:
        looked_at |= Q(published_at__lt=now - UNMATCHED_AFTER)
    told = Learning.objects.told()
    ids = told.filter(looked_at).order_by("id").values_list("id", flat=True)
    reasons = {
        pk: reason
        for pk, standing in _standings(list(ids)).items()
        if (reason := retirement(standing, now=now))
    }
    due = list(told.filter(pk__in=reasons).order_by("id").select_for_update(of=("self",)))
    for row in due:
        lifecycle.end(row, reason=reasons[row.pk], now=now)
        audit("retire", ("learning", row.pk), actor=POLICY, reason=reasons[row.pk], now=now)
    return [row.pk for row in due]


def ask_reviews(*, now: datetime) -> list[int]:
    """Ask owners once whether what is past its review shall be told on; the ids."""
    rows = list(review_due(now=now).order_by("review_at").select_for_update(of=("self",))[:AT_ONCE])
    news = [
        Notice(
            learning=row,
            text=f"is past its review of {row.review_at:%Y-%m-%d}."
            " Is it still right? Revise or retire it if not; until then it is told on.",
            key=f"review:{row.pk}:{row.review_at.isoformat()}",
        )
        for row in rows
    ]
    tell_owners(news, of_more="are past their review", now=now)
    asked = [row.pk for row in rows]
    Learning.objects.filter(pk__in=asked).update(review_asked_at=now)
    return asked


@dataclass(frozen=True, kw_only=True)
class Derived:
    """What came of one agent."""

    retired: list[int]
    rejected: list[int]
    """Proposals that wait for approval."""
    revisions: list[int]
    """New words that wait."""


def derived_from(agent: Agent, *, since: datetime) -> LearningQuerySet:
    """Proposed or told learnings in which that agent had a part from then on.

    It has one by evidence, as a proposer, or by words of its that were let through; in learnings
    that were made or revised since.
    """
    words = LearningRevision.objects.filter(
        author=agent.name, status=RevisionStatus.APPLIED.value, decided_at__gte=since
    ).values("learning")
    part = Q(agents__contains=[agent.name]) | Q(proposed_by=agent.name)
    live: LearningQuerySet = Learning.objects.live()
    return live.filter(Q(pk__in=words) | (part & Q(created_at__gte=since)))


def retire_derived(
    agent: Agent, *, since: datetime, actor: str, reason: str, now: datetime
) -> Derived:
    """Take back all that came of `agent` since then: what is told, proposed, or waits as words.

    Audited once for the agent and for each learning. Raises InvalidInputError of `since` (ahead of
    now) and `reason` (empty, or over 500 characters).
    """
    reason = reason.strip()
    if since > now:
        raise InvalidInputError("since", "An instant that has passed.")
    if not 1 <= len(reason) <= REASON_LIMIT:
        raise InvalidInputError("reason", f"Say why, in 1–{REASON_LIMIT} characters.")
    why = f"Derived from {agent.name}: {reason}"
    with transaction.atomic():
        wait_for_turn()
        found = derived_from(agent, since=since).order_by("id")
        rows = list(found.select_for_update(of=("self",))[:MOST_DERIVED])
        done = Derived(retired=[], rejected=[], revisions=_reject_words(agent, since, why, now))
        for row in rows:
            _take_back(row, done, actor=actor, why=why, now=now)
        data: dict[str, Any] = {"since": since.isoformat(), "learnings": len(rows)}
        audit("retire derived", ("agent", agent.pk), actor=actor, reason=reason, data=data, now=now)
        sync_guidance(done.retired)
    if done.retired:
        documents.publish_all(only=done.retired)
    return done


def _take_back(row: Learning, done: Derived, *, actor: str, why: str, now: datetime) -> None:
    if row.status == LearningStatus.PROPOSED:
        row.status = LearningStatus.REJECTED.value
        row.save(update_fields=["status"])
        done.rejected.append(row.pk)
    else:
        lifecycle.end(row, reason=why, now=now)
        done.retired.append(row.pk)
    audit("retire", ("learning", row.pk), actor=actor, reason=why, now=now)


def _reject_words(agent: Agent, since: datetime, why: str, now: datetime) -> list[int]:
    waiting = LearningRevision.objects.select_for_update().filter(
        author=agent.name, status=RevisionStatus.PROPOSED.value, at__gte=since
    )
    ids = list(waiting.values_list("id", flat=True))
    LearningRevision.objects.filter(pk__in=ids).update(
        status=RevisionStatus.REJECTED.value,
        reason=why[:REASON_LIMIT],
        decided_by=POLICY,
        decided_at=now,
    )
    return ids


def _standings(ids: list[int]) -> dict[int, Standing]:
    found: dict[int, Standing] = {}
    for some in parts(ids):
        with connection.cursor() as cursor:
            cursor.execute(_LAST_MATCH, {"only": some})
            for pk, helpful, harmful, last in cursor.fetchall():
                found[pk] = Standing(helpful=helpful, harmful=harmful, last_match=last)
    return found
