"""What templates need to show instants and states."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from monitoring.marks import Mark

register = template.Library()


@register.filter
def instant(at: datetime | None, kind: str = "ago") -> str:
    """`at` as a <time>; page.js turns its text into an age ("ago") or what is left ("in")."""
    if at is None:
        return "never"
    utc = at.astimezone(UTC)
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" data-kind="{}" title="{}">{}</time>',
        f"{utc:%Y-%m-%dT%H:%M:%SZ}",
        kind,
        f"{local:%Y-%m-%d %H:%M:%S %Z}",
        f"{local:%d %b %H:%M:%S}",
    )


@register.filter
def until(at: datetime, now: datetime) -> str:
    """`at` as the hour of a clock, with its day when that isn't the day of `now`."""
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
