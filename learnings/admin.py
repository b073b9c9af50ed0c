"""Learnings: read them, decide on them. Who was told, votes and analyses are history."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.admin import HistoryAdmin, stamp
from agents.clock import db_now
from agents.models import AuditEntry
from learnings.models import AnalysisRun, Feedback, Injection, Learning, Measurement
from learnings.services import lifecycle

TIMELINE_SHOWN = 100


@admin.register(Learning)
class LearningAdmin(HistoryAdmin):
    """What the team should know. Nobody edits it here: approve, reject or retire."""

    list_display = ["title", "category", "status", "count", "origin", "proposed_by", "flags"]
    list_filter = ["status", "origin", "category"]
    search_fields = ["=id", "slug", "title", "problem", "solution"]
    date_hierarchy = "created_at"
    ordering = ["-id"]
    actions = ["approve", "reject", "retire"]
    readonly_fields = ["timeline"]
    fieldsets = [
        (None, {"fields": ["title", "category", "problem", "solution", "rule", "why", "scope"]}),
        ("State", {"fields": ["status", "flags", "origin", "proposed_by", "approved_by"]}),
        ("Evidence", {"fields": ["group", "count", "agents", "evidence", "counted_from"]}),
        ("Effect", {"fields": ["helpful_count", "harmful_count", "version", "doc_path"]}),
        (
            "Timeline",
            {
                "fields": [
                    "timeline",
                    "created_at",
                    "published_at",
                    "announced_at",
                    "review_at",
                    "retired_at",
                ]
            },
        ),
    ]

    @admin.display(description="what people did")
    def timeline(self, learning: Learning) -> SafeString | str:
        """The audited acts on this learning, the last ones, in order."""
        acts = AuditEntry.objects.filter(subject_kind="learning", subject_id=learning.pk)
        rows = [
            (stamp(act.at), act.actor, act.verb, act.reason)
            for act in reversed(acts.order_by("-id")[:TIMELINE_SHOWN])
        ]
        if not rows:
            return "Nobody has decided anything yet."
        return format_html(
            "<ol>{}</ol>", format_html_join("", "<li>{}: <strong>{}</strong> {} {}</li>", rows)
        )

    @admin.action(description="Approve: agents are told", permissions=["operate"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Learning]) -> None:
        """Let selected proposals be told."""
        self._apply(request, queryset, "approved", lifecycle.approve)

    @admin.action(description="Reject: nobody is told", permissions=["operate"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Learning]) -> None:
        """Keep selected proposals from being told."""
        self._apply(request, queryset, "rejected", lifecycle.reject)

    @admin.action(description="Retire: nobody is told any more", permissions=["operate"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Learning]) -> None:
        """End what was told."""
        self._apply(request, queryset, "retired", lifecycle.retire)

    def _apply(
        self,
        request: HttpRequest,
        queryset: QuerySet[Learning],
        done: str,
        verb: Callable[..., Learning],
    ) -> None:
        actor, now = request.user.get_username(), db_now()
        self.carry_out(
            request,
            done,
            [
                (f"#{pk}", partial(verb, pk, actor=actor, now=now))
                for pk in queryset.order_by("id").values_list("pk", flat=True)
            ],
        )


@admin.register(Injection)
class InjectionAdmin(HistoryAdmin):
    """Who was told what, and why."""

    list_display = ["learning", "version", "agent", "attempt", "why", "at"]
    list_filter = ["agent", "why"]
    list_select_related = ["learning", "agent", "attempt"]
    date_hierarchy = "at"


@admin.register(Feedback)
class FeedbackAdmin(HistoryAdmin):
    """What those who were told think of it."""

    list_display = ["learning", "vote", "voter", "version", "at"]
    list_filter = ["vote"]
    list_select_related = ["learning"]
    date_hierarchy = "at"


@admin.register(Measurement)
class MeasurementAdmin(HistoryAdmin):
    """Whether learnings helped, as far as was measured."""

    list_display = ["learning", "version", "verdict", "ratio", "p", "complete", "at"]
    list_filter = ["verdict", "complete"]
    list_select_related = ["learning"]
    date_hierarchy = "at"


@admin.register(AnalysisRun)
class AnalysisRunAdmin(HistoryAdmin):
    """Each look through the failures."""

    list_display: Any = [
        "iso_week",
        "trigger",
        "started_at",
        "patterns_found",
        "learnings_made",
        "learnings_refreshed",
    ]
    list_filter = ["trigger"]
    date_hierarchy = "started_at"
