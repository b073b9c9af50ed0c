"""What agents and people say themselves: learnings of their own, and votes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from agents.policy import clip
from learnings import queries
from learnings.models import Feedback, Learning
from learnings.policy.drafts import REVIEW_AFTER, RULE_LIMIT, TITLE_LIMIT, slug_of
from learnings.policy.flags import plain_line, review_flags
from learnings.services.locks import free_slug, wait_for_turn
from learnings.states import LearningOrigin, LearningStatus, Vote

TEXT_LIMIT = 8_000
REASON_LIMIT = 2_000
CATEGORY_LIMIT = 40


@dataclass(frozen=True, kw_only=True)
class NewLearning:
    """What somebody wants the team to know; `content` alone will do."""

    category: str = "other"
    content: str = ""
    title: str = ""
    problem: str = ""
    solution: str = ""
    rule: str = ""
    why: str = ""
    scope: dict[str, Any] = field(default_factory=dict)


def submit_learning(
    new: NewLearning, *, author: str, origin: LearningOrigin, now: datetime
) -> Learning:
    """Write down a proposal; the same one again, while it waits, is the one that waits."""
    solution = clip(new.solution or new.content, TEXT_LIMIT)
    title = plain_line(new.title or _first_line(solution or new.problem))[:TITLE_LIMIT]
    texts = (title, new.problem, solution, new.rule, new.why)
    with transaction.atomic():
        wait_for_turn()
        waiting = Learning.objects.filter(
            proposed_by=author,
            title=title,
            solution=solution,
            status=LearningStatus.PROPOSED.value,
        ).first()
        if waiting is not None:
            return waiting
        return Learning.objects.create(
            slug=free_slug(title),
            title=title or "Untitled",
            category=slug_of(new.category)[:CATEGORY_LIMIT],
            problem=clip(new.problem, TEXT_LIMIT),
            solution=solution,
            rule=plain_line(new.rule or solution)[:RULE_LIMIT],
            why=clip(new.why, TEXT_LIMIT),
            scope=new.scope,
            origin=origin.value,
            flags=sorted({flag for text in texts for flag in review_flags(text)}),
            agents=[author] if origin is LearningOrigin.AGENT else [],
            proposed_by=author,
            created_at=now,
            review_at=now + REVIEW_AFTER,
        )


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


def vote(pk: int, choice: Vote, *, voter: str, reason: str = "", now: datetime) -> Learning:
    """Note what `voter` thinks; of each voter the latest vote counts. Raises NotFoundError."""
    with transaction.atomic():
        queries.learning_by_id(pk)
        learning = Learning.objects.select_for_update().get(pk=pk)
        Feedback.objects.create(
            learning=learning,
            version=learning.version,
            voter=voter,
            vote=choice.value,
            reason=clip(reason, REASON_LIMIT),
            at=now,
        )
        latest = (
            Feedback.objects.filter(learning=learning).order_by("voter", "-id").distinct("voter")
        )
        votes = [feedback.vote for feedback in latest]
        learning.helpful_count = votes.count(Vote.HELPFUL.value)
        learning.harmful_count = votes.count(Vote.HARMFUL.value)
        learning.save(update_fields=["helpful_count", "harmful_count"])
    return learning
