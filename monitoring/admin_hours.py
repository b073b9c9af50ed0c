"""What uptime is made of, to look at: stretches of life and of listening, and hours."""

from __future__ import annotations

from django.contrib import admin

from agents.admin_base import HistoryAdmin
from agents.models import LifeSegment, ListeningSegment
from monitoring.models import HourlyFigures, RolledHour


@admin.register(LifeSegment)
class LifeSegmentAdmin(HistoryAdmin):
    """When an agent was proven alive, or away as it announced."""

    list_display = ["id", "agent", "state", "started_at", "alive_until", "ended_at"]
    list_filter = ["state", "agent"]
    list_select_related = ["agent"]
    search_fields = ["agent__name"]
    date_hierarchy = "started_at"


@admin.register(ListeningSegment)
class ListeningSegmentAdmin(HistoryAdmin):
    """When EVOX could hear its agents."""

    list_display = ["id", "started_at", "alive_until", "ended_at"]
    date_hierarchy = "started_at"


@admin.register(HourlyFigures)
class HourlyFiguresAdmin(HistoryAdmin):
    """What each second of an agent's hour was, and the attempts that ended in it."""

    list_display = [
        *("hour", "agent", "up_s", "down_s", "excluded_s", "unknown_s", "productive_s"),
        *("succeeded", "failed_build", "failed_test", "failed_api", "failed_timeout"),
        "failed_other",
    ]
    list_filter = ["agent"]
    list_select_related = ["agent"]
    search_fields = ["agent__name"]
    date_hierarchy = "hour"


@admin.register(RolledHour)
class RolledHourAdmin(HistoryAdmin):
    """Hours whose figures stand, and when they were made last."""

    list_display = [
        *("hour", "computed_at", "retries_completed", "retries_ended", "retries_under_way"),
    ]
    date_hierarchy = "hour"
