"""Rollbacks in the admin: what hooks found, and the flag that keeps them from reverting."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from agents.admin_base import HistoryAdmin, ModelForm, RecentValuesFilter
from agents.clock import db_now
from agents.errors import EvoxError, InvalidInputError
from recovery.models import Rollback, RollbackPause
from recovery.services import rollbacks


@admin.register(Rollback)
class RollbackAdmin(HistoryAdmin):
    """Verdicts of the Git hook, each beside its incident."""

    list_display = [
        *("kind", "short", "repository", "branch", "agent"),
        *("confirmed", "late", "received_at", "incident"),
    ]
    list_filter = [("kind", RecentValuesFilter), "late", "confirmed", "agent"]
    list_select_related = ["agent", "incident"]
    search_fields = ["commit", "revert_commit", "repository", "branch", "command"]
    date_hierarchy = "received_at"

    @admin.display(description="commit", ordering="commit")
    def short(self, rollback: Rollback) -> str:
        """Its first twelve digits."""
        return rollback.commit[:12]


class PauseForm(ModelForm):
    """Until when hooks shall only report, and why."""

    class Meta:
        model = RollbackPause
        fields = ["until", "reason"]

    def clean(self) -> dict[str, Any]:
        """Within the next seven days."""
        data = super().clean() or {}
        now, until = db_now(), data.get("until")
        if until is not None and not now < until <= now + rollbacks.LONGEST_PAUSE:
            raise forms.ValidationError({"until": "An instant within the next seven days."})
        return data


@admin.register(RollbackPause)
class RollbackPauseAdmin(HistoryAdmin):
    """The flag: while a pause holds, hooks verify and report, and revert nothing."""

    form = PauseForm
    list_display = ["started_at", "until", "reason", "started_by", "lifted_at", "lifted_by"]
    search_fields = ["reason", "started_by"]
    date_hierarchy = "started_at"
    actions = ["lift"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Adding one pauses rollbacks."""
        return bool(request.user.has_perm("recovery.add_rollbackpause"))

    def save_model(self, request: HttpRequest, obj: RollbackPause, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """Pause, as the API does; Django goes on with the row that this made."""
        actor, now = request.user.get_username(), db_now()
        try:
            made = rollbacks.pause(until=obj.until, reason=obj.reason, actor=actor, now=now)
        except InvalidInputError as error:
            raise forms.ValidationError(str(error)) from error
        obj.pk, obj.started_at, obj.started_by = made.pk, made.started_at, made.started_by

    @admin.action(description="Let hooks revert again", permissions=["operate"])
    def lift(self, request: HttpRequest, queryset: QuerySet[RollbackPause]) -> None:
        """Lift the pause that holds."""
        try:
            rollbacks.resume(actor=request.user.get_username(), now=db_now())
        except EvoxError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, "Hooks may revert again.", messages.SUCCESS)
