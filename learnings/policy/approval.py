"""Whether a learning, or new words for one, may be told before a person has read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from failures.flags import SHORTENED
from learnings.states import Approval

POLICY = "EVOX"
"""As whom EVOX itself approves and retires."""
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


NO_EVIDENCE = Evidence(failures=0, dispatches=0, tickets=0)


def evidence_of(seen: Iterable[tuple[int, int | None, str]]) -> Evidence:
    """What these failures come to: whose, of which dispatch, on which ticket ("" for none)."""
    rows = list(seen)
    return Evidence(
        failures=len({(agent, dispatch or ticket) for agent, dispatch, ticket in rows}),
        dispatches=len({dispatch for _, dispatch, _ in rows if dispatch}),
        tickets=len({ticket for _, _, ticket in rows if ticket}),
    )


@dataclass(frozen=True, kw_only=True)
class Case:
    """What speaks for and against the words."""

    template_only: bool
    """None of them was written by an agent or a person."""
    flags: Sequence[str] = ()
    author: str = ""
    evidence: Evidence = NO_EVIDENCE


def lets_through(case: Case, *, approval: Approval, approver: str = POLICY) -> bool:
    """Whether `approver`, who reads nothing, may let them be told.

    EVOX's own words about a masked template may, as soon as there is a pattern; somebody's words
    only with evidence enough.
    """
    flags = [flag for flag in case.flags if flag != SHORTENED]
    if approval is not Approval.AUTO or flags or case.author == approver:
        return False
    return case.template_only or case.evidence.suffices
