"""Where nobody knows what helps, the lead is asked, and what it answers becomes new words.

A question is asked once for a learning's version and read once, whatever comes of it. Only one
that was given up and is completed after all, since somebody had it tried again, is read anew.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import DatabaseError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from agents import queries as agent_queries
from agents.models import Agent, Attempt, AuditEntry, Dispatch
from agents.services.dispatches import DuplicateKeyError, NewDispatch, create_dispatch
from agents.services.records import audit
from agents.states import FINISHED, AttemptOutcome, DispatchStatus, Priority
from failures.flags import SHORTENED
from learnings.models import Learning, LearningRevision
from learnings.policy import diagnosis as policy
from learnings.policy.approval import POLICY
from learnings.services import documents, revisions
from learnings.services.locks import take_turn
from learnings.services.resolutions import propose_resolutions
from learnings.states import LIVE, LearningOrigin, RevisionSource, RevisionStatus

logger = logging.getLogger(__name__)

MOST_READ = 20
MAX_ATTEMPTS = 2
"""A lead that fails twice at it has other things to do."""
EVIDENCE_SHOWN = 10
NOT_THE_LEAD = "not-the-lead"
"""The flag of an answer that somebody else gave: the work was handed on."""
NO_LEAD = "No lead is registered, so nobody was asked what is behind it."
NOT_ASKED = "not diagnosed"
TRIED_AGAIN = "The diagnosis was given up, and completed after another try."
# Records that nothing came back, from before it did.
_OVERTAKEN = Q(
    author=POLICY,
    diagnosis__status=DispatchStatus.COMPLETED.value,
    diagnosis__finished_at__gt=F("at"),
)


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one look did."""

    read: int = 0
    asked: int = 0
    why_not: str = ""
    """Why nobody was asked though there was something to ask."""


def sweep(*, now: datetime) -> Round:
    """Read what was answered, propose what helped, and ask about what is left."""
    read = read_answers(now=now)
    propose_resolutions(now=now)
    asked, why_not = ask(now=now)
    return Round(read=read, asked=asked, why_not=why_not)


def unanswered() -> QuerySet[Learning]:
    """Learnings that agents are told and that nobody knows a fix for, the most frequent first.

    What is still proposed isn't asked about: its failures may have been written to mislead whoever
    reads them.
    """
    known = LearningRevision.objects.filter(learning=OuterRef("pk")).filter(
        Q(status=RevisionStatus.PROPOSED.value) | Q(status=RevisionStatus.APPLIED.value)
    )
    ours = Learning.objects.told().filter(origin=LearningOrigin.RULE.value, template_only=True)
    return (
        ours.filter(diagnosis__isnull=True, flags__contained_by=[SHORTENED])
        .exclude(Exists(known))
        .order_by("-count", "id")
    )


def ask(*, now: datetime) -> tuple[int, str]:
    """Give the lead the most frequent patterns, three open ones at a time.

    Returns how many were asked, and why nobody was though there was something to ask.
    """
    if not unanswered().exists():
        return 0, ""
    lead = agent_queries.lead(now=now)
    if lead is None:
        _say_why(NO_LEAD, now)
        return 0, NO_LEAD
    with transaction.atomic():
        if not take_turn():
            return 0, ""
        open_ones = Learning.objects.filter(diagnosis__isnull=False).exclude(
            diagnosis__status__in=[status.value for status in FINISHED]
        )
        room = max(policy.MOST_OPEN - open_ones.count(), 0)
        chosen = list(unanswered()[:room])
        for learning in chosen:
            _ask(learning, lead, now)
    return len(chosen), ""


def _say_why(reason: str, now: datetime) -> None:
    """Put it on the timelines of those whose turn it was, once each."""
    waiting = [learning.pk for learning in unanswered()[: policy.MOST_OPEN]]
    said = AuditEntry.objects.filter(
        subject_kind="learning", subject_id__in=waiting, verb=NOT_ASKED
    ).values_list("subject_id", flat=True)
    for pk in sorted(set(waiting) - set(said)):
        audit(NOT_ASKED, ("learning", pk), actor=POLICY, reason=reason, now=now)


def _ask(learning: Learning, lead: Agent, now: datetime) -> None:
    asked = policy.question(
        policy.Subject(
            learning_id=learning.pk,
            version=learning.version,
            name=learning.title,  # EVOX's own words and the masked template's.
            count=learning.count,
            agents=learning.agents,
            evidence=sorted(learning.evidence)[-EVIDENCE_SHOWN:],
        )
    )
    new = NewDispatch(
        title=asked.title,
        command=asked.command,
        payload=asked.payload,
        priority=Priority.NORMAL,
        agent=lead,
        unique_key=asked.unique_key,
        max_attempts=MAX_ATTEMPTS,
    )
    try:
        learning.diagnosis = create_dispatch(new, actor=POLICY, now=now)
    except DuplicateKeyError:
        # Somebody else's work has that key: its answer isn't the lead's.
        new = replace(new, unique_key=None)
        learning.diagnosis = create_dispatch(new, actor=POLICY, now=now)
    learning.save(update_fields=["diagnosis"])


def read_answers(*, now: datetime) -> int:
    """Make revisions of finished diagnoses, each once; how many were read."""
    seen = LearningRevision.objects.filter(diagnosis=OuterRef("diagnosis")).exclude(_OVERTAKEN)
    finished = (
        Learning.objects.filter(diagnosis__status__in=[status.value for status in FINISHED])
        .exclude(Exists(seen))
        .order_by("id")
    )
    changed: list[int] = []
    read = 0
    for pk in finished.values_list("id", flat=True)[:MOST_READ]:
        try:
            with transaction.atomic():
                revision = _read(pk, now)
            read += revision is not None
        except DatabaseError:
            logger.exception("The diagnosis of learning %s is left for the next round.", pk)
            continue
        if revision is not None and revision.status == RevisionStatus.APPLIED:
            changed.append(pk)
    if changed:
        for learning in Learning.objects.filter(id__in=changed, published_at__isnull=False):
            documents.publish(learning)
    return read


def _read(pk: int, now: datetime) -> LearningRevision | None:
    learning = Learning.objects.select_for_update().get(pk=pk)
    dispatch = learning.diagnosis
    if dispatch is None:
        return None
    read = LearningRevision.objects.filter(diagnosis=dispatch)
    read.filter(_OVERTAKEN).update(diagnosis=None, reason=TRIED_AGAIN)
    if read.exists():
        return None
    author, answer = _answer_of(dispatch)
    if learning.status not in LIVE:
        answer = policy.Nothing(f"The learning is {learning.status}.")
    origin = revisions.Origin(source=RevisionSource.DIAGNOSIS, author=author, diagnosis=dispatch)
    if isinstance(answer, policy.Nothing):
        return revisions.record_nothing(learning, answer.reason, origin, now=now)
    revision = revisions.propose(learning, answer, origin, now=now)
    revisions.apply_by_policy(revision, learning, now=now)
    return revision


def _answer_of(dispatch: Dispatch) -> tuple[str, policy.Found | policy.Nothing]:
    """Who answered, and what; a diagnosis that was given up says nothing."""
    done = (
        Attempt.objects.select_related("agent")
        .filter(dispatch=dispatch, outcome=AttemptOutcome.SUCCEEDED.value)
        .last()
    )
    if dispatch.status != DispatchStatus.COMPLETED or done is None:
        return POLICY, policy.Nothing(f"The diagnosis was {dispatch.status}.")
    answer = policy.read_answer(done.result)
    if isinstance(answer, policy.Found) and not agent_queries.is_lead(done.agent):
        answer = replace(answer, flags=[*answer.flags, NOT_THE_LEAD])
    return done.agent.name, answer
