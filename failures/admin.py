"""The failure log and its groups, to look at."""

from __future__ import annotations

from django.contrib import admin

from agents.admin import HistoryAdmin
from failures.admin_incidents import IncidentAdmin
from failures.models import Failure, FailureGroup

__all__ = ["FailureAdmin", "FailureGroupAdmin", "IncidentAdmin"]


@admin.register(FailureGroup)
class FailureGroupAdmin(HistoryAdmin):
    """Like failures, together."""

    list_display = ["name", "error_type", "count", "status", "first_seen_at", "last_seen_at"]
    list_filter = ["status", "error_type"]
    search_fields = ["template", "tool_code", "error_class", "fingerprint"]
    date_hierarchy = "last_seen_at"

    @admin.display(description="failure", ordering="template")
    def name(self, group: FailureGroup) -> str:
        """Its masked line, else its fingerprint."""
        return str(group)[:120]


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
