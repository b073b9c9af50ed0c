"""Who changes which groups are held for one: one at a time, beside failures coming in."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db import connection
from django.db.models import Q

from agents.errors import NotFoundError
from failures.models import FailureGroup

LOCK = 0x45564F07
"""Key of the advisory lock of whoever merges; the trigger failuregroup_no_chain takes it, too."""


def roots_in_turn(pks: Collection[int]) -> dict[int, int | None]:
    """The root, if any, of each of these groups and of all that have one of them as their root.

    Nobody else changes any root until the transaction ends. Raises NotFoundError.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    found = FailureGroup.objects.filter(Q(pk__in=pks) | Q(merged_into__in=pks))
    roots = dict(found.order_by().values_list("id", "merged_into"))
    for pk in sorted(pks):
        if pk not in roots:
            raise NotFoundError(f"There is no failure group {pk}.")
    return roots


def hold_each(roots: Mapping[int, int | None]) -> None:
    """Write down the root, if any, of each of these groups; call it once a turn.

    The rows are locked in the order of their fingerprints, as the log locks them, so that neither
    waits for the other while it holds what the other wants.
    """
    rows = FailureGroup.objects.filter(pk__in=roots).order_by("fingerprint")
    # No key changes: who only refers to a group goes on.
    list(rows.select_for_update(no_key=True).values_list("pk", flat=True))
    for root in sorted(set(roots.values()), key=lambda one: one or 0):
        groups = [pk for pk, other in roots.items() if other == root]
        FailureGroup.objects.filter(pk__in=groups).update(merged_into=root)
