"""Pushes: what a commit says that it closes is linked, and closes nothing by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents.models import Dispatch
from agents.policy import clip
from agents.services.records import audit
from recovery.policy import printable
from recovery.services.effects import Effect

COMMITS = 50
TICKETS = 20
LINKED = 5
"""Dispatches of one ticket that a commit is linked to, the newest first."""
_CLOSES = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)[:\s]+#?([A-Z][A-Z0-9]{1,9}-\d{1,9})\b",
    re.IGNORECASE,
)


def tickets_of(message: str) -> list[str]:
    """The tickets that a commit's message says it closes, such as AGT-123."""
    found = (match.upper() for match in _CLOSES.findall(message[:10_000]))
    return list(dict.fromkeys(found))[:TICKETS]


def apply_push(payload: Mapping[str, Any], *, now: datetime) -> Effect:
    """Put each commit that says it closes a ticket on the timelines of that ticket's dispatches."""
    commits = payload.get("commits")
    linked = 0
    for commit in commits[:COMMITS] if isinstance(commits, list) else []:
        if isinstance(commit, dict):
            linked += _link(commit, payload, now=now)
    if not linked:
        return Effect(note="No commit names a ticket of ours.", ignored=True)
    return Effect(note=f"Linked to {linked} dispatch{'es' if linked > 1 else ''}.")


def _link(commit: Mapping[str, Any], payload: Mapping[str, Any], *, now: datetime) -> int:
    message = commit.get("message")
    if not isinstance(message, str):
        return 0
    linked = 0
    for ticket in tickets_of(message):
        named = Dispatch.objects.filter(ticket_id__iexact=ticket).exclude(ticket_id="")
        rows = named.order_by("-id")[:LINKED]
        for dispatch in rows:
            audit(
                "push",
                dispatch,
                actor="GITHUB",
                reason=clip(printable(message.partition("\n")[0]), 200),
                data={
                    "commit": str(commit.get("id") or "")[:64],
                    "ref": str(payload.get("ref") or "")[:255],
                    "author": str((commit.get("author") or {}).get("name") or "")[:100]
                    if isinstance(commit.get("author"), dict)
                    else "",
                },
                now=now,
            )
            linked += 1
    return linked
