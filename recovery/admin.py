"""Dispatches and their attempts: history to look at, verbs to act."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from agents.admin import HistoryAdmin, stamp
from agents.clock import db_now
from agents.models import Agent, Attempt, Dispatch
from agents.queries import active_agents
from agents.states import DispatchStatus
from recovery.admin_github import PullRequestAdmin, WebhookDeliveryAdmin
from recovery.admin_rollbacks import RollbackAdmin, RollbackPauseAdmin
from recovery.dispatch_page import page_of
from recovery.models import AgentBreaker
from recovery.services import breakers, operator
from recovery.services.operator import REASON_LIMIT

# Registered beside it; Django looks for them here.
__all__ = ["PullRequestAdmin", "RollbackAdmin", "RollbackPauseAdmin", "WebhookDeliveryAdmin"]

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
_KINDS = {
    DispatchStatus.COMPLETED: "good",
    **dict.fromkeys((DispatchStatus.PENDING, DispatchStatus.RUNNING), "open"),
    DispatchStatus.RETRYING: "open",
}


class AgentChoice(forms.Form):
    """To whom the work goes, and why."""

    agent = forms.ModelChoiceField(queryset=Agent.objects.none())
    reason = forms.CharField(max_length=REASON_LIMIT, required=False, label="Why, for the record")

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
    actions = ["retry_now", "unblock", "reassign", "cancel"]
    fieldsets = [
        (None, {"fields": ["command", "next_strategy", "instructions"]}),
        (
            "The rest",
            {
                "classes": ["collapse"],
                "fields": [
                    "title",
                    "payload",
                    "ticket_id",
                    "priority",
                    "unique_key",
                    "required_skills",
                    "open_to_all",
                    "excluded_agents",
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
        context: dict[str, Any] = {"checkbox": ACTION_CHECKBOX_NAME, **(extra_context or {})}
        row = self.get_object(request, object_id)
        if row is not None and self.has_view_permission(request, row):
            status = DispatchStatus(row.status)
            context |= {
                "verbs": VERBS[status] if self.has_operate_permission(request) else (),
                "history": page_of(row, now=db_now()),
                "kind": _KINDS.get(status, "bad"),
            }
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description="reason")
    def reason_start(self, dispatch: Dispatch) -> str:
        """Its first words."""
        return dispatch.reason[:100]

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
        asked = "agent" in request.POST
        form = AgentChoice(request.POST if asked else None, initial={"reason": _reason(request)})
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
        """Apply `verb` to each row, with the reason that was given."""
        said = {"actor": request.user.get_username(), "reason": _reason(request), **fields}
        self.carry_out(
            request,
            done,
            [
                (f"#{pk}", partial(verb, pk, now=db_now(), **said))
                for pk in queryset.order_by("id").values_list("pk", flat=True)
            ],
        )


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()[:REASON_LIMIT]


@admin.register(Attempt)
class AttemptAdmin(HistoryAdmin):
    """One claim of a dispatch. Its token is the agent's, and not shown."""

    list_display = ["id", "dispatch", "number", "agent", "strategy", "outcome", "ended_at"]
    list_filter = ["outcome", "strategy", "agent"]
    list_select_related = ["agent", "dispatch"]
    search_fields = ["=dispatch__id", "dispatch__title", "reason"]
    ordering = ["-id"]
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
