"""GitHub in the admin: pull requests, and what GitHub sent."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from agents.admin_base import HistoryAdmin, RecentValuesFilter
from recovery.models import PullRequest, Repository, ReviewHead, WebhookDelivery


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
    list_filter = ["status", ("event", RecentValuesFilter)]
    search_fields = ["guid", "=number", "error"]
    date_hierarchy = "received_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        """Without the bodies, which may be 25 MiB each; the page of one row reads its own."""
        return super().get_queryset(request).defer("body")


@admin.register(Repository)
class RepositoryAdmin(HistoryAdmin):
    """Repositories whose webhook was heard, and when their pull requests were last listed."""

    list_display = ["name", "proved_at", "checked_at", "next_check_at", "failures", "error"]
    search_fields = ["name", "error"]
    date_hierarchy = "checked_at"


@admin.register(ReviewHead)
class ReviewHeadAdmin(HistoryAdmin):
    """Head commits that were to be reviewed, and what queued their review."""

    list_display = ["pull", "short", "source", "dispatch", "seen_at", "triggered_at"]
    list_filter = ["source"]
    list_select_related = ["pull", "dispatch"]
    search_fields = ["head_sha", "pull__repository", "=pull__number"]
    date_hierarchy = "seen_at"

    @admin.display(description="commit", ordering="head_sha")
    def short(self, head: ReviewHead) -> str:
        """Its first twelve digits."""
        return head.head_sha[:12]
