"""The failure log and its groups, to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agents.admin import HistoryAdmin, TabularInline
from failures.models import Failure, FailureGroup, Incident, IncidentEvent


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


class IncidentEventInline(TabularInline):
    """What happened to an incident, in order."""

    model = IncidentEvent
    fields = ("seq", "at", "kind", "level", "actor", "data")
    readonly_fields = ("seq", "at", "kind", "level", "actor", "data")
    ordering = ["seq"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A timeline is written, not edited."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nor corrected."""
        return False


@admin.register(Incident)
class IncidentAdmin(HistoryAdmin):
    """What needed somebody, with its timeline."""

    list_display = ["id", "kind", "severity", "status", "title", "agent", "opened_at"]
    list_filter = ["status", "severity", "kind", "agent"]
    list_select_related = ["agent"]
    search_fields = ["=id", "title", "agent__name"]
    date_hierarchy = "opened_at"
    inlines = [IncidentEventInline]


@admin.register(IncidentEvent)
class IncidentEventAdmin(HistoryAdmin):
    """Every event of every incident."""

    list_display = ["incident", "seq", "kind", "level", "actor", "at"]
    list_filter = ["kind", "level"]
    list_select_related = ["incident"]
    search_fields = ["actor", "=incident__id"]
    date_hierarchy = "at"
