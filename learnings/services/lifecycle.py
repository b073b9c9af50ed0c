"""The moves of a learning, and what each tells whom.

Whoever calls a function that takes a Learning holds its row's lock, in a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import transaction

from agents import queries as agent_queries
from agents.errors import InvalidInputError, NotFoundError, NotYoursError
from agents.policy import clip
from agents.services.records import audit
from agents.states import IllegalMoveError, check_move
from failures.policy import text_hash
from learnings import queries
from learnings.models import Learning
from learnings.policy.drafts import REVIEW_AFTER
from learnings.policy.lasting import with_hash
from learnings.services import documents
from learnings.services.guidance import sync_guidance
from learnings.services.news import announce, announce_revision
from learnings.services.owners import Notice
from learnings.states import LEARNING_MOVES, TOLD, LearningStatus

BY_HAND = "Retired by hand."
REASON_LIMIT = 500
_COUNTERS = ["recurrence_from", "exposed_repeats", "unexposed_repeats"]
BEGUN = [
    *("status", "approved_by", "published_at", "review_at", "owner", "rule_hashes"),
    *_COUNTERS,
]
"""What changes in a learning when it begins to be told."""


def approve(pk: int, *, actor: str, reason: str = "", now: datetime) -> Learning:
    """A person lets it be told. Raises NotFoundError, NotYoursError, IllegalMoveError."""

    def act(learning: Learning) -> None:
        if actor == learning.proposed_by:
            raise NotYoursError("Somebody else has to approve what one wrote oneself.")
        if learning.status != LearningStatus.PROPOSED:
            # The table lets a watched one become active again, but not by an approval.
            raise IllegalMoveError("learning", learning.status, LearningStatus.ACTIVE.value)
        begin([learning], approved_by=actor, now=now)
        learning.save(update_fields=BEGUN)
        announce(learning, now=now)

    return _decide(pk, "approve", act, actor=actor, reason=reason, now=now)


def reject(pk: int, *, actor: str, reason: str = "", now: datetime) -> Learning:
    """A person keeps it from being told. Raises NotFoundError, IllegalMoveError."""

    def act(learning: Learning) -> None:
        _move(learning, LearningStatus.REJECTED)
        learning.save(update_fields=["status"])

    return _decide(pk, "reject", act, actor=actor, reason=reason, now=now)


def retire(
    pk: int, *, actor: str, reason: str = "", superseded_by: int | None = None, now: datetime
) -> Learning:
    """From now on it is told to nobody; another one may take its place.

    Raises NotFoundError, IllegalMoveError, and InvalidInputError when what takes its place is
    itself, or isn't told.
    """

    def act(learning: Learning) -> None:
        if superseded_by is not None:
            other = Learning.objects.told().filter(pk=superseded_by).exclude(pk=pk).first()
            if other is None:
                raise InvalidInputError("supersededBy", "Another learning that is told.")
            learning.superseded_by = other
        replaced = f"Learning {superseded_by} took its place." if superseded_by else BY_HAND
        end(learning, reason=reason or replaced, now=now)

    return _decide(pk, "retire", act, actor=actor, reason=reason, now=now)


def begin(learnings: Sequence[Learning], *, approved_by: str, now: datetime) -> None:
    """Tell these from now on. In memory: the caller writes `BEGUN` and announces them.

    Guidance is the caller's, too, at the end of its transaction.
    """
    lead = _lead(now) if learnings else ""
    for learning in learnings:
        _move(learning, LearningStatus.ACTIVE)
        learning.approved_by = approved_by
        learning.published_at = now
        learning.review_at = now + REVIEW_AFTER
        learning.owner = learning.owner or lead
        _remember_rule(learning)
        _count_anew(learning, now)


def revised(learning: Learning, *, now: datetime) -> None:
    """After new words were saved: they are told, repeats count anew, and a watch is over.

    Whoever was told the old words was told something else. The next review is due as after a
    publication. The document is the caller's.
    """
    if learning.status not in TOLD:
        return
    _remember_rule(learning)
    _unwatch(learning)
    _count_anew(learning, now)
    learning.review_at, learning.review_asked_at = now + REVIEW_AFTER, None
    fields = ["rule_hashes", "status", "watch_since", "review_at", "review_asked_at"]
    learning.save(update_fields=[*fields, *_COUNTERS])
    announce_revision(learning, now=now)
    sync_guidance([learning.pk])


def resolved(learning: Learning, *, at: datetime) -> None:
    """What it is about was dealt with: repeats count anew from then, and a watch is over."""
    _unwatch(learning)
    _count_anew(learning, at)
    learning.resolved_at = at
    learning.save(update_fields=["status", "watch_since", "resolved_at", *_COUNTERS])


def watch(learning: Learning, *, now: datetime) -> Notice:
    """It came back to agents that had been told: it is told on; what its owner has to hear."""
    _move(learning, LearningStatus.WATCH)
    learning.watch_since = now
    learning.save(update_fields=["status", "watch_since"])
    since = learning.recurrence_from or now
    return Notice(
        learning=learning,
        text=f"doesn't hold: {learning.exposed_repeats} failures since {since:%Y-%m-%d %H:%M} UTC"
        " of agents that had been told. Revise its rule, resolve its failures, or retire it.",
        key=f"watched:{learning.pk}:{since.isoformat()}",
    )


def end(learning: Learning, *, reason: str, now: datetime) -> None:
    """It is told no more. Guidance is the caller's, at the end of its transaction."""
    _move(learning, LearningStatus.RETIRED)
    learning.retired_at, learning.watch_since = now, None
    learning.retire_reason = clip(reason, REASON_LIMIT)
    fields = ["status", "retired_at", "watch_since", "retire_reason", "superseded_by"]
    learning.save(update_fields=fields)


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
        learning = Learning.objects.select_for_update(of=("self",)).filter(pk=pk).first()
        if learning is None:
            raise NotFoundError(f"There is no learning {pk}.")
        act(learning)
        audit(verb, ("learning", pk), actor=actor, reason=reason, now=now)
        sync_guidance([pk])
    if learning.published_at is not None:
        documents.publish(learning)
    return queries.learning_by_id(pk)


def _move(learning: Learning, to: LearningStatus) -> None:
    old = LearningStatus(learning.status)
    learning.status = check_move(LEARNING_MOVES, old, to, noun="learning").value


def _unwatch(learning: Learning) -> None:
    if learning.status == LearningStatus.WATCH:
        _move(learning, LearningStatus.ACTIVE)
        learning.watch_since = None


def _count_anew(learning: Learning, at: datetime) -> None:
    learning.recurrence_from = at
    learning.exposed_repeats = learning.unexposed_repeats = 0


def _remember_rule(learning: Learning) -> None:
    if learning.rule:
        learning.rule_hashes = with_hash(learning.rule_hashes, text_hash(learning.rule))


def _lead(now: datetime) -> str:
    lead = agent_queries.lead(now=now)
    return lead.name if lead else ""
