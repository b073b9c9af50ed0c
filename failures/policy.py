"""Decisions about failures that need no database."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from typing import Any

from agents.policy import clip
from agents.states import AgentRole
from failures.states import IncidentKind

MESSAGE_LIMIT = 16_000
CONTEXT_TEXT_LIMIT = 4_000
CONTEXT_ITEMS = 50
CONTEXT_DEPTH = 4


def bounded_context(value: Any, *, depth: int = CONTEXT_DEPTH) -> Any:
    """`value` with long texts clipped, long lists cut and deep ones replaced by a note."""
    if isinstance(value, str):
        return clip(value, CONTEXT_TEXT_LIMIT)
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        return "[nested deeper than EVOX keeps]"
    if isinstance(value, list):
        kept = [bounded_context(item, depth=depth - 1) for item in value[:CONTEXT_ITEMS]]
        return _with_note(kept, len(value))
    pairs = list(value.items())[:CONTEXT_ITEMS]
    kept_pairs = {key[:200]: bounded_context(item, depth=depth - 1) for key, item in pairs}
    if len(value) > CONTEXT_ITEMS:
        kept_pairs["…"] = f"[{len(value) - CONTEXT_ITEMS} more]"
    return kept_pairs


def _with_note(kept: list[Any], total: int) -> list[Any]:
    return kept if total <= CONTEXT_ITEMS else [*kept, f"[{total - CONTEXT_ITEMS} more]"]


def ticket_of(context: dict[str, Any]) -> str:
    """The ticket that a failure's context names, or ""."""
    ticket = context.get("ticketId") or context.get("ticket") or ""
    return ticket[:64] if isinstance(ticket, str) else ""


def text_hash(text: str) -> str:
    """Names a guidance text without repeating it: SHA-256 of its UTF-8, in hex."""
    return sha256(text.encode()).hexdigest()


def group_title(template: str, *, tool_code: str = "", error_class: str = "") -> str:
    """What a group is called: its tool's code or exception class, then its masked words."""
    name = error_class or tool_code
    if not name or name in template:
        return template
    return f"{name}: {template}" if template else name


def may_read_words(name: str, role: AgentRole, *, author: str) -> bool:
    """Whether an agent may read a failure in its author's words: its own, and a lead all.

    What one agent wrote may have been written to make others act on it.
    """
    return name == author or role in {AgentRole.LEAD, AgentRole.CEO}


OWN_TO_RESOLVE = frozenset({IncidentKind.BLOCKED, IncidentKind.REPORTED})
"""Kinds that whoever they are about, or who reported them, may call over."""


def may_acknowledge(name: str, role: AgentRole, *, about: str, told: Collection[str]) -> bool:
    """Whether an agent may take an incident on: a lead, or who was told; never whom it is about.

    A stuck agent that acknowledged its own stall would keep everybody else from hearing of it.
    """
    if name == about:
        return False
    return role in {AgentRole.LEAD, AgentRole.CEO} or name in told


def may_resolve(
    name: str, role: AgentRole, *, kind: IncidentKind, about: str, reported_by: str
) -> bool:
    """Whether an agent may call an incident over: a lead, or its own author where that is fair."""
    if name in {about, reported_by} and kind in OWN_TO_RESOLVE:
        return True
    return role in {AgentRole.LEAD, AgentRole.CEO} and name != about
