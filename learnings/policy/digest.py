"""The weekly words to #dev: what it hasn't heard, what came back, what ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from failures.flags import plain_line

MOST_LINES = 10
TITLE_SHOWN = 120


@dataclass(frozen=True, kw_only=True)
class Item:
    """A learning in the digest. Its title was approved, or is made of masked text alone."""

    learning_id: int
    title: str
    exposed: int = 0
    unexposed: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class News:
    """What happened since the last digest."""

    unannounced: Sequence[Item] = field(default_factory=tuple)
    recurred: Sequence[Item] = field(default_factory=tuple)
    regressed: Sequence[Item] = field(default_factory=tuple)
    retired: Sequence[Item] = field(default_factory=tuple)


def digest(week: str, news: News) -> str:
    """The digest of an ISO week; empty when there is nothing to say."""
    sections = [
        *_section("New", [_name(one) for one in news.unannounced]),
        *_section("Came back", [f"{_name(one)}: {_repeats(one)}" for one in news.recurred]),
        *_section("Resolved, and came back", [_name(one) for one in news.regressed]),
        *_section("Retired", [f"{_name(one)}. {plain_line(one.reason)}" for one in news.retired]),
    ]
    return "\n".join([f"Learnings, week {week}", *sections]) if sections else ""


def many(items: Sequence[Item]) -> str:
    """The post about learnings that are too many to have one each."""
    return "\n".join(_section(f"{len(items)} more new learnings", [_name(one) for one in items]))


def _section(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    more = len(lines) - MOST_LINES
    rest = [f"- and {more} more"] if more > 0 else []
    return [f"{title}:", *(f"- {line}" for line in lines[:MOST_LINES]), *rest]


def _name(item: Item) -> str:
    title = plain_line(item.title)
    return f"#{item.learning_id} {title[:TITLE_SHOWN]}"


def _repeats(item: Item) -> str:
    return f"{item.exposed} among agents that had been told, {item.unexposed} among others"
