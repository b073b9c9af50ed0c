"""The failure log and its groups, to look at."""

from __future__ import annotations

from django.contrib import admin

from agents.admin import HistoryAdmin
from failures.admin_groups import FailureGroupAdmin
from failures.admin_incidents import IncidentAdmin
from failures.models import Failure, GroupAlias, GuidanceShown

__all__ = [
    "FailureAdmin",
    "FailureGroupAdmin",
    "GroupAliasAdmin",
    "GuidanceShownAdmin",
    "IncidentAdmin",
]


@admin.register(Failure)
class FailureAdmin(HistoryAdmin):
    """One thing that went wrong."""

    list_display = [
        *("id", "agent", "error_type", "by_text", "start", "ticket_id", "outcome", "created_at"),
    ]
    list_filter = ["error_type", "classified_type", "outcome", "agent"]
    list_select_related = ["agent"]
    search_fields = ["message", "ticket_id", "fingerprint", "agent__name"]
    date_hierarchy = "created_at"

    @admin.display(description="type by its text", ordering="classified_type")
    def by_text(self, failure: Failure) -> str:
        """What its text says that it is, where that isn't what its reporter said."""
        differs = failure.classified_type not in {"", failure.error_type}
        return failure.get_classified_type_display() if differs else "–"

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


@admin.register(GroupAlias)
class GroupAliasAdmin(HistoryAdmin):
    """Which groups were ever held for which, and by whom."""

    list_display = ["group", "root", "kind", "by", "at", "undone_by", "undone_at"]
    list_filter = ["kind"]
    list_select_related = ["group", "root"]
    search_fields = ["group__template", "root__template", "by", "reason"]
    date_hierarchy = "at"
