"""The auditor's book, to look at."""

from __future__ import annotations

from django.contrib import admin

from agents.admin_base import HistoryAdmin
from monitoring import admin_hours  # noqa: F401 - registers what uptime is made of
from monitoring.models import AuditFinding


@admin.register(AuditFinding)
class AuditFindingAdmin(HistoryAdmin):
    """What was found late or missing, each once."""

    list_display = ["check_name", "subject", "late_by", "detail", "found_at", "repaired_at"]
    list_filter = ["check_name"]
    search_fields = ["subject", "detail"]
    date_hierarchy = "found_at"
