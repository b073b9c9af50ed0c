"""New words for a learning: what a past fix would make it say, and what the team is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from failures.flags import plain_line
from learnings.policy.diagnosis import Found, checked
from learnings.policy.documents import Page, fence
from learnings.policy.drafts import RULE_LIMIT
from learnings.states import TOLD, Approval, LearningStatus

HELPED = "What helped: "
KNOWN = "A past fix is written down."


MANY_FAILURES = 3
MANY_SOURCES = 2


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """How many failures of how much work are behind a pattern."""

    failures: int
    """Of one agent on one piece of work they count once, or a flood would do."""
    dispatches: int
    tickets: int

    @property
    def suffices(self) -> bool:
        """Three failures, of two dispatches or two tickets."""
        sources = max(self.dispatches, self.tickets)
        return self.failures >= MANY_FAILURES and sources >= MANY_SOURCES


def evidence_of(seen: Iterable[tuple[int, int | None, str]]) -> Evidence:
    """What these failures come to: whose, of which dispatch, on which ticket ("" for none)."""
    rows = list(seen)
    return Evidence(
        failures=len({(agent, dispatch or ticket) for agent, dispatch, ticket in rows}),
        dispatches=len({dispatch for _, dispatch, _ in rows if dispatch}),
        tickets=len({ticket for _, _, ticket in rows if ticket}),
    )


def may_apply_unread(
    approval: Approval, *, status: LearningStatus, flags: Sequence[str], evidence: Evidence
) -> bool:
    """Whether words that an agent was asked for need no person: never where one reads all."""
    return approval is Approval.AUTO and status in TOLD and not flags and evidence.suffices


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
