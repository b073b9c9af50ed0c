"""Carrying groups over to a new version of the fingerprint, so that nothing known is lost.

Failures keep the fingerprint they came with, so a new version would put the next of them into
groups that nobody knows. Here each group of an older version is asked what the current version
calls its last failures, and those groups are held for the old one's root, by aliases that can be
taken back. Counts, links, guidance and learnings stay on the rows where they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from agents.models import AuditEntry
from agents.services import records
from failures import queries
from failures.fingerprint import FINGERPRINT_VERSION, Grouping, grouping
from failures.models import Failure, FailureGroup, GroupAlias
from failures.policy_groups import GroupConflictError
from failures.services.group_merges import merge
from failures.states import AliasKind

SAMPLES = 20
"""Of each group the last failures that are looked at."""
_REASON = "A new version of the fingerprint names the same failures."
_VERB, _SUBJECT = "rejoin", ("fingerprint", int(FINGERPRINT_VERSION.removeprefix("v")))


@dataclass(frozen=True)
class Batch:
    """What one batch came to."""

    leading: bool
    """Whether it was of the first pass, that of the names that half of a group's failures get."""
    looked_at: int
    """Groups of an older version."""
    joined: int
    """Groups that are held for another since."""
    last: int | None
    """Where the next batch goes on; None when there is none."""


def is_behind() -> bool:
    """Whether groups of an older version were not all carried over to the current one yet."""
    kind, number = _SUBJECT
    done = AuditEntry.objects.filter(subject_kind=kind, subject_id=number, verb=_VERB)
    return _older().exists() and not done.exists()


def rejoin_all(*, limit: int, actor: str, clock: Callable[[], datetime]) -> Iterator[Batch]:
    """Carry all groups over, `limit` at a time; who stops reading begins anew the next time.

    That it was done is noted at the end, for `is_behind`. `clock` is asked before each batch.
    """
    for leading in (True, False):
        after: int | None = 0
        while after is not None:
            batch = rejoin(after=after, limit=limit, leading=leading, actor=actor, now=clock())
            after = batch.last
            yield batch
    records.audit(_VERB, _SUBJECT, actor=actor, reason=_REASON, now=clock())


def rejoin(*, after: int, limit: int, leading: bool, actor: str, now: datetime) -> Batch:
    """Join what the current version makes of the next `limit` older groups to their roots.

    Goes by id, from above `after`; each group is a transaction of its own. Call it for all with
    `leading`, then for all without: a group has the first say of the name that half of its
    failures get, so that a stray one takes no name from the group that it belongs to. Two groups
    that lead to one name become one. What somebody parted by hand stays apart. Doing it again
    changes nothing.
    """
    groups = list(_older().filter(pk__gt=after).order_by("pk")[:limit])
    joined = sum(_rejoin(group, leading=leading, actor=actor, now=now) for group in groups)
    return Batch(leading, len(groups), joined, groups[-1].pk if len(groups) == limit else None)


def _older() -> QuerySet[FailureGroup]:
    versioned = FailureGroup.objects.filter(fingerprint__regex="^v[0-9]+:")
    return versioned.exclude(fingerprint__startswith=f"{FINGERPRINT_VERSION}:")


def _rejoin(group: FailureGroup, *, leading: bool, actor: str, now: datetime) -> int:
    with transaction.atomic():
        return sum(
            _join(_named(found, like=group), group, leading=leading, actor=actor, now=now)
            for found in _names(group, leading=leading)
        )


def _names(group: FailureGroup, *, leading: bool) -> list[Grouping]:
    """What the last failures of `group` are called now, the most frequent first."""
    last = Failure.objects.filter(fingerprint=group.fingerprint).order_by("-pk")[:SAMPLES]
    found = [grouping(kind, text) for kind, text in last.values_list("error_type", "message")]
    counts = Counter(one.fingerprint for one in found)
    by_name = {one.fingerprint: one for one in reversed(found)}
    return [by_name[name] for name, n in counts.most_common() if not leading or 2 * n >= len(found)]


def _named(found: Grouping, *, like: FailureGroup) -> FailureGroup:
    """The group of that name; when there is none yet, one without failures."""
    group, _ = FailureGroup.objects.get_or_create(
        fingerprint=found.fingerprint,
        defaults={
            "family": found.family,
            "error_type": like.error_type,
            "template": found.template,
            "tool_code": found.tool_code[:120],
            "error_class": found.error_class[:120],
            "classified_type": like.classified_type,
            "first_seen_at": like.first_seen_at,
            "last_seen_at": like.last_seen_at,
        },
    )
    return group


def _join(
    new: FailureGroup, old: FailureGroup, *, leading: bool, actor: str, now: datetime
) -> bool:
    root, held_for = queries.root_of(old), queries.root_of(new)
    if held_for == root or _parted(new):
        return False
    moved, into = (new, root) if held_for == new else (root, held_for)
    if moved == root and (not leading or _parted(root)):
        return False
    try:
        merge(
            [moved.pk], into=into.pk, kind=AliasKind.VERSION, reason=_REASON, actor=actor, now=now
        )
    except GroupConflictError:  # Somebody merged them meanwhile: the next run sees what stands.
        return False
    return True


def _parted(group: FailureGroup) -> bool:
    """Whether somebody took `group` out of a merge, which no later merge moved on."""
    ended = GroupAlias.objects.filter(group=group, undone_at__isnull=False)
    moved_on = GroupAlias.objects.filter(replaces__isnull=False).values("replaces")
    return ended.exclude(pk__in=moved_on).exists()
