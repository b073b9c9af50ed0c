"""New words for a learning: what a past fix would make it say, and what the team is told."""

from __future__ import annotations

from collections.abc import Sequence

from failures.flags import plain_line
from learnings.policy.approval import Case, Evidence, evidence_of, lets_through
from learnings.policy.diagnosis import Found, checked
from learnings.policy.documents import Page, fence
from learnings.policy.drafts import RULE_LIMIT
from learnings.states import TOLD, Approval, LearningStatus

__all__ = ["Evidence", "evidence_of", "may_apply_unread", "update_post", "words_of_resolution"]

HELPED = "What helped: "
KNOWN = "A past fix is written down."


def may_apply_unread(
    approval: Approval, *, status: LearningStatus, flags: Sequence[str], evidence: Evidence
) -> bool:
    """Whether words that an agent was asked for need no person: never where one reads all."""
    case = Case(template_only=False, flags=flags, evidence=evidence)
    return status in TOLD and lets_through(case, approval=approval)


def words_of_resolution(text: str, *, title: str, why: str) -> Found:
    """A learning whose solution is `text`, which an agent noted as what had helped it.

    Its rule says so in one line where that fits into half of it, else that a fix is written down.
    """
    line = f"{HELPED}{plain_line(text)}"
    told = line if len(line) <= RULE_LIMIT // 2 else KNOWN
    return checked(rule=_named(title, told), why=why, solution=text)


def _named(title: str, told: str) -> str:
    room = RULE_LIMIT - len(told) - len(". ")
    name = plain_line(title)
    return f"{name if len(name) <= room else name[: room - 1].rstrip() + '…'}. {told}"


def update_post(page: Page) -> str:
    """What #dev is told of a learning whose words changed."""
    return (
        f"Learning updated: {plain_line(page.title)} (version {page.version})\n"
        f"Rule:\n{fence(page.rule)}\n"
        f"Solution:\n{fence(page.solution)}"
    )
