"""Which learnings are about an agent and its work, the best first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.contrib.postgres.search import SearchRank
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from agents.models import Agent, Dispatch
from failures.models import Failure
from failures.queries import ROOT_OF_FAILURE
from failures.search import any_of
from failures.words import looks_like_path, paths_in, search_words
from learnings.models import Learning, LearningQuerySet
from learnings.policy.ranking import Candidate, Match, rank
from learnings.policy.scope import MOST_PATHS, Reader, scope_of
from learnings.states import LearningStatus

MOST_NEWEST = 1_000
"""So many of the newest are looked at, beside those that the words or the failures find."""
MOST_FOUND = 500
MOST_RANKED = 200
MOST_WORDS = 40
OWN_FAILURES = 500
WORK_FAILURES = 20
_FILE_KEYS = ("files", "paths", "file", "path")
_ROOT = Coalesce(F("group__merged_into"), F("group"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAILED = (
    "root",
    "group__family",
    "error_type",
    "group__template",
    "group__tool_code",
    "group__error_class",
    "context",
)


@dataclass(kw_only=True)
class _Past:
    """The last failures of a piece of work and of its ticket, whoever did it."""

    groups: set[int | str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    """Codes of tools and classes of errors."""
    templates: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


def matches_for(agent: Agent, work: Dispatch | None) -> list[Match]:
    """The learnings that `agent` may be told for `work`, ranked. At most six statements."""
    past = _past_of(work)
    reader = _reader(agent, work, past)
    words = [] if work is None else search_words(_texts(work, past, reader), most=MOST_WORDS)
    return rank(_candidates(reader, words), reader)


def _past_of(work: Dispatch | None) -> _Past:
    past = _Past()
    if work is None:
        return past
    newest = Failure.objects.annotate(root=ROOT_OF_FAILURE).order_by("-id").values_list(*_FAILED)
    _add(past, newest.filter(attempt__dispatch=work)[:WORK_FAILURES])
    if work.ticket_id:
        _add(past, newest.filter(ticket_id=work.ticket_id)[:WORK_FAILURES])
    return past


def _add(past: _Past, rows: Iterable[tuple[Any, ...]]) -> None:
    for group_id, family, error_type, template, tool_code, error_class, context in rows:
        past.groups |= {group_id, family}
        past.types.add(error_type)
        past.names |= {name.lower() for name in (tool_code, error_class) if name}
        past.templates += [tool_code, error_class, template]
        past.paths += _paths_of(context)


def _reader(agent: Agent, work: Dispatch | None, past: _Past) -> Reader:
    mine = Failure.objects.filter(agent=agent).annotate(root=ROOT_OF_FAILURE)
    newest = mine.order_by("-created_at").values_list("root", "group__family", "error_type")
    hit = list(newest[:OWN_FAILURES])
    own: set[int | str] = {group for group, _, _ in hit} | {family for _, family, _ in hit}
    return Reader(
        name=agent.name,
        groups=own,
        work_groups=past.groups,
        types={error_type for _, _, error_type in hit} | past.types,
        paths=_paths(work, past),
        tools=past.names if work is None else past.names | _tools(work),
    )


def _paths(work: Dispatch | None, past: _Past) -> list[str]:
    if work is None:
        return []
    named = paths_in(f"{work.title}\n{work.command}", most=MOST_PATHS)
    return list(dict.fromkeys([*_paths_of(work.payload), *named, *past.paths]))[:MOST_PATHS]


def _paths_of(payload: Any) -> list[str]:
    """The files that a payload or a failure's context names."""
    if not isinstance(payload, dict):
        return []
    found: list[str] = []
    for key in _FILE_KEYS:
        value = payload.get(key)
        texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        found += [one for one in texts[:MOST_PATHS] if isinstance(one, str) and _is_path(one)]
    return found


def _is_path(text: str) -> bool:
    return looks_like_path(text) or text.isidentifier()


def _tools(work: Dispatch) -> set[str]:
    spoken = f"{work.title} {work.command}"[:2_000].lower().split()
    return {*spoken, *search_words([work.command], most=100), *map(str.lower, work.required_skills)}


def _texts(work: Dispatch, past: _Past, reader: Reader) -> list[str]:
    return [*past.templates, work.title, work.command, work.ticket_id, *reader.paths]


def _candidates(reader: Reader, words: Sequence[str]) -> list[Candidate]:
    told = Learning.objects.told().annotate(root=_ROOT)
    ranks = _ranks(told, words)
    met = reader.groups | reader.work_groups
    ids = [one for one in met if isinstance(one, int)]
    families = [one for one in met if isinstance(one, str) and one]
    about = Q(group__in=ids) | Q(group__merged_into__in=ids) | Q(family__in=families)
    found = told.filter(Q(id__in=ranks) | about)
    rows = {
        row[0]: row
        for kept in (found.order_by("-id")[:MOST_FOUND], told.order_by("-id")[:MOST_NEWEST])
        for row in kept.values_list("id", "root", "family", "scope", "status", "published_at")
    }
    return [
        Candidate(
            learning_id=pk,
            group_id=group_id,
            family=family,
            scope=scope_of(scope),
            watched=status == LearningStatus.WATCH,
            words=ranks.get(pk, 0.0),
            published_at=published_at or _EPOCH,
        )
        for pk, group_id, family, scope, status, published_at in rows.values()
    ]


def _ranks(told: LearningQuerySet, words: Sequence[str]) -> dict[int, float]:
    """How well learnings answer `words`, of those that have one; the best 200."""
    if not words:
        return {}
    query = any_of(words)
    found = told.filter(words=query).annotate(rank=SearchRank(F("words"), query))
    ranked = found.order_by("-rank", "-id")
    return {pk: float(value) for pk, value in ranked.values_list("id", "rank")[:MOST_RANKED]}
