"""Groups of failures in the admin: roots with their members, and the verbs of a lead."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.admin_base import stamp
from agents.models import AuditEntry
from failures import queries
from failures.admin_group_verbs import GroupVerbs
from failures.models import FailureGroup, GuidanceShown
from failures.services.guidance import shown_of

SHOWN = 50
"""So many of those who were told a known fix, and of past acts, are listed, the last ones."""


@admin.register(FailureGroup)
class FailureGroupAdmin(GroupVerbs):
    """Like failures, together: roots, summed over their members."""

    list_display = ["name", "error_type", "by_text", "failures", "status", "since", "until"]
    list_filter = ["status", "error_type"]
    search_fields = ["template", "tool_code", "error_class", "fingerprint"]
    date_hierarchy = "last_seen_at"
    readonly_fields = ["by_text", "failures", "agents", "members", "since", "until", "told", "acts"]
    fieldsets = [
        (None, {"fields": ["template", "tool_code", "error_class", "error_type", "by_text"]}),
        ("Failures", {"fields": ["failures", "agents", "since", "until"]}),
        ("State", {"fields": ["status", "resolution", "resolved_by", "resolved_at", "guidance"]}),
        ("Held for it", {"fields": ["members", "fingerprint", "family"]}),
        ("History", {"fields": ["told", "acts"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[FailureGroup]:
        """Roots with what they stand at."""
        return queries.groups()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """As Django's, and a member's words find its root."""
        found, doubles = super().get_search_results(request, queryset, search_term)
        if not search_term:
            return found, doubles
        merged = FailureGroup.objects.filter(merged_into__isnull=False)
        members, _ = super().get_search_results(request, merged, search_term)
        either = Q(pk__in=found.order_by().values("pk"))
        return queryset.filter(either | Q(pk__in=members.values("merged_into"))), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The root's page, with its verbs; a member's leads to it."""
        if object_id.isdigit() and self.get_object(request, object_id) is None:
            member = FailureGroup.objects.filter(pk=int(object_id), merged_into__isnull=False)
            if (found := member.first()) is not None and self.has_view_permission(request, found):
                root = found.merged_into_id
                return HttpResponseRedirect(
                    reverse("admin:failures_failuregroup_change", args=[root])
                )
        context = {**self.verbs_context(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description="failure", ordering="template")
    def name(self, group: FailureGroup) -> str:
        """Its masked line, else its fingerprint."""
        return str(group)[:120]

    @admin.display(description="type by its text", ordering="classified_type")
    def by_text(self, group: FailureGroup) -> str:
        """What its text says that it is, where that isn't what its reporter said."""
        differs = group.classified_type not in {"", group.error_type}
        return group.get_classified_type_display() if differs else "–"

    @admin.display(description="failures", ordering="total")
    def failures(self, group: FailureGroup) -> int:
        """Of all its members."""
        return group.total

    @admin.display(description="first seen", ordering="seen_first")
    def since(self, group: FailureGroup) -> str:
        """To the second."""
        return stamp(group.seen_first)

    @admin.display(description="last seen", ordering="seen_last")
    def until(self, group: FailureGroup) -> str:
        """To the second."""
        return stamp(group.seen_last)

    @admin.display(description="failures by agent")
    def agents(self, group: FailureGroup) -> str:
        """Whose they are, the most first."""
        return ", ".join(f"{name} {n:,}" for name, n in queries.counts_by_agent(group).items())

    @admin.display(description="members")
    def members(self, group: FailureGroup) -> SafeString | str:
        """The groups that are held for it: since when, by whom and why."""
        return _listed(
            [
                (f"{one.group} ({one.group.count:,})", stamp(one.at), one.by, one.reason)
                for one in queries.aliases_of(group)
            ],
            "<li><strong>{}</strong> since {} by {} {}</li>",
            empty="It stands for itself alone.",
        )

    @admin.display(description="guidance was given to")
    def told(self, group: FailureGroup) -> SafeString | str:
        """The last agents that were told its known fix, the newest first."""
        return _listed(
            [
                (stamp(one.at), one.agent.name, one.get_via_display().lower(), _work_of(one))
                for one in shown_of(group, limit=SHOWN)
            ],
            "<li>{} <strong>{}</strong>, {} {}</li>",
            empty="Nobody so far.",
        )

    @admin.display(description="what people did")
    def acts(self, group: FailureGroup) -> SafeString | str:
        """The audited acts on it, the newest first."""
        acts = AuditEntry.objects.filter(subject_kind="failure_group", subject_id=group.pk)
        return _listed(
            [
                (stamp(one.at), one.actor, one.verb.replace("_", " "), one.reason)
                for one in acts.order_by("-id")[:SHOWN]
            ],
            "<li>{} {}: <strong>{}</strong> {}</li>",
            empty="Nobody has decided anything yet.",
        )


def _listed(rows: list[tuple[object, ...]], line: str, *, empty: str) -> SafeString | str:
    if not rows:
        return empty
    return format_html('<ol class="plain">{}</ol>', format_html_join("", line, rows))


def _work_of(shown: GuidanceShown) -> SafeString | str:
    """Where it was told: an attempt, by its dispatch."""
    if shown.attempt is None:
        return ""
    dispatch = shown.attempt.dispatch
    address = reverse("admin:agents_dispatch_change", args=[dispatch.pk])
    return format_html('of <a href="{}">{}</a>', address, dispatch)
