"""What templates need to show instants and states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from monitoring.marks import Mark
from recovery.policy import spoken

register = template.Library()
SINCE = "for"


@register.filter
def instant(at: datetime | None, kind: str = "ago") -> str:
    """`at` as a <time>; page.js turns its text into an age.

    `kind` is "ago" (12 s ago), "in" (in 5 min), or "for" (for 1 h 4 min; without the script
    `since` and the instant).
    """
    if at is None:
        return "never"
    return format_html(
        '<time datetime="{}" data-kind="{}" title="{}">{}{}</time>',
        f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        kind,
        f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}",
        "since " if kind == SINCE else "",
        f"{timezone.localtime(at):%d %b %H:%M:%S}",
    )


@register.filter
def until(at: datetime | None, now: datetime) -> str:
    """`at` as the hour of a clock, with its day when that isn't the day of `now`."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    same_day = local.date() == timezone.localtime(now).date()
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"{local:%Y-%m-%d %H:%M:%S %Z}",
        f"{local:%H:%M}" if same_day else f"{local:%d %b %H:%M}",
    )


@register.filter
def shaped(mark: Mark) -> SafeString:
    """A state: its shape, its word, its colour."""
    return format_html(
        '<span class="mark {}"><span aria-hidden="true">{}</span> {}</span>',
        mark.tone,
        mark.shape,
        mark.word,
    )


@register.filter
def lasting(span: timedelta | None) -> str:
    """A duration as people say it, to the second under an hour, else to the minute."""
    if span is None:
        return "–"
    whole = round(span.total_seconds())
    return spoken(timedelta(seconds=whole if whole < 3600 else whole - whole % 60))
