"""The moves of a learning, and what each tells whom."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from django.db import transaction

from agents import queries as agent_queries
from agents.errors import IllegalMoveError, NotFoundError, NotYoursError
from agents.services.messages import send_message
from agents.services.records import audit
from agents.states import check_move
from failures.models import FailureGroup
from learnings import queries
from learnings.models import Learning
from learnings.policy.documents import post
from learnings.policy.drafts import REVIEW_AFTER
from learnings.policy.revisions import update_post
from learnings.services import documents
from learnings.states import LEARNING_MOVES, TOLD, LearningStatus

CHANNEL = "dev"
POLICY = "EVOX"
"""Approves what is made of template text alone, when EVOX_LEARNING_APPROVAL is auto."""


def approve(pk: int, *, actor: str, reason: str = "", now: datetime) -> Learning:
    """A person lets it be told. Raises NotFoundError, NotYoursError, IllegalMoveError."""

    def act(learning: Learning) -> None:
        if actor == learning.proposed_by:
            raise NotYoursError("Somebody else has to approve what one wrote oneself.")
        if learning.status != LearningStatus.PROPOSED:
            # The table lets a watched one become active again, but not by an approval.
            raise IllegalMoveError("learning", learning.status, LearningStatus.ACTIVE.value)
        activate(learning, approved_by=actor, now=now)

    return _decide(pk, "approve", act, actor=actor, reason=reason, now=now)


def reject(pk: int, *, actor: str, reason: str = "", now: datetime) -> Learning:
    """A person keeps it from being told. Raises NotFoundError, IllegalMoveError."""

    def act(learning: Learning) -> None:
        _move(learning, LearningStatus.REJECTED)
        learning.save(update_fields=["status"])

    return _decide(pk, "reject", act, actor=actor, reason=reason, now=now)


def retire(pk: int, *, actor: str, reason: str = "", now: datetime) -> Learning:
    """From now on it is told to nobody. Raises NotFoundError, IllegalMoveError."""

    def act(learning: Learning) -> None:
        _move(learning, LearningStatus.RETIRED)
        learning.retired_at, learning.watch_since = now, None
        learning.save(update_fields=["status", "retired_at", "watch_since"])

    return _decide(pk, "retire", act, actor=actor, reason=reason, now=now)


def activate(learning: Learning, *, approved_by: str, now: datetime) -> None:
    """Tell it from now on: guidance on its group, one post. The document is the caller's."""
    _move(learning, LearningStatus.ACTIVE)
    learning.approved_by = approved_by
    learning.published_at = now
    learning.review_at = now + REVIEW_AFTER
    learning.save(update_fields=["status", "approved_by", "published_at", "review_at"])
    # Only EVOX's own words and an approved rule may stand there: any agent that fails reads it.
    _set_guidance(learning, learning.rule)
    announce(learning, now=now)


def revised(learning: Learning, *, now: datetime) -> None:
    """What follows when a learning's words changed: guidance, and one post, where it is told."""
    if learning.status not in TOLD:
        return
    _set_guidance(learning, learning.rule)
    learning.recurrence_from = now  # Who was told the old words was told something else.
    learning.save(update_fields=["recurrence_from"])
    with suppress(NotFoundError):
        send_message(
            update_post(documents.page_of_learning(learning)),
            to=agent_queries.channel_named(CHANNEL),
            about=("learning", learning.pk),
            dedup_key=f"learning-revised:{learning.pk}:{learning.version}",
            now=now,
        )


def announce(learning: Learning, *, now: datetime) -> bool:
    """Tell #dev, once; without that channel it is left for the next run."""
    try:
        channel = agent_queries.channel_named(CHANNEL)
    except NotFoundError:
        return False
    text = post(documents.page_of_learning(learning), is_pattern=learning.group_id is not None)
    send_message(
        text,
        to=channel,
        about=("learning", learning.pk),
        dedup_key=f"learning-announced:{learning.pk}",
        now=now,
    )
    learning.announced_at = now
    learning.save(update_fields=["announced_at"])
    return True


def announce_pending(*, now: datetime) -> int:
    """Announce what is active and was not; how many."""
    return sum(announce(learning, now=now) for learning in Learning.objects.unannounced())


def _decide(
    pk: int,
    verb: str,
    act: Callable[[Learning], None],
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> Learning:
    with transaction.atomic():
        learning = Learning.objects.select_for_update().filter(pk=pk).first()
        if learning is None:
            raise NotFoundError(f"There is no learning {pk}.")
        act(learning)
        if learning.status in {LearningStatus.RETIRED, LearningStatus.REJECTED}:
            _set_guidance(learning, "")
        audit(verb, ("learning", pk), actor=actor, reason=reason, now=now)
    if learning.published_at is not None:
        documents.publish(learning)
    return queries.learning_by_id(pk)


def _move(learning: Learning, to: LearningStatus) -> None:
    old = LearningStatus(learning.status)
    learning.status = check_move(LEARNING_MOVES, old, to, noun="learning").value


def _set_guidance(learning: Learning, text: str) -> None:
    if learning.group_id is not None:
        FailureGroup.objects.filter(pk=learning.group_id).update(guidance=text)
