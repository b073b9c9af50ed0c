"""One writer of learnings at a time: they are few, and must not double."""

from __future__ import annotations

from django.db import connection

from learnings.models import Learning
from learnings.policy.drafts import slug_of

LOCK = 0x45564F04
"""Key of the advisory lock that whoever makes learnings holds until its transaction ends."""
SWITCH_LOCK = 0x45564F0B
"""Shared by whoever writes guidance, held alone by whoever turns the switch."""


def share_switch() -> None:
    """Let nobody turn the switch before this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [SWITCH_LOCK])


def hold_switch() -> None:
    """Be alone with the switch, after whoever writes guidance now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SWITCH_LOCK])


def wait_for_turn() -> None:
    """Be the only writer, after whoever is at it now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def take_turn() -> bool:
    """Be the only writer; False when somebody else is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        sole: bool = cursor.fetchone()[0]
    return sole


def free_slug(title: str) -> str:
    """A slug of `title` that no learning has; call it in one's turn."""
    base = slug_of(title)
    taken = set(Learning.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    if base not in taken:
        return base
    number = next(n for n in range(2, len(taken) + 3) if f"{base}-{n}" not in taken)
    return f"{base}-{number}"
