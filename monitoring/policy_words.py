"""What EVOX says about an incident: people, verbs, and what to do next. No Django here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from failures.kinds import CEO, LEAD, PEER
from failures.states import IncidentKind
from recovery.policy import spoken


@dataclass(frozen=True, kw_only=True)
class About:
    """An incident, as far as its messages speak of it."""

    number: str
    kind: IncidentKind
    title: str
    agent: str = ""
    work: str = ""
    """Such as `#12 Fix the login (AGT-310)`."""
    elapsed: timedelta
    """Since its clock runs; for work that stands still, since its last progress."""


def headline(about: About, level: int) -> str:
    """Such as `[L3] INC-42 SAM stuck 1 h 2 min on #12 Fix the login (AGT-310)`."""
    for_how_long = spoken(about.elapsed)
    if about.kind is IncidentKind.STALLED:
        state = "stuck" if level >= LEAD else "without progress"
        what = f"{about.agent} {state} {for_how_long} on {about.work}"
    elif about.kind is IncidentKind.SILENT:
        what = f"{about.agent} silent for {for_how_long}"
    else:
        what = f"{about.title}, for {for_how_long}"
    return f"[L{level}] {about.number} {what}"


def told(about: About, level: int, *, instead_of_peer: bool = False) -> str:
    """The message of a level."""
    if instead_of_peer:
        advice = "No peer who could help is at work, so you hear of it at once."
    elif level == PEER:
        advice = f"Please ask {about.agent} whether you can help, or tell the lead what is missing."
    elif level == LEAD:
        advice = "Look at what it last did; then unblock it, or give the work to somebody else."
    else:
        advice = "The lead was told and nothing moved. Acknowledge it, or ask the lead."
    return f"{headline(about, level)}\n{advice}"


def reminded(about: About, level: int, *, number: int, rest_ended: str = "") -> str:
    """The message that says it again; `rest_ended` says which rest is over."""
    why = rest_ended or f"Still open, and nobody has acknowledged it (reminder {number})."
    return f"{headline(about, level)}\n{why}"


def work_of(pk: int | None, title: str, ticket_id: str) -> str:
    """How a piece of work is called."""
    if pk is None:
        return "its work"
    return f"#{pk} {title}" + (f" ({ticket_id})" if ticket_id else "")


def stuck_title(agent: str, work: str) -> str:
    """What an incident is called from the second level on."""
    return f"{agent} is stuck on {work}"


LEVEL_WORDS = {PEER: "a peer", LEAD: "the lead", CEO: "the CEO channel"}
