"""GitHub in the admin: pull requests, and what GitHub sent."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from agents.admin_base import HistoryAdmin
from recovery.models import PullRequest, WebhookDelivery


@admin.register(PullRequest)
class PullRequestAdmin(HistoryAdmin):
    """Pull requests as GitHub last told."""

    list_display = ["repository", "number", "title", "author", "state", "draft", "updated_at"]
    list_filter = ["state", "draft", "is_fork"]
    search_fields = ["=number", "repository", "title", "author", "branch", "head_sha"]
    date_hierarchy = "updated_at"


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(HistoryAdmin):
    """What GitHub sent, and what became of it."""

    list_display = ["guid", "event", "action", "number", "status", "tries", "received_at"]
    list_filter = ["status", "event"]
    search_fields = ["guid", "=number", "error"]
    date_hierarchy = "received_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        """Without the bodies, which may be 25 MiB each; the page of one row reads its own."""
        return super().get_queryset(request).defer("body")
