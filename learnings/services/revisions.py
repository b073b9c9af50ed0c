"""New words for a learning wait beside it until a person, or the policy, lets them through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from agents.errors import IllegalMoveError, NotFoundError, NotYoursError
from agents.models import Dispatch
from agents.policy import clip
from agents.services.records import audit
from agents.states import check_move
from failures.masking import scrub
from failures.models import Failure
from failures.queries import member_ids
from learnings.models import Learning, LearningRevision
from learnings.policy.approval import POLICY
from learnings.policy.diagnosis import Found
from learnings.policy.revisions import Evidence, evidence_of, may_apply_unread
from learnings.services import documents, lifecycle
from learnings.states import (
    LIVE,
    REVISION_MOVES,
    Approval,
    LearningStatus,
    RevisionSource,
    RevisionStatus,
)

REASON_LIMIT = 500
MOST_EVIDENCE = 100


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where new words come from; a diagnosis and a failure's resolution are used once."""

    source: RevisionSource
    author: str
    diagnosis: Dispatch | None = None
    failure_id: int | None = None


def propose(learning: Learning, words: Found, origin: Origin, *, now: datetime) -> LearningRevision:
    """Put `words` beside a locked learning; older ones of the same source wait no more."""
    _supersede(learning, now=now, source=origin.source.value)
    return LearningRevision.objects.create(
        **_columns(learning, origin, now),
        rule=scrub(words.rule),
        why=scrub(words.why),
        solution=scrub(words.solution),
        flags=words.flags,
    )


def record_nothing(
    learning: Learning, reason: str, origin: Origin, *, now: datetime
) -> LearningRevision:
    """Note that nothing usable came back, so that it isn't asked for or read again."""
    return LearningRevision.objects.create(
        **_columns(learning, origin, now),
        status=RevisionStatus.REJECTED.value,
        reason=clip(reason, REASON_LIMIT),
        decided_by=POLICY,
        decided_at=now,
    )


def _columns(learning: Learning, origin: Origin, now: datetime) -> dict[str, object]:
    return {
        "learning": learning,
        "version": learning.version,
        "source": origin.source.value,
        "author": origin.author[:64],
        "diagnosis": origin.diagnosis,
        "failure_id": origin.failure_id,
        "at": now,
    }


def revision_by_id(pk: int) -> LearningRevision:
    """That revision with its learning; raises NotFoundError."""
    found = LearningRevision.objects.select_related("learning").filter(pk=pk).first()
    if found is None:
        raise NotFoundError(f"There is no revision {pk}.")
    return found


def approve(pk: int, *, actor: str, reason: str = "", now: datetime) -> LearningRevision:
    """A person lets the words through: the learning says them from now on.

    Raises NotFoundError, NotYoursError to its author, IllegalMoveError when it was decided before
    or its learning is told no more.
    """

    def act(revision: LearningRevision, learning: Learning) -> None:
        if actor == revision.author:
            raise NotYoursError("Somebody else has to approve what one wrote oneself.")
        apply(revision, learning, by=actor, reason=reason, now=now)

    return _decide(pk, act)


def reject(pk: int, *, actor: str, reason: str = "", now: datetime) -> LearningRevision:
    """A person keeps the words away. Raises NotFoundError, IllegalMoveError."""

    def act(revision: LearningRevision, learning: Learning) -> None:
        _settle(revision, RevisionStatus.REJECTED, by=actor, reason=reason, now=now)
        _audit("reject revision", revision, actor=actor, reason=reason, now=now)

    return _decide(pk, act)


def _decide(pk: int, act: Callable[[LearningRevision, Learning], None]) -> LearningRevision:
    learning_id = revision_by_id(pk).learning_id
    with transaction.atomic():
        learning = Learning.objects.select_for_update().get(pk=learning_id)
        revision = LearningRevision.objects.select_for_update().get(pk=pk)
        act(revision, learning)
    if learning.published_at is not None:
        documents.publish(learning)
    return revision_by_id(pk)


def apply(
    revision: LearningRevision, learning: Learning, *, by: str, reason: str = "", now: datetime
) -> None:
    """Make the words of a locked revision those of its locked learning; raises IllegalMoveError.

    The document is the caller's.
    """
    if learning.status not in LIVE:
        raise IllegalMoveError("learning", learning.status, "revised")
    _settle(revision, RevisionStatus.APPLIED, by=by, reason=reason, now=now)
    learning.rule, learning.why = revision.rule, revision.why
    learning.solution = revision.solution or revision.rule
    learning.template_only = False
    learning.version += 1
    learning.save(update_fields=["rule", "why", "solution", "template_only", "version"])
    _supersede(learning, now=now)
    lifecycle.revised(learning, now=now)
    _audit("revise", revision, actor=by, reason=reason, now=now)


def apply_by_policy(revision: LearningRevision, learning: Learning, *, now: datetime) -> bool:
    """Apply a waiting revision at once where nobody has to read it first; whether it was."""
    let_through = may_apply_unread(
        Approval(settings.EVOX_LEARNING_APPROVAL),
        status=LearningStatus(learning.status),
        flags=revision.flags,
        evidence=_evidence_of(learning),
    )
    if let_through:
        apply(revision, learning, by=POLICY, now=now)
    return let_through


def _evidence_of(learning: Learning) -> Evidence:
    """Whose failures of which work are behind it, since the pattern was found."""
    about = Q(group__family=learning.family) if learning.family else Q(group__in=[])
    if learning.group_id is not None:
        about = Q(group__in=member_ids(learning.group_id))
    found = Failure.objects.filter(
        about, created_at__gte=learning.counted_from or learning.created_at
    )
    seen = found.order_by().values_list("agent_id", "attempt__dispatch_id", "ticket_id").distinct()
    return evidence_of(seen[:MOST_EVIDENCE])


def _settle(
    revision: LearningRevision, to: RevisionStatus, *, by: str, reason: str, now: datetime
) -> None:
    old = RevisionStatus(revision.status)
    revision.status = check_move(REVISION_MOVES, old, to, noun="revision").value
    revision.reason = clip(reason, REASON_LIMIT)
    revision.decided_by, revision.decided_at = by, now
    revision.save(update_fields=["status", "reason", "decided_by", "decided_at"])


def _supersede(learning: Learning, *, now: datetime, **which: str) -> None:
    waiting = LearningRevision.objects.filter(
        learning=learning, status=RevisionStatus.PROPOSED.value, **which
    )
    waiting.update(
        status=RevisionStatus.SUPERSEDED.value,
        reason="Newer words took its place.",
        decided_by=POLICY,
        decided_at=now,
    )


def _audit(
    verb: str, revision: LearningRevision, *, actor: str, reason: str, now: datetime
) -> None:
    audit(
        verb,
        ("learning", revision.learning_id),
        actor=actor,
        reason=reason,
        data={"revision": revision.pk},
        now=now,
    )
