"""Who may let a learning be told that nobody has read, as a table."""

from __future__ import annotations

import pytest

from learnings.policy.approval import POLICY, Case, evidence_of, lets_through
from learnings.states import Approval

AUTO, REVIEW = Approval.AUTO, Approval.REVIEW
SAM, LEO = 1, 2
THREE_OVER_TWO = [(SAM, 7, ""), (LEO, 7, ""), (SAM, 8, "")]
THREE_TICKETS = [(SAM, None, "A-1"), (LEO, None, "A-1"), (SAM, None, "A-2")]
ONE_DISPATCH = [(SAM, 7, ""), (LEO, 7, ""), (3, 7, "")]
FLOOD = [(SAM, 7, "")] * 50 + [(SAM, 8, "")] * 50
NAMELESS = [(SAM, None, ""), (LEO, None, ""), (3, None, "")]


@pytest.mark.parametrize(
    ("approval", "template_only", "flags", "author", "seen", "yes"),
    [
        (AUTO, True, [], "SYSTEM", [], True),
        (AUTO, True, ["url"], "SYSTEM", THREE_OVER_TWO, False),
        (AUTO, True, [], POLICY, THREE_OVER_TWO, False),
        (REVIEW, True, [], "SYSTEM", THREE_OVER_TWO, False),
        (AUTO, False, [], "MAX", THREE_OVER_TWO, True),
        (AUTO, False, [], "MAX", THREE_TICKETS, True),
        (AUTO, False, [], "MAX", [], False),
        (AUTO, False, [], "MAX", THREE_OVER_TWO[:2], False),
        (AUTO, False, [], "MAX", ONE_DISPATCH, False),
        (AUTO, False, [], "MAX", FLOOD, False),
        (AUTO, False, [], "MAX", NAMELESS, False),
        (AUTO, False, ["shell"], "MAX", THREE_OVER_TWO, False),
        (AUTO, False, [], POLICY, THREE_OVER_TWO, False),
        (REVIEW, False, [], "MAX", THREE_OVER_TWO, False),
    ],
)
def test_what_nobody_has_read_is_told_only_with_evidence_and_without_flags(
    approval, template_only, flags, author, seen, yes
):
    case = Case(template_only=template_only, flags=flags, author=author, evidence=evidence_of(seen))

    assert lets_through(case, approval=approval) is yes
