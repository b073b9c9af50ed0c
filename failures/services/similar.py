"""What failed like this before, and what helped: asked before work starts.

Exact ones first, then those of the same code or class, then those that share words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from agents.models import Agent
from agents.policy import clip
from failures import queries
from failures.fingerprint import Grouping, grouping
from failures.masking import scrub
from failures.models import Failure, FailureGroup
from failures.naming import public_name
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
    fixed = _fixed(roots, asker)
    totals = _totals(roots)
    found = [
        Similar(
            group=roots[pk],
            kind=kind,
            name=_name(roots[pk]),
            resolutions=fixed.get(pk, []),
            withheld=totals.get(pk, 0) - len(fixed.get(pk, [])),
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


def _fixed(roots: Iterable[int], asker: Asker) -> dict[int, list[Failure]]:
    """The newest that were fixed, of each root, as far as the asker may read what fixed them."""
    found = _all_fixed(roots)
    if not asker.reads_all:
        if asker.agent is None:
            return {}
        found = found.filter(agent=asker.agent)
    numbered = found.annotate(
        number=Window(RowNumber(), partition_by=[F("root_pk")], order_by=[F("id").desc()])
    )
    newest = numbered.filter(number__lte=RESOLUTIONS_SHOWN).select_related("agent").order_by("-id")
    fixed: dict[int, list[Failure]] = {}
    for failure in newest:
        fixed.setdefault(failure.root_pk, []).append(failure)
    return fixed


def _totals(roots: Iterable[int]) -> dict[int, int]:
    found: Any = _all_fixed(roots).order_by()
    return dict(found.values("root_pk").annotate(n=Count("id")).values_list("root_pk", "n"))


def _all_fixed(roots: Iterable[int]) -> QuerySet[Failure]:
    wanted = list(roots)
    held = Q(group__in=wanted) | Q(group__merged_into__in=wanted)
    fixed = Failure.objects.filter(held, outcome=ResolutionOutcome.FIXED.value)
    root: dict[str, Any] = {"root_pk": queries.ROOT_OF_FAILURE}
    return fixed.exclude(resolution="").annotate(**root)


def _name(group: FailureGroup) -> str:
    name = public_name(group.template, tool_code=group.tool_code, error_class=group.error_class)
    return name or f"A failure of type {group.error_type}; its text is under review"


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
