"""What templates need to show instants and states."""

from __future__ import annotations

from datetime import timedelta

from django import template

from monitoring.page_html import agent_row, shaped, strip_row
from monitoring.page_times import instant, until
from recovery.policy import spoken

register = template.Library()
for one in (instant, until, shaped, agent_row, strip_row):
    register.filter(one.__name__, one)


@register.filter
def lasting(span: timedelta | None) -> str:
    """A duration as people say it, to the second under an hour, else to the minute."""
    if span is None:
        return "–"
    whole = round(span.total_seconds())
    return spoken(timedelta(seconds=whole if whole < 3600 else whole - whole % 60))
