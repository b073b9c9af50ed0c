"""Instants as the page shows them: elements whose text a script turns into ages."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

SINCE = "for"


def instant(at: datetime | None, kind: str = "ago") -> SafeString | str:
    """`at` as a <time>; page.js turns its text into an age.

    `kind` is "ago" (12 s ago), "in" (in 5 min), or "for" (for 1 h 4 min; without the script
    `since` and the instant).
    """
    if at is None:
        return "never"
    local = timezone.localtime(at)
    since = "since " if kind == SINCE else ""
    return mark_safe(  # noqa: S308 - made of numbers
        f'<time datetime="{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" data-kind="{escape(kind)}"'
        f' title="{local:%Y-%m-%d %H:%M:%S %Z}">{since}{local:%d %b %H:%M:%S}</time>'
    )


def until(at: datetime | None, now: datetime) -> SafeString | str:
    """`at` as the hour of a clock, with its day when that isn't the day of `now`."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    same_day = local.date() == timezone.localtime(now).date()
    shown = f"{local:%H:%M}" if same_day else f"{local:%d %b %H:%M}"
    return mark_safe(  # noqa: S308 - made of numbers
        f'<time datetime="{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"'
        f' title="{local:%Y-%m-%d %H:%M:%S %Z}">{shown}</time>'
    )
