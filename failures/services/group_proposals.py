"""Groups that are probably one: proposed to the lead, and accepted by a click."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from failures.merging import Mergeable, propose_merges
from failures.models import FailureGroup, GroupAlias

WINDOW = timedelta(days=7)
MOST_GROUPS = 20_000
"""Of a week the groups that were seen last: they take about a second to compare."""
MOST_PROPOSALS = 50


@dataclass(frozen=True)
class Proposal:
    """Roots whose titles differ in one word only."""

    title: str
    words: tuple[str, ...]
    """What stands in the place where they differ."""
    into: FailureGroup
    """The root that would stand for all: of most failures, the oldest of equals."""
    others: list[FailureGroup]


def proposals(now: datetime) -> list[Proposal]:
    """Merges that the groups of the last seven days suggest, those of most different words first.

    A group that somebody took out of a merge isn't proposed again: that takes a person.
    """
    rows = _recent(now)
    by_print = {row.fingerprint: row for row in rows}
    merges = propose_merges(
        Mergeable(row.fingerprint, row.error_type, row.tool_code, row.error_class, row.template)
        for row in rows
    )
    found = []
    for merge in merges:
        roots = {by_print[one].root.pk: by_print[one].root for one in merge.fingerprints}
        if len(roots) > 1:
            into, *others = sorted(roots.values(), key=lambda row: (-row.count, row.pk))
            found.append(Proposal(merge.title, merge.words, into, others))
    return found[:MOST_PROPOSALS]


def _recent(now: datetime) -> list[FailureGroup]:
    moved_on = GroupAlias.objects.filter(replaces=OuterRef("pk"))
    parted = GroupAlias.objects.filter(group=OuterRef("pk"), undone_at__isnull=False)
    recent = FailureGroup.objects.filter(last_seen_at__gt=now - WINDOW, last_seen_at__lte=now)
    asked = recent.exclude(Exists(parted.exclude(Exists(moved_on)))).select_related("merged_into")
    return list(asked.order_by("-last_seen_at", "-id")[:MOST_GROUPS])
