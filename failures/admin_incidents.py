"""Incidents in the admin: what needs somebody, its timeline, and the verbs of a lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from agents.admin_base import HistoryAdmin, RecentValuesFilter, TabularInline, stamp
from agents.clock import db_now
from failures.models import Incident, IncidentEvent
from failures.services import incidents
from failures.states import IncidentStatus

LEVELS = {0: "–", 1: "1 peer", 2: "2 lead", 3: "3 CEO"}
SNOOZES = ((1, "1 hour"), (4, "4 hours"), (24, "1 day"), (168, "7 days"))
VERBS: Mapping[IncidentStatus, tuple[tuple[str, str], ...]] = {
    IncidentStatus.OPEN: (
        ("acknowledge", "Acknowledge"),
        ("snooze", "Snooze…"),
        ("resolve", "Resolve…"),
    ),
    IncidentStatus.ACKNOWLEDGED: (("snooze", "Snooze…"), ("resolve", "Resolve…")),
    IncidentStatus.RESOLVED: (),
}


class ResolveForm(forms.Form):
    """How it ended."""

    resolution = forms.CharField(
        max_length=500, widget=forms.TextInput(attrs={"size": 60, "autofocus": True})
    )


class SnoozeForm(forms.Form):
    """For how long it may rest, and why."""

    hours = forms.TypedChoiceField(label="For", coerce=int, choices=SNOOZES)
    reason = forms.CharField(max_length=500, widget=forms.TextInput(attrs={"size": 60}))


class OpenFilter(admin.SimpleListFilter):
    """What still needs somebody, or what is over."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The choices."""
        return [("standing", "Not over yet"), ("over", "Resolved")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the choice."""
        over = IncidentStatus.RESOLVED.value
        if self.value() == "standing":
            return queryset.exclude(status=over)
        return queryset.filter(status=over) if self.value() == "over" else queryset


class IncidentEventInline(TabularInline):
    """What happened to an incident, in order."""

    model = IncidentEvent
    verbose_name_plural = "timeline"
    fields = readonly_fields = ("seq", "when", "kind", "level", "actor", "said")
    ordering = ["seq"]
    extra = 0
    can_delete = False

    @admin.display(description="at")
    def when(self, event: IncidentEvent) -> str:
        """To the second."""
        return stamp(event.at)

    @admin.display(description="what")
    def said(self, event: IncidentEvent) -> str:
        """Its data as words, such as `to MAX`."""
        return "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in event.data.items())

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A timeline is written, not edited."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nor corrected."""
        return False


@admin.register(Incident)
class IncidentAdmin(HistoryAdmin):
    """What needed somebody, with its timeline."""

    list_display = [
        *("number", "kind", "severity", "status", "title", "agent"),
        *("level", "opened", "next_step"),
    ]
    list_filter = [
        *(OpenFilter, "status", "severity", "kind"),
        *(("escalation_level", RecentValuesFilter), "agent"),
    ]
    list_select_related = ["agent"]
    search_fields = ["=id", "title", "agent__name", "dispatch__ticket_id"]
    search_help_text = "A number such as INC-42, words of the title, an agent, a ticket."
    date_hierarchy = "opened_at"
    inlines = [IncidentEventInline]
    actions = ["acknowledge", "snooze", "resolve"]
    change_form_template = "admin/failures/incident/change_form.html"

    @admin.display(description="incident", ordering="id")
    def number(self, incident: Incident) -> str:
        """Such as INC-42."""
        return incident.number

    @admin.display(description="told up to", ordering="escalation_level")
    def level(self, incident: Incident) -> str:
        """The highest level that heard of it."""
        return LEVELS.get(incident.escalation_level, str(incident.escalation_level))

    @admin.display(description="opened", ordering="opened_at")
    def opened(self, incident: Incident) -> str:
        """To the second."""
        return stamp(incident.opened_at)

    @admin.display(description="next step", ordering="next_step_at")
    def next_step(self, incident: Incident) -> str:
        """When EVOX looks at it again."""
        return stamp(incident.next_step_at)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """As Django's, and `INC-42` finds that one."""
        words = [
            word[4:] if word.upper().startswith("INC-") and word[4:].isdigit() else word
            for word in search_term.split()
        ]
        return super().get_search_results(request, queryset, " ".join(words))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The incident, with the verbs that its state allows."""
        row = self.get_object(request, object_id)
        allowed = row is not None and self.has_operate_permission(request)
        verbs = VERBS[IncidentStatus(row.status)] if row and allowed else ()
        context = {"verbs": verbs, "checkbox": ACTION_CHECKBOX_NAME, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @admin.action(
        description="Acknowledge: the ladder rests for 30 minutes", permissions=["operate"]
    )
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        """Take selected incidents on."""
        self._apply(request, queryset, "acknowledged for 30 minutes", incidents.acknowledge)

    @admin.action(description="Snooze…", permissions=["operate"])
    def snooze(self, request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponse | None:
        """Ask for how long and why, then let selected incidents rest."""
        form = SnoozeForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, queryset, form, "snooze", "Snooze")
        fields = {
            "until": db_now() + timedelta(hours=form.cleaned_data["hours"]),
            "reason": form.cleaned_data["reason"],
        }
        self._apply(request, queryset, "snoozed", incidents.snooze, **fields)
        return None

    @admin.action(description="Resolve…", permissions=["operate"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponse | None:
        """Ask how they ended, then resolve selected incidents."""
        form = ResolveForm(request.POST if "resolution" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, queryset, form, "resolve", "Resolve")
        said = form.cleaned_data["resolution"]
        self._apply(request, queryset, "resolved", incidents.resolve, resolution=said)
        return None

    def _ask(
        self,
        request: HttpRequest,
        queryset: QuerySet[Incident],
        form: forms.Form,
        action: str,
        title: str,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{title} incidents",
            "opts": self.opts,
            "form": form,
            "incidents": queryset.order_by("id"),
            "action": action,
            "button": title,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "failures/incident_act.html", context)

    def _apply(
        self,
        request: HttpRequest,
        queryset: QuerySet[Incident],
        done: str,
        verb: Callable[..., Incident],
        **fields: Any,
    ) -> None:
        """Apply `verb` to each row; what changed since it was looked at says so."""
        said = {"actor": request.user.get_username(), "now": db_now(), **fields}
        self.carry_out(
            request,
            done,
            [
                (one.number, partial(verb, one.pk, version=_version_seen(request, one), **said))
                for one in queryset.order_by("id")
            ],
        )


@admin.register(IncidentEvent)
class IncidentEventAdmin(HistoryAdmin):
    """Every event of every incident."""

    list_display = ["incident", "seq", "kind", "level", "actor", "at"]
    ordering = ["-id"]
    list_filter = [("kind", RecentValuesFilter), ("level", RecentValuesFilter)]
    list_select_related = ["incident"]
    search_fields = ["actor", "=incident__id"]
    date_hierarchy = "at"


def _version_seen(request: HttpRequest, incident: Incident) -> int | None:
    """The page that asked carries the version that its reader saw."""
    seen = request.POST.get(f"version-{incident.pk}", "")
    return int(seen) if seen.isdigit() else None
