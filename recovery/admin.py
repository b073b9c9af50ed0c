"""Dispatches and their attempts: history to look at, verbs to act."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.admin import HistoryAdmin, TabularInline, stamp
from agents.clock import db_now
from agents.errors import EvoxError, IllegalMoveError
from agents.models import Agent, Attempt, AuditEntry, Dispatch
from agents.queries import active_agents
from agents.states import DispatchStatus
from recovery.admin_github import PullRequestAdmin, WebhookDeliveryAdmin
from recovery.admin_rollbacks import RollbackAdmin, RollbackPauseAdmin
from recovery.models import AgentBreaker
from recovery.services import breakers, operator

# Registered beside it; Django looks for them here.
__all__ = ["PullRequestAdmin", "RollbackAdmin", "RollbackPauseAdmin", "WebhookDeliveryAdmin"]

TIMELINE_SHOWN = 100

_RETRY, _UNBLOCK = ("retry_now", "Retry now"), ("unblock", "Unblock")
_REASSIGN, _CANCEL = ("reassign", "Reassign…"), ("cancel", "Cancel")
VERBS: Mapping[DispatchStatus, tuple[tuple[str, str], ...]] = {
    DispatchStatus.PENDING: (_REASSIGN, _CANCEL),
    DispatchStatus.RUNNING: (_REASSIGN, _CANCEL),
    DispatchStatus.RETRYING: (_RETRY, _REASSIGN, _CANCEL),
    DispatchStatus.BLOCKED: (_UNBLOCK, _REASSIGN, _CANCEL),
    DispatchStatus.EXHAUSTED: (_RETRY,),
    DispatchStatus.COMPLETED: (),
    DispatchStatus.CANCELLED: (),
}


class AttemptInline(TabularInline):
    """Every try of a dispatch, in order."""

    model = Attempt
    fields = ("number", "agent", "strategy", "outcome", "reason", "started", "ended")
    readonly_fields = ("number", "agent", "strategy", "outcome", "reason", "started", "ended")
    ordering = ["lease_epoch"]
    extra = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """With the agents, in one query."""
        return super().get_queryset(request).select_related("agent", "dispatch")

    @admin.display
    def started(self, attempt: Attempt) -> str:
        """When it was claimed, to the second."""
        return stamp(attempt.started_at)

    @admin.display
    def ended(self, attempt: Attempt) -> str:
        """When it was closed, to the second."""
        return stamp(attempt.ended_at)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Attempts are made by claims."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """And closed by reports."""
        return False


class AgentChoice(forms.Form):
    """To whom the work goes."""

    agent = forms.ModelChoiceField(queryset=Agent.objects.none())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["agent"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = active_agents()


@admin.register(Dispatch)
class DispatchAdmin(HistoryAdmin):
    """Work: read it, and move it with a verb."""

    list_display = ["name", "status", "agent", "attempt", "next_try", "reason_start"]
    list_filter = ["status", "priority", "agent"]
    list_select_related = ["agent"]
    search_fields = ["=id", "title", "ticket_id", "unique_key"]
    date_hierarchy = "created_at"
    ordering = ["-id"]
    inlines = [AttemptInline]
    actions = ["retry_now", "unblock", "reassign", "cancel"]
    readonly_fields = ["timeline"]
    fieldsets = [
        (None, {"fields": ["title", "command", "status", "reason", "run_at", "agent"]}),
        ("Next try", {"fields": ["next_strategy", "instructions", "attempt", "max_attempts"]}),
        ("Timeline", {"fields": ["timeline", "created_at", "created_by", "finished_at"]}),
        (
            "The rest",
            {
                "classes": ["collapse"],
                "fields": [
                    "payload",
                    "ticket_id",
                    "priority",
                    "unique_key",
                    "required_skills",
                    "open_to_all",
                    "excluded_agents",
                    "crash_count",
                    "max_crashes",
                    "lease_epoch",
                    "lease_expires_at",
                    "deadline_at",
                    "last_progress_at",
                    "cancel_requested_at",
                    "superseded_by",
                    "last_fingerprint",
                ],
            },
        ),
    ]

    @admin.display(description="dispatch", ordering="id")
    def name(self, dispatch: Dispatch) -> str:
        """Its number and title."""
        return str(dispatch)

    @admin.display(description="next try", ordering="run_at")
    def next_try(self, dispatch: Dispatch) -> str:
        """When a waiting retry may be claimed, to the second."""
        return stamp(dispatch.run_at)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The dispatch, with the verbs that its state allows."""
        row = self.get_object(request, object_id)
        allowed = row is not None and self.has_operate_permission(request)
        verbs = VERBS[DispatchStatus(row.status)] if row and allowed else ()
        context = {"verbs": verbs, "checkbox": ACTION_CHECKBOX_NAME, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description="reason")
    def reason_start(self, dispatch: Dispatch) -> str:
        """Its first words."""
        return dispatch.reason[:100]

    @admin.display(description="what people did")
    def timeline(self, dispatch: Dispatch) -> SafeString | str:
        """The audited acts on this dispatch, the last ones, in order."""
        acts = AuditEntry.objects.filter(subject_kind="dispatch", subject_id=dispatch.pk)
        rows = [
            (f"{act.at:%Y-%m-%d %H:%M:%S} UTC", act.actor, act.verb, act.reason)
            for act in reversed(acts.order_by("-id")[:TIMELINE_SHOWN])
        ]
        if not rows:
            return "Nobody had to step in."
        return format_html(
            "<ol>{}</ol>", format_html_join("", "<li>{}: <strong>{}</strong> {} {}</li>", rows)
        )

    @admin.action(description="Retry now", permissions=["operate"])
    def retry_now(self, request: HttpRequest, queryset: QuerySet[Dispatch]) -> None:
        """Give selected dispatches another try at once."""
        self._apply(request, queryset, "back in the queue", operator.retry_dispatch)

    @admin.action(description="Unblock: what was needed is there", permissions=["operate"])
    def unblock(self, request: HttpRequest, queryset: QuerySet[Dispatch]) -> None:
        """Let selected dispatches go on."""
        self._apply(request, queryset, "unblocked", operator.unblock_dispatch)

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Dispatch]) -> None:
        """End selected dispatches; running ones are asked to stop."""
        self._apply(request, queryset, "cancelled, or asked to stop", operator.cancel_dispatch)

    @admin.action(description="Reassign to an agent…", permissions=["operate"])
    def reassign(self, request: HttpRequest, queryset: QuerySet[Dispatch]) -> HttpResponse | None:
        """Ask for the agent, then give it the selected dispatches."""
        form = AgentChoice(request.POST if "agent" in request.POST else None)
        if form.is_valid():
            agent = form.cleaned_data["agent"]
            done = f"given to {agent.name}"
            self._apply(request, queryset, done, operator.reassign_dispatch, agent=agent)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "Reassign dispatches",
            "opts": self.opts,
            "form": form,
            "dispatches": queryset,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "recovery/reassign.html", context)

    def _apply(
        self,
        request: HttpRequest,
        queryset: QuerySet[Dispatch],
        done: str,
        verb: Callable[..., Dispatch],
        **fields: Any,
    ) -> None:
        """Apply `verb` to each row; what can't be moved says why, the others go on."""
        moved = []
        for pk in queryset.order_by("id").values_list("pk", flat=True):
            try:
                verb(pk, actor=request.user.get_username(), now=db_now(), **fields)
                moved.append(f"#{pk}")
            except (EvoxError, IllegalMoveError) as error:
                self.message_user(request, f"#{pk}: {error}", messages.ERROR)
        if moved:
            self.message_user(request, f"{', '.join(moved)}: {done}.", messages.SUCCESS)


@admin.register(Attempt)
class AttemptAdmin(HistoryAdmin):
    """One claim of a dispatch. Its token is the agent's, and not shown."""

    list_display = ["id", "dispatch", "number", "agent", "strategy", "outcome", "ended_at"]
    list_filter = ["outcome", "strategy", "agent"]
    list_select_related = ["agent", "dispatch"]
    search_fields = ["=dispatch__id", "dispatch__title", "reason"]
    date_hierarchy = "started_at"
    fields = [
        "dispatch",
        "lease_epoch",
        "agent",
        "session",
        "strategy",
        "instructions",
        "started_at",
        "ended_at",
        "outcome",
        "reason",
        "progress_note",
        "result",
        "failure_id",
    ]


@admin.register(AgentBreaker)
class AgentBreakerAdmin(HistoryAdmin):
    """Who is kept from claiming for failing in a row, and until when."""

    list_display = ["agent", "open_until", "trips", "updated_at"]
    list_select_related = ["agent"]
    actions = ["reset"]

    @admin.action(description="Reset: let it claim again", permissions=["operate"])
    def reset(self, request: HttpRequest, queryset: QuerySet[AgentBreaker]) -> None:
        """Hold nothing more against selected agents."""
        for row in queryset.select_related("agent"):
            breakers.reset(row.agent, actor=request.user.get_username(), now=db_now())
        self.message_user(request, "They may claim again.")
