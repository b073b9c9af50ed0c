"""Learnings: read them, decide on them. Who was told, votes and analyses are history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from agents.admin_base import HistoryAdmin, RecentValuesFilter, stamp
from agents.clock import db_now
from learnings.admin_acts import ActsOnAll
from learnings.learning_page import page_of
from learnings.models import (
    AnalysisRun,
    Feedback,
    Injection,
    InjectionSwitch,
    Learning,
    LearningRevision,
    Measurement,
)
from learnings.policy.record import summary
from learnings.services import lifecycle, revisions
from learnings.states import LearningStatus

_APPROVE, _REJECT = ("approve", "Approve"), ("reject", "Reject")
_RETIRE = ("retire", "Retire")
VERBS: Mapping[LearningStatus, tuple[tuple[str, str], ...]] = {
    LearningStatus.PROPOSED: (_APPROVE, _REJECT),
    LearningStatus.ACTIVE: (_RETIRE,),
    LearningStatus.WATCH: (_RETIRE,),
    LearningStatus.RETIRED: (),
    LearningStatus.REJECTED: (),
}
_KINDS = {
    LearningStatus.ACTIVE: "ok",
    LearningStatus.WATCH: "warn",
    LearningStatus.PROPOSED: "info",
}


class DecidedAdmin(HistoryAdmin):
    """Rows that somebody decides on, with a reason."""

    def decide(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        done: str,
        verb: Callable[..., object],
    ) -> None:
        """Apply `verb` to each row, with the reason that was given."""
        actor, reason = request.user.get_username(), request.POST.get("reason", "").strip()[:500]
        self.carry_out(
            request,
            done,
            [
                (f"#{pk}", partial(verb, pk, actor=actor, reason=reason, now=db_now()))
                for pk in queryset.order_by("id").values_list("pk", flat=True)
            ],
        )


@admin.register(Learning)
class LearningAdmin(ActsOnAll, DecidedAdmin):
    """What the team should know. Nobody edits it here: approve, reject or retire."""

    list_display = ["title", "status", "count", "came_back", "flagged", "created"]
    list_filter = ["status", "origin", ("category", RecentValuesFilter)]
    search_fields = ["=id", "slug", "title", "problem", "solution"]
    date_hierarchy = "created_at"
    ordering = ["-id"]
    actions = ["approve", "reject", "retire"]
    fieldsets = [
        (None, {"fields": ["title", "category", "problem", "solution", "rule", "why", "scope"]}),
        (
            "The rest",
            {
                "classes": ["collapse"],
                "fields": [
                    "slug",
                    "origin",
                    "template_only",
                    "doc_path",
                    "helpful_count",
                    "harmful_count",
                    "irrelevant_count",
                    "created_at",
                    "published_at",
                    "announced_at",
                    "review_at",
                    "retired_at",
                    "superseded_by",
                ],
            },
        ),
    ]

    @admin.display(description="came back", ordering="exposed_repeats")
    def came_back(self, learning: Learning) -> str:
        """To how many that had been told, and to how many that hadn't."""
        if learning.recurrence_from is None:
            return "–"
        return f"{learning.exposed_repeats} told, {learning.unexposed_repeats} not"

    @admin.display(description="flagged", ordering="flags")
    def flagged(self, learning: Learning) -> str:
        """Why its words need a person's eye."""
        return ", ".join(learning.flags) or "–"

    @admin.display(description="written", ordering="created_at")
    def created(self, learning: Learning) -> str:
        """When it was written down."""
        return stamp(learning.created_at)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The learning, with the verbs that its state allows."""
        context: dict[str, Any] = {"checkbox": ACTION_CHECKBOX_NAME, **(extra_context or {})}
        row = self.get_object(request, object_id)
        if row is not None and self.has_view_permission(request, row):
            status = LearningStatus(row.status)
            context["shown"] = page_of(row)
            context["kind"] = _KINDS.get(status, "")
            context["verbs"] = VERBS[status] if self.has_operate_permission(request) else ()
        return super().change_view(request, object_id, form_url, context)

    @admin.action(description="Approve: agents are told", permissions=["operate"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Learning]) -> None:
        """Let selected proposals be told."""
        self.decide(request, queryset, "approved", lifecycle.approve)

    @admin.action(description="Reject: nobody is told", permissions=["operate"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Learning]) -> None:
        """Keep selected proposals from being told."""
        self.decide(request, queryset, "rejected", lifecycle.reject)

    @admin.action(description="Retire: nobody is told any more", permissions=["operate"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Learning]) -> None:
        """End what was told."""
        self.decide(request, queryset, "retired", lifecycle.retire)


@admin.register(LearningRevision)
class LearningRevisionAdmin(DecidedAdmin):
    """What learnings might say instead: let the words through, or keep them away."""

    list_display = ["learning", "rule", "author", "source", "status", "flags", "at"]
    list_filter = ["status", "source"]
    list_select_related = ["learning"]
    search_fields = ["=id", "rule", "why", "author", "learning__title"]
    date_hierarchy = "at"
    actions = ["approve", "reject"]

    @admin.action(description="Approve: agents are told these words", permissions=["operate"])
    def approve(self, request: HttpRequest, queryset: QuerySet[LearningRevision]) -> None:
        """Let selected words through."""
        self.decide(request, queryset, "approved", revisions.approve)

    @admin.action(description="Reject: nobody is told these words", permissions=["operate"])
    def reject(self, request: HttpRequest, queryset: QuerySet[LearningRevision]) -> None:
        """Keep selected words away."""
        self.decide(request, queryset, "rejected", revisions.reject)


@admin.register(InjectionSwitch)
class InjectionSwitchAdmin(HistoryAdmin):
    """How the switch was last turned; it is turned from the list of learnings."""

    list_display = ["__str__", "on", "by", "reason", "at"]


@admin.register(Injection)
class InjectionAdmin(HistoryAdmin):
    """Who was told what, and why."""

    list_display = ["learning", "version", "agent", "attempt", "why", "at"]
    list_filter = ["agent", ("why", RecentValuesFilter)]
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
        "summed_up",
    ]
    list_filter = ["trigger"]
    date_hierarchy = "started_at"

    @admin.display(description="did")
    def summed_up(self, run: AnalysisRun) -> str:
        """What it did, in numbers; its page has the ids."""
        return summary(run.did)
