"""Holding groups for one, and taking that back. No failure and no fingerprint is ever rewritten."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import QuerySet

from agents.errors import InvalidInputError
from agents.services.records import audit
from failures import policy_groups as policy
from failures import queries
from failures.models import FailureGroup, GroupAlias
from failures.services.group_locks import hold_each, roots_in_turn
from failures.states import AliasKind


def merge(
    groups: Collection[int],
    *,
    into: int,
    kind: AliasKind = AliasKind.HAND,
    reason: str = "",
    actor: str,
    now: datetime,
) -> FailureGroup:
    """Hold `groups` for the root `into`, by their ids; members of theirs move along.

    Returns the root. Raises InvalidInputError for none or more than 200, NotFoundError, and
    GroupConflictError when one of them is no root, or is `into` itself.
    """
    _check_number(groups, field="groups")
    with transaction.atomic():
        moved = policy.moved_by_merge(groups, into, roots_in_turn({*groups, into}))
        old = {alias.group_id: alias for alias in _standing().filter(group__in=moved)}
        _end(old.values(), actor=actor, now=now)
        number = uuid4()
        GroupAlias.objects.bulk_create(
            GroupAlias(
                merge=number,
                group_id=pk,
                root_id=into,
                kind=kind.value,
                by=actor[:64],
                at=now,
                reason=reason,
                replaces=old.get(pk),
            )
            for pk in moved
        )
        hold_each(dict.fromkeys(moved, into))
        data = {"merge": str(number), "groups": sorted(groups), "moved": moved}
        _audit("merge", into, actor=actor, reason=reason, data=data, now=now)
    return queries.group_by_id(into)


def split(
    root: int, *, members: Collection[int], reason: str = "", actor: str, now: datetime
) -> FailureGroup:
    """Let `members` of `root` stand for themselves again; returns the root.

    Raises InvalidInputError for none or more than 200, NotFoundError, and GroupConflictError when
    one of them is no member of it.
    """
    _check_number(members, field="groups")
    with transaction.atomic():
        policy.check_split(members, root, roots_in_turn({*members, root}))
        _end(_standing().filter(group__in=members), actor=actor, now=now)
        hold_each(dict.fromkeys(members))
        data = {"groups": sorted(members)}
        _audit("split", root, actor=actor, reason=reason, data=data, now=now)
    return queries.group_by_id(root)


def undo(
    root: int, *, number: UUID | None = None, reason: str = "", actor: str, now: datetime
) -> FailureGroup:
    """Take back a merge into `root`: that of this number, else its last one that stands.

    All that it moved is where it was before, but for what was split off meanwhile. Returns the
    group that was the root. Raises NotFoundError, and GroupConflictError when there is no such
    merge, a later one moved its groups on, or an older root of theirs is held for another by now.
    """
    with transaction.atomic():
        roots = roots_in_turn({root})
        merges = _standing().filter(root=root)
        found = (merges.filter(merge=number) if number else merges).order_by("-id").first()
        if found is None:
            raise policy.GroupConflictError(f"No such merge into group {root} stands any more.")
        ended = list(merges.filter(merge=found.merge).select_related("replaces"))
        older = [alias.replaces for alias in ended if alias.replaces is not None]
        before: dict[int, int | None] = dict.fromkeys(alias.group_id for alias in ended)
        before |= {alias.group_id: alias.root_id for alias in older}
        policy.check_undo(before, roots | roots_in_turn({alias.root_id for alias in older}))
        _end(ended, actor=actor, now=now)
        GroupAlias.objects.filter(pk__in=[alias.pk for alias in older]).update(
            undone_at=None, undone_by=""
        )
        hold_each(before)
        data = {"merge": str(found.merge), "groups": sorted(before)}
        _audit("undo_merge", root, actor=actor, reason=reason, data=data, now=now)
    return queries.group_by_id(root)


def _standing() -> QuerySet[GroupAlias]:
    return GroupAlias.objects.filter(undone_at__isnull=True)


def _end(aliases: Iterable[GroupAlias], *, actor: str, now: datetime) -> None:
    pks = [alias.pk for alias in aliases]
    GroupAlias.objects.filter(pk__in=pks).update(undone_at=now, undone_by=actor[:64])


def _check_number(groups: Collection[int], *, field: str) -> None:
    if not 1 <= len(set(groups)) <= policy.MOST_AT_ONCE:
        raise InvalidInputError(field, f"Name 1 to {policy.MOST_AT_ONCE} groups.")


def _audit(
    verb: str, pk: int, *, actor: str, reason: str, data: Mapping[str, object], now: datetime
) -> None:
    said = dict(data)
    audit(verb, ("failure_group", pk), actor=actor, reason=reason, data=said, now=now)
