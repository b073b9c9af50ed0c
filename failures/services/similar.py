"""What failed like this before, and what helped: asked before work starts.

Exact ones first, then those of the same code or class, then those that share words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import Count, Q, QuerySet

from agents.models import Agent
from agents.policy import clip
from failures import queries
from failures.fingerprint import Grouping, grouping
from failures.masking import scrub
from failures.models import Failure, FailureGroup
from failures.naming import name_of
from failures.search import GROUP_WORDS, any_of
from failures.services.guidance import Shown, note_shown
from failures.similarity import Kind, closest
from failures.states import ErrorType, GuidanceVia, ResolutionOutcome
from failures.words import search_words

QUERY_LIMIT = 4_000
MOST = 20
MOST_WORDS = 24
MOST_READ = 1_000
"""So many groups that share a word are compared, the last seen first."""
RESOLUTIONS_SHOWN = 3
GUIDANCE_SHOWN = 2_000
RESOLUTION_SHOWN = 1_000


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who asks: what other agents wrote is for people and leads."""

    agent: Agent | None = None
    """None: a person."""
    reads_all: bool = False
    is_told: bool = True
    """Whether the agent itself reads the answer, not somebody who looks on."""


@dataclass(frozen=True, kw_only=True)
class Similar:
    """A group of failures like the one that was asked about."""

    group: FailureGroup
    """Its root, as `queries.groups` has it."""
    kind: Kind
    name: str
    """What it may be called in front of agents."""
    resolutions: list[Failure] = field(default_factory=list)
    """Failures with what fixed them, as far as the asker may read it; the newest first."""
    withheld: int = 0
    """How many more were fixed."""


def similar(
    text: str, *, asker: Asker, error_type: ErrorType | None = None, limit: int = 5, now: datetime
) -> list[Similar]:
    """Up to `limit` (≤ 20) groups of failures like `text`, of which secrets are masked first.

    What an agent is given as guidance is written down as shown.
    """
    asked = scrub(clip(text, QUERY_LIMIT))
    kinds = _kinds(asked, error_type, limit=max(1, min(limit, MOST)))
    roots = {group.pk: group for group in queries.groups().filter(pk__in=kinds)}
    held = queries.member_ids_of(roots)
    root_of = {member: root for root, members in held.items() for member in members}
    fixed, totals = _fixed(root_of, asker), _totals(root_of)
    found = [
        Similar(
            group=roots[pk],
            kind=kind,
            name=name_of(roots[pk]),
            resolutions=fixed.get(pk, []),
            withheld=totals[pk] - len(fixed.get(pk, [])),
        )
        for pk, kind in kinds.items()
        if pk in roots
    ]
    _note(found, asker, now=now)
    return found


def _kinds(text: str, error_type: ErrorType | None, *, limit: int) -> dict[int, Kind]:
    """Roots of groups like `text` and in which way they are like it, the closest first."""
    types = [error_type] if error_type else list(ErrorType)
    keys = [grouping(one.value, text) for one in types]
    of_type = FailureGroup.objects.all()
    if error_type:
        of_type = of_type.filter(Q(error_type=error_type) | Q(classified_type=error_type))
    found: dict[int, Kind] = {}
    for kind, roots in (
        (Kind.EXACT, _exact(of_type, keys)),
        (Kind.FAMILY, _family(of_type, keys, limit)),
        (Kind.WORDS, _by_words(of_type, text)),
    ):
        for pk in roots:
            if len(found) == limit:
                return found
            found.setdefault(pk, kind)
    return found


def _exact(groups: QuerySet[FailureGroup], keys: Sequence[Grouping]) -> Iterable[int]:
    return _roots(groups.filter(fingerprint__in=[key.fingerprint for key in keys]), MOST)


def _family(groups: QuerySet[FailureGroup], keys: Sequence[Grouping], limit: int) -> Iterable[int]:
    families = {key.family for key in keys if key.family}
    return _roots(groups.filter(family__in=families), limit + MOST) if families else []


def _roots(groups: QuerySet[FailureGroup], most: int) -> list[int]:
    newest = groups.annotate(held_for=queries.ROOT_OF_GROUP).order_by("-last_seen_at", "-id")
    return list(newest.values_list("held_for", flat=True)[:most])


def _by_words(groups: QuerySet[FailureGroup], text: str) -> list[int]:
    words = search_words([text], most=MOST_WORDS)
    if not words:
        return []
    found = groups.annotate(found_by=GROUP_WORDS).filter(found_by=any_of(words))
    newest = found.annotate(held_for=queries.ROOT_OF_GROUP).order_by("-last_seen_at", "-id")
    rows = newest.values_list("held_for", "template", "tool_code", "error_class")[:MOST_READ]
    return closest(words, [(root, " ".join(texts)) for root, *texts in rows])


# Newest first by index, of each group: some groups have more failures than anybody reads.
_NEWEST_FIXED = """
SELECT f.id FROM unnest(%(groups)s::bigint[]) AS g (id)
CROSS JOIN LATERAL (
    SELECT f.id FROM failures_failure f
    WHERE f.group_id = g.id AND f.outcome = 'fixed' AND f.resolution <> ''
      AND (%(agent)s::bigint IS NULL OR f.agent_id = %(agent)s::bigint)
    ORDER BY f.id DESC LIMIT %(each)s) AS f
"""


def _fixed(roots: Mapping[int, int], asker: Asker) -> dict[int, list[Failure]]:
    """The newest that were fixed, of each root, as far as the asker may read what fixed them."""
    if not roots or (asker.agent is None and not asker.reads_all):
        return {}
    params = {
        "groups": list(roots),
        "agent": asker.agent.pk if asker.agent and not asker.reads_all else None,
        "each": RESOLUTIONS_SHOWN,
    }
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST_FIXED, params)
        ids = [pk for (pk,) in cursor.fetchall()]
    fixed: dict[int, list[Failure]] = {}
    for failure in Failure.objects.filter(id__in=ids).select_related("agent").order_by("-id"):
        of_root = fixed.setdefault(roots[failure.group_id], [])
        if len(of_root) < RESOLUTIONS_SHOWN:
            of_root.append(failure)
    return fixed


def _totals(roots: Mapping[int, int]) -> Counter[int]:
    """How many were fixed, of each root."""
    found = Failure.objects.filter(group__in=roots, outcome=ResolutionOutcome.FIXED.value)
    counted = found.exclude(resolution="").order_by().values("group_id").annotate(n=Count("id"))
    totals: Counter[int] = Counter()
    for row in counted:
        totals[roots[row["group_id"]]] += row["n"]
    return totals


def _note(found: Sequence[Similar], asker: Asker, *, now: datetime) -> None:
    if asker.agent is None or not asker.is_told:
        return
    note_shown(
        [
            Shown(
                group_id=one.group.pk,
                text=one.group.known_fix,
                agent=asker.agent,
                via=GuidanceVia.SIMILAR,
            )
            for one in found
        ],
        now=now,
    )
