"""The failure log and its groups, to look at."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.admin import HistoryAdmin, stamp
from failures.admin_incidents import IncidentAdmin
from failures.models import Failure, FailureGroup, GuidanceShown
from failures.services.guidance import shown_of

__all__ = ["FailureAdmin", "FailureGroupAdmin", "GuidanceShownAdmin", "IncidentAdmin"]

SHOWN = 50
"""So many of those who were told a known fix are listed, the last ones."""


@admin.register(FailureGroup)
class FailureGroupAdmin(HistoryAdmin):
    """Like failures, together."""

    list_display = ["name", "error_type", "count", "status", "first_seen_at", "last_seen_at"]
    list_filter = ["status", "error_type"]
    search_fields = ["template", "tool_code", "error_class", "fingerprint"]
    date_hierarchy = "last_seen_at"
    readonly_fields = ["told"]

    @admin.display(description="failure", ordering="template")
    def name(self, group: FailureGroup) -> str:
        """Its masked line, else its fingerprint."""
        return str(group)[:120]

    @admin.display(description="guidance was given to")
    def told(self, group: FailureGroup) -> SafeString | str:
        """The last agents that were told its known fix, the newest first."""
        rows = [
            (stamp(one.at), one.agent.name, one.get_via_display().lower(), _work_of(one))
            for one in shown_of(group, limit=SHOWN)
        ]
        if not rows:
            return "Nobody so far."
        return format_html(
            '<ol class="plain">{}</ol>',
            format_html_join("", "<li>{} <strong>{}</strong>, {} {}</li>", rows),
        )


def _work_of(shown: GuidanceShown) -> SafeString | str:
    """Where it was told: an attempt, by its dispatch."""
    if shown.attempt is None:
        return ""
    dispatch = shown.attempt.dispatch
    address = reverse("admin:agents_dispatch_change", args=[dispatch.pk])
    return format_html('of <a href="{}">{}</a>', address, dispatch)


@admin.register(Failure)
class FailureAdmin(HistoryAdmin):
    """One thing that went wrong."""

    list_display = ["id", "agent", "error_type", "start", "ticket_id", "outcome", "created_at"]
    list_filter = ["error_type", "outcome", "agent"]
    list_select_related = ["agent"]
    search_fields = ["message", "ticket_id", "fingerprint", "agent__name"]
    date_hierarchy = "created_at"

    @admin.display(description="message")
    def start(self, failure: Failure) -> str:
        """Its first words."""
        return failure.message[:120]


@admin.register(GuidanceShown)
class GuidanceShownAdmin(HistoryAdmin):
    """Who was told which known fix."""

    list_display = ["group", "agent", "via", "attempt", "at"]
    list_filter = ["via", "agent"]
    list_select_related = ["group", "agent", "attempt"]
    search_fields = ["agent__name", "group__template", "=text_hash"]
    date_hierarchy = "at"
