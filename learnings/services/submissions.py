"""What agents and people say themselves: learnings of their own, and votes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from agents.errors import EvoxError, NotFoundError
from agents.policy import clip
from failures.flags import plain_line, review_flags
from failures.masking import scrub, scrub_value
from learnings.models import Feedback, Learning
from learnings.policy.drafts import REVIEW_AFTER, RULE_LIMIT, TITLE_LIMIT, slug_of
from learnings.services.locks import free_slug, wait_for_turn
from learnings.states import LearningOrigin, LearningStatus, Vote

TEXT_LIMIT = 8_000
REASON_LIMIT = 2_000
CATEGORY_LIMIT = 40
MOST_VOTES = 20
"""So often may one voter change its mind about one learning."""


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
    """Write down a proposal without its secrets; the same one again is the one that waits."""
    flags = review_flags("\n".join(_said(new)))
    new = _scrubbed(new)
    solution = clip(new.solution or new.content, TEXT_LIMIT)
    title = plain_line(new.title or _first_line(solution or new.problem))[:TITLE_LIMIT]
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
            flags=sorted(flags),
            agents=[author] if origin is LearningOrigin.AGENT else [],
            proposed_by=author,
            created_at=now,
            review_at=now + REVIEW_AFTER,
        )


def _said(new: NewLearning) -> list[str]:
    """All that is said in it, its scope too: whoever approves it approves that."""
    scope = [str(name) for names in new.scope.values() for name in names]
    return [new.title, new.content, new.problem, new.solution, new.rule, new.why, *scope]


def _scrubbed(new: NewLearning) -> NewLearning:
    return NewLearning(**{name: scrub_value(said) for name, said in asdict(new).items()})


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


class TooManyVotesError(EvoxError):
    """Somebody changed their mind too often. HTTP 409."""

    code = "too_many_votes"
    status = 409


def vote(pk: int, choice: Vote, *, voter: str, reason: str = "", now: datetime) -> Learning:
    """Note what `voter` thinks; of each voter the latest vote counts, and the same again is none.

    Anybody may judge: posts in #dev and documents reach agents unrecorded, and nobody has more
    than one voice. Raises NotFoundError, TooManyVotesError.
    """
    with transaction.atomic():
        learning = Learning.objects.select_for_update(of=("self",)).filter(pk=pk).first()
        if learning is None:
            raise NotFoundError(f"There is no learning {pk}.")
        _add_vote(learning, choice, voter, reason, now)
        _count_votes(learning)
    return learning


def _add_vote(learning: Learning, choice: Vote, voter: str, reason: str, now: datetime) -> None:
    said = scrub(clip(reason, REASON_LIMIT))
    mine = Feedback.objects.filter(learning=learning, voter=voter)
    latest = mine.order_by("-id").first()
    same = (choice.value, learning.version, said)
    if latest is not None and (latest.vote, latest.version, latest.reason) == same:
        return
    if mine.count() >= MOST_VOTES:
        raise TooManyVotesError(f"{voter} voted {MOST_VOTES} times on this learning; that is all.")
    Feedback.objects.create(
        learning=learning,
        version=learning.version,
        voter=voter,
        vote=choice.value,
        reason=said,
        at=now,
    )


def _count_votes(learning: Learning) -> None:
    latest = Feedback.objects.filter(learning=learning).order_by("voter", "-id").distinct("voter")
    votes = Counter(latest.values_list("vote", flat=True))
    learning.helpful_count = votes[Vote.HELPFUL.value]
    learning.harmful_count = votes[Vote.HARMFUL.value]
    learning.irrelevant_count = votes[Vote.IRRELEVANT.value]
    learning.save(update_fields=["helpful_count", "harmful_count", "irrelevant_count"])
