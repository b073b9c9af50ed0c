"""What a group may be called in front of agents other than those that it happened to."""

from __future__ import annotations

import re
from typing import Protocol

from failures.flags import plain_line, review_flags, template_flags
from failures.policy import group_title
from failures.stating import stated


class Named(Protocol):
    """A group, as far as its name goes."""

    template: str
    tool_code: str
    error_class: str
    error_type: str


_NAME = re.compile(r"[A-Za-z0-9_.:@/\-\[\]]{1,60}")


def public_name(template: str, *, tool_code: str = "", error_class: str = "") -> str:
    """Its code or class and the masked words that state the failure. May be empty.

    Without the words when they are flagged.
    """
    if not template_flags(template) and (words := stated(template)):
        return plain_line(group_title(words, tool_code=tool_code, error_class=error_class))
    parts = [part for part in (tool_code, error_class) if _NAME.fullmatch(part)]
    return " ".join(part for part in parts if not review_flags(part))


def name_of(group: Named) -> str:
    """What `group` is called in front of any agent; never empty."""
    name = public_name(group.template, tool_code=group.tool_code, error_class=group.error_class)
    return name or f"A failure of type {group.error_type}; its text is under review"
