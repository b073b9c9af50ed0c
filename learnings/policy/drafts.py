"""What EVOX itself writes about a pattern: a template, so that it needs no model and no trust."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from failures.flags import SHORTENED, UNSTATED, template_flags
from failures.naming import public_name
from failures.states import ErrorType
from failures.stating import is_shortened

WINDOW = timedelta(days=7)
REVIEW_AFTER = timedelta(days=90)
WEEKLY_HOUR = timedelta(hours=6)
RULE_LIMIT = 280
TITLE_LIMIT = 200
EVIDENCE_LIMIT = 20
NO_SOLUTION = (
    "None is known yet. Whoever gets past it: note what helped as the failure's resolution."
)
WAITING_SOLUTION = "A past resolution is known; it waits for approval."

_KINDS = {
    ErrorType.BUILD: "Build failure",
    ErrorType.TEST: "Test failure",
    ErrorType.API: "API failure",
    ErrorType.TIMEOUT: "Timeout",
    ErrorType.OTHER: "Failure",
}
# What a tool's diagnostics look like; the first match names the tool.
_TOOLS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"TS\d{4,5}$"), "typescript"),
    (re.compile(r"E\d{4}$"), "rust"),
    (re.compile(r"clippy::"), "rust"),
    (re.compile(r"CS\d{4}$"), "csharp"),
    (re.compile(r"(?:E|F|W|B|S|N|C|D|PL[CEWR]|RUF|UP|SIM|ANN|TRY)\d{3,4}$"), "python"),
    (re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+$"), "lint"),
)
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a pattern."""

    error_type: ErrorType
    template: str
    """Empty for a family, which has many."""
    tool_code: str = ""
    error_class: str = ""
    fix_known: bool = False
    """Whether somebody noted what helped: free text, of which a draft says only that it exists."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A learning before it is a row."""

    title: str
    category: str
    problem: str
    solution: str
    rule: str
    why: str
    template_only: bool
    """Whether every word is EVOX's own or the masked template's."""
    flags: list[str] = field(default_factory=list)


def draft(facts: Facts) -> Draft:
    """The learning that `facts` make; without a template, that of a family of groups."""
    kind, name = _KINDS[facts.error_type], safe_name(facts)
    told = (
        "A past fix is written down."
        if facts.fix_known
        else "No fix is known yet: note what helps."
    )
    shared = "with this text" if facts.template else "of this kind, in different words,"
    return Draft(
        title=_cut(
            f"{kind}: {name}" if name else f"{kind} (its text is under review)", TITLE_LIMIT
        ),
        category=category(facts.error_type, facts.tool_code),
        problem=f"{kind}s {shared} keep coming back: {name or 'under review'}",
        solution=WAITING_SOLUTION if facts.fix_known else NO_SOLUTION,
        rule=_rule(kind, name or "its text is under review", told),
        why="It came back to the team again and again within a week.",
        template_only=True,
        flags=_flags(facts),
    )


def _flags(facts: Facts) -> list[str]:
    """What speaks against telling it unread, or that words were left out."""
    flags = template_flags(facts.template)
    if flags == [UNSTATED] and safe_name(facts):
        return [SHORTENED]
    return flags or ([SHORTENED] if is_shortened(facts.template) else [])


def safe_name(facts: Facts) -> str:
    """What a pattern may be called in front of agents: without its words when they are flagged."""
    return public_name(facts.template, tool_code=facts.tool_code, error_class=facts.error_class)


def pattern_name(facts: Facts) -> str:
    """The same, or the kind of failure when nothing else is left."""
    return safe_name(facts) or _KINDS[facts.error_type]


def _rule(kind: str, name: str, told: str) -> str:
    room = RULE_LIMIT - len(kind) - len(told) - len("Known : “”. ")
    return f"Known {kind[0].lower()}{kind[1:]}: “{_cut(name.rstrip('.'), room)}”. {told}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def category(error_type: ErrorType, tool_code: str) -> str:
    """The error type, and the tool where its code tells which: `build`, `build/typescript`."""
    for pattern, tool in _TOOLS:
        if pattern.match(tool_code):
            return f"{error_type.value}/{tool}"
    return error_type.value


def is_pattern(count: int, *, threshold: int) -> bool:
    """Whether `count` failures of one group within `WINDOW` are one."""
    return count >= threshold


def iso_week(now: datetime) -> str:
    """The ISO week of `now`, such as 2026-W47."""
    year, week, _ = now.isocalendar()
    return f"{year}-W{week:02d}"


def weekly_due(now: datetime, *, last_week: str) -> bool:
    """Whether this ISO week's run is due (from Monday 06:00 UTC) and hasn't been made."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - timedelta(days=now.weekday())
    return now >= monday + WEEKLY_HOUR and last_week != iso_week(now)


def slug_of(title: str) -> str:
    """A file name made of `title`: lower-case letters, digits and dashes, at most 60."""
    return _NOT_SLUG.sub("-", title.lower()).strip("-")[:60].strip("-") or "learning"
