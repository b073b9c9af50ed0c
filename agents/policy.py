"""Decisions about agents and work that need no database."""

from __future__ import annotations

from datetime import datetime, timedelta

from agents.states import Priority

# A static rank ages by itself: low work that has waited a day stands beside fresh urgent work.
RANK_STEP: dict[Priority, timedelta] = {
    Priority.URGENT: timedelta(0),
    Priority.HIGH: timedelta(hours=1),
    Priority.NORMAL: timedelta(hours=8),
    Priority.LOW: timedelta(hours=24),
}


def rank_at(priority: Priority, *, created_at: datetime) -> datetime:
    """The instant that orders the queue: earlier goes first."""
    return created_at + RANK_STEP[priority]


def is_online(
    last_seen_at: datetime | None, *, interval: timedelta, grace: timedelta, now: datetime
) -> bool:
    """Whether the last sign of life still proves life: it does for interval + grace."""
    return last_seen_at is not None and now < last_seen_at + interval + grace


def clip(text: str, limit: int) -> str:
    """`text` within `limit` characters: head and tail stay, a note says how much was cut.

    A failure report must not be lost for being long; its tail usually names the error.
    """
    if len(text) <= limit:
        return text
    room = max(limit - 60, 2)
    head, tail = room // 3, room - room // 3
    return f"{text[:head]}\n… [{len(text) - head - tail:,} characters cut] …\n{text[-tail:]}"
