"""One writer of learnings at a time: they are few, and must not double."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from django.db import connection

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
    return free_slugs([title])[0]


def free_slugs(titles: Sequence[str]) -> list[str]:
    """Slugs of `titles`, no two the same and none that a learning has; call it in one's turn."""
    bases = [slug_of(title) for title in titles]
    taken = _taken(set(bases))
    numbers: Counter[str] = Counter()
    found = []
    for base in bases:
        slug = base
        while slug in taken:
            numbers[base] += 1
            slug = f"{base}-{numbers[base] + 1}"
        taken.add(slug)
        found.append(slug)
    return found


# In the order of bytes, a base and what begins with it and a dash come before the base and a dot.
_TAKEN = """
SELECT l.slug FROM unnest(%s::text[]) AS b (base)
JOIN learnings_learning l ON l.slug ~>=~ b.base AND l.slug ~<~ (b.base || '.')
"""


def _taken(bases: Collection[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKEN, [sorted(bases)])
        return {slug for (slug,) in cursor.fetchall()}
