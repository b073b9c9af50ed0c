"""Rows that the page has by the hundred: the template engine took a third of making a page.

All text is escaped here, as templates do by themselves.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from html import escape

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from monitoring.marks import Mark
from monitoring.page_agents import AgentRow
from monitoring.page_times import instant, until

WORK_SHOWN = 2
NOTHING = '<span class="none">–</span>'
_URLS_KEPT = 1_000


def shaped(mark: Mark) -> SafeString:
    """A state: its shape, its word, its colour."""
    return _safe(
        f'<span class="mark {escape(mark.tone)}"><span aria-hidden="true">{escape(mark.shape)}'
        f"</span> {escape(mark.word)}</span>"
    )


def agent_row(row: AgentRow, now: datetime) -> SafeString:
    """A line of the table of agents."""
    agent, done, share = row.agent, row.done, row.availability
    name, percent = escape(agent.name), share.percent
    judged = f"{percent} <small>of {share.judged}</small>" if percent else "–"
    finished = f"<small> of {done.finished}</small>" if done.finished else ""
    return _safe(
        f'<tr><th scope="row"><a href="{_url("agent", agent.name)}">{name}</a> '
        f'<small>{escape(agent.role)}</small></th><td data-label="State">{_state(row, now)}</td>'
        f'<td data-label="Now">{_work(row)}</td>'
        f'<td data-label="24 h" class="day">{_strip(row)}</td>'
        f'<td data-label="Availability" class="num{"" if percent else " none"}">{judged}</td>'
        f'<td data-label="Errors" class="num{"" if done.failed else " none"}">{done.failed}'
        f'{finished}</td><td data-label="Seen">{instant(agent.last_seen_at)}</td></tr>\n'
    )


def strip_row(row: AgentRow) -> SafeString:
    """A line of the strips as a table."""
    spans = row.strip.spans if row.strip else ()
    cells = "".join(
        f'<td class="num{" none" if span == "0 min" else ""}">{span}</td>' for _, span in spans
    )
    return _safe(f'<tr><th scope="row">{escape(row.agent.name)}</th>{cells}</tr>')


def _state(row: AgentRow, now: datetime) -> str:
    title, more = "", ""
    if row.pause is not None:
        title = f' title="{_short(row.pause.reason, 240)}"'
        more = f" by {escape(row.pause.started_by)} until {until(row.pause.until, now)}"
    elif row.since is not None:
        more = f" {instant(row.since, 'for')}"
    return f"<span{title}>{shaped(row.mark)}{more}</span>"


def _work(row: AgentRow) -> str:
    links = ", ".join(
        f'<a href="{_url("dispatch", work.pk)}">#{work.pk} {_short(work.title, 60)}</a>'
        for work in row.work[:WORK_SHOWN]
    )
    more = len(row.work) - WORK_SHOWN
    return (links or NOTHING) + (f" <small>and {more} more</small>" if more > 0 else "")


def _strip(row: AgentRow) -> str:
    if row.strip is None:
        return ""
    bars = "".join(f'<path class="{bar.kind}" d="{bar.path}"/>' for bar in row.strip.bars)
    return (
        '<svg class="strip" viewBox="0 0 720 20" preserveAspectRatio="none" role="img"'
        f' aria-label="{row.strip.words}">{bars}</svg>'
    )


def _short(text: str, limit: int) -> str:
    if not text.isascii() or len(text) > limit:
        text = Truncator(text).chars(limit)
    return escape(text)


@lru_cache(maxsize=_URLS_KEPT)
def _url(name: str, key: str | int) -> str:
    return escape(reverse(name, args=[key]))


def _safe(html: str) -> SafeString:
    return mark_safe(html)  # noqa: S308 - each part of it was escaped or is made of numbers
