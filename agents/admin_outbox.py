"""The admin of what leaves EVOX: a channel's sinks, and each message's way to them."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from agents import policy_sinks
from agents.admin_base import HistoryAdmin, ModelAdmin, ModelForm, TabularInline
from agents.clock import db_now
from agents.errors import EvoxError
from agents.models import Delivery, DeliveryAttempt, Sink
from agents.services import sinks
from agents.states import SinkKind

SECRET_SIZES = range(24, 65)


class SinkForm(ModelForm):
    """A sink whose address and secret can be used."""

    class Meta:
        model = Sink
        fields = ["name", "channel", "kind", "url", "secret", "is_active"]
        widgets = {"url": forms.TextInput(attrs={"size": 80, "autocomplete": "off"})}
        labels = {"url": "Address"}
        help_texts = {
            "url": "https://… for a webhook; an Apprise URL such as slack://… or mailto://…",
            "secret": "Signs a webhook. Empty makes one, which is shown once.",
            "is_active": "Off: nothing more is sent, and what waits is cancelled.",
        }

    def clean(self) -> dict[str, Any] | None:
        """The address fits the kind, and a webhook has a secret that signs."""
        data = super().clean() or {}
        if data.get("kind") and data.get("url"):
            fault = policy_sinks.fault(SinkKind(data["kind"]), data["url"])
            if fault:
                self.add_error("url", fault)
        if "secret" in self.fields:
            self._clean_secret(data)
        elif data.get("kind") == SinkKind.WEBHOOK and not self.instance.secret:
            self.add_error("kind", "This sink has no secret; make a new sink.")
        return data

    def _clean_secret(self, data: dict[str, Any]) -> None:
        given = data.get("secret", "")
        if data.get("kind") == SinkKind.WEBHOOK:
            data["secret"] = given or sinks.new_secret()
            if given and not _signs(given):
                error = "whsec_ and base64 of 24 to 64 bytes, as Standard Webhooks writes it."
                self.add_error("secret", ValidationError(error))
        elif given:
            self.add_error("secret", "Only a webhook is signed.")


@admin.register(Sink)
class SinkAdmin(ModelAdmin):
    """Where a channel's messages go. An address may be a password: lists show its start alone."""

    form = SinkForm
    list_display = ["name", "channel", "kind", "address", "is_active", "created_at"]
    list_filter = ["kind", "is_active", "channel"]
    list_select_related = ["channel"]
    search_fields = ["name"]
    show_full_result_count = False
    actions = ["send_test", "renew_secret"]

    def get_fields(self, request: HttpRequest, obj: Sink | None = None) -> list[Any]:
        """The secret is given or made once; the address is for those who may change it."""
        if obj is None:
            return [*SinkForm.Meta.fields]
        url = "url" if self.has_change_permission(request, obj) else "address"
        return ["name", "channel", "kind", url, "is_active"]

    def get_readonly_fields(self, request: HttpRequest, obj: Sink | None = None) -> list[str]:
        """What was sent was sent in that channel."""
        return ["channel", "address"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Its deliveries are history; it is turned off."""
        return False

    def save_model(self, request: HttpRequest, obj: Sink, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """A new sink begins now; a secret that was made for it is shown, this once."""
        if not change:
            obj.created_at = db_now()
        super().save_model(request, obj, form, change)
        if not change and obj.secret and not form["secret"].data:
            self._show(request, obj, obj.secret)

    @admin.display(description="address")
    def address(self, sink: Sink) -> str:
        """As much of it as holds no password."""
        return policy_sinks.masked(SinkKind(sink.kind), sink.url)

    @admin.action(description="Send a test message to selected sinks", permissions=["change"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[Sink]) -> None:
        """Put one on its way to each; the deliveries' list shows what came of it."""
        actor = request.user.get_username()
        for sink in queryset.select_related("channel"):
            try:
                sinks.send_test(sink, actor=actor, now=db_now())
            except EvoxError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, f"On its way to {sink.name}: see the deliveries.")

    @admin.action(description="Make new secrets for selected webhooks", permissions=["change"])
    def renew_secret(self, request: HttpRequest, queryset: QuerySet[Sink]) -> None:
        """The old one signs nothing more, at once."""
        for sink in queryset.filter(kind=SinkKind.WEBHOOK.value):
            secret = sinks.renew_secret(sink, actor=request.user.get_username(), now=db_now())
            self.log_change(request, sink, "A new secret.")
            self._show(request, sink, secret)

    def _show(self, request: HttpRequest, sink: Sink, secret: str) -> None:
        said = f"The secret of {sink.name}, shown this once: {secret}"
        self.message_user(request, said, messages.WARNING)


class TryInline(TabularInline):
    """Each try, the newest first."""

    model = DeliveryAttempt
    fields = ("n", "started_at", "finished_at", "outcome", "http_status", "error")
    readonly_fields = fields
    ordering = ["-n"]
    verbose_name_plural = "tries"
    extra = 0
    max_num = 0
    can_delete = False


@admin.register(Delivery)
class DeliveryAdmin(HistoryAdmin):
    """What is on its way, arrived, was taken back, or is dead."""

    list_display = [
        *("id", "start", "sink", "state", "round", "attempts"),
        *("next_try_at", "last_error", "created_at", "finished_at"),
    ]
    list_filter = ["state", "sink"]
    list_select_related = ["sink", "message"]
    search_fields = ["=idempotency_key", "=cancel_key", "sink__name"]
    date_hierarchy = "created_at"
    inlines = [TryInline]
    actions = ["send_again"]

    @admin.display(description="message")
    def start(self, delivery: Delivery) -> str:
        """Its first words."""
        return delivery.message.text[:80]

    @admin.action(description="Send selected dead ones again", permissions=["operate"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Each once, with a key of its own."""
        actor, now = request.user.get_username(), db_now()
        again = [sinks.send_again(row.pk, actor=actor, now=now) for row in queryset]
        sent = sum(row is not None for row in again)
        left = len(again) - sent
        self.message_user(
            request,
            f"On their way again: {sent}."
            + (f" Left out, as they are not dead or went again before: {left}." if left else ""),
            messages.WARNING if left else messages.SUCCESS,
        )


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(HistoryAdmin):
    """Every try of every delivery."""

    list_display = [
        *("delivery_id", "n", "started_at", "finished_at", "outcome", "http_status", "error"),
    ]
    ordering = ["-id"]
    list_display_links = ["n"]
    list_filter = ["outcome"]
    search_fields = ["=delivery__idempotency_key"]
    date_hierarchy = "started_at"


def _signs(secret: str) -> bool:
    start, _, coded = secret.partition("whsec_")
    try:
        return not start and len(base64.b64decode(coded, validate=True)) in SECRET_SIZES
    except binascii.Error:
        return False
