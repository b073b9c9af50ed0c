"""Pauses in the admin: verbs on agents, the kill switch, and what was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from agents.admin_base import HistoryAdmin, ModelAdmin, stamp
from agents.clock import db_now
from agents.errors import EvoxError
from agents.models import Agent, Pause
from agents.policy_pauses import end_of
from agents.services import pauses

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class WhyForm(forms.Form):
    """Why, with an answer that will do."""

    reason = forms.CharField(max_length=pauses.REASON_LIMIT)

    def __init__(self, request: HttpRequest, *, sent: bool) -> None:
        default = f"by {request.user.get_username()} in the admin"
        super().__init__(request.POST if sent else None, initial={"reason": default})


class EverybodyForm(WhyForm):
    """For how long everybody shall rest, and why."""

    hours = forms.TypedChoiceField(
        label="For",
        coerce=int,
        choices=[(1, "1 hour"), (4, "4 hours"), (24, "1 day"), (168, "7 days")],
    )


@admin.action(description="Pause for 1 hour…", permissions=["change"])
def pause_for_an_hour(
    model_admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Agent]
) -> HttpResponse | None:
    """Give selected agents no work for an hour."""
    return _pause(model_admin, request, queryset, action="pause_for_an_hour", lasts=HOUR)


@admin.action(description="Pause for 1 day…", permissions=["change"])
def pause_for_a_day(
    model_admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Agent]
) -> HttpResponse | None:
    """Give selected agents no work for a day."""
    return _pause(model_admin, request, queryset, action="pause_for_a_day", lasts=DAY)


@admin.action(description="Resume: end their pauses", permissions=["change"])
def resume(model_admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
    """Let selected agents go on."""
    actor, resumed = request.user.get_username(), []
    for agent in queryset.order_by("name"):
        try:
            pauses.resume(agent, actor=actor, now=db_now())
            resumed.append(agent.name)
        except EvoxError as error:
            model_admin.message_user(request, str(error), messages.ERROR)
    if resumed:
        model_admin.message_user(request, f"Resumed: {', '.join(resumed)}.", messages.SUCCESS)


AGENT_ACTIONS = [pause_for_an_hour, pause_for_a_day, resume]


def _pause(
    model_admin: ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Agent],
    *,
    action: str,
    lasts: timedelta,
) -> HttpResponse | None:
    """Ask why, then pause each; who can't be paused says so, the others are."""
    form = WhyForm(request, sent="reason" in request.POST)
    if not form.is_valid():
        context = {
            **model_admin.admin_site.each_context(request),
            "title": f"Pause for {'1 hour' if lasts == HOUR else '1 day'}",
            "form": form,
            "agents": queryset.order_by("name"),
            "action": action,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "agents/pause.html", context)
    actor, reason, paused = request.user.get_username(), form.cleaned_data["reason"], []
    for agent in queryset.order_by("name"):
        try:
            now = db_now()
            pauses.pause(agent, until=now + lasts, reason=reason, actor=actor, now=now)
            paused.append(agent.name)
        except EvoxError as error:
            model_admin.message_user(request, str(error), messages.ERROR)
    if paused:
        model_admin.message_user(request, f"Paused: {', '.join(paused)}.", messages.SUCCESS)
    return None


class RunningFilter(admin.SimpleListFilter):
    """What holds now, or what was."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The choices."""
        return [("running", "Running"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the choice."""
        if self.value() is None:
            return queryset
        running = Pause.objects.running(now=db_now()).values("pk")
        wanted = self.value() == "running"
        return queryset.filter(pk__in=running) if wanted else queryset.exclude(pk__in=running)


@admin.register(Pause)
class PauseAdmin(HistoryAdmin):
    """Who rested, from when to when, and why; and the kill switch."""

    list_display = ["who", "start", "end", "reason", "started_by", "lifted_by"]
    list_filter = [RunningFilter, "agent"]
    list_select_related = ["agent"]
    search_fields = ["agent__name", "reason", "started_by"]
    date_hierarchy = "started_at"
    change_list_template = "agents/pauses.html"

    @admin.display(ordering="agent__name")
    def who(self, pause: Pause) -> str:
        """The agent, or everybody."""
        return pause.agent.name if pause.agent else "Everybody"

    @admin.display(description="from", ordering="started_at")
    def start(self, pause: Pause) -> str:
        """Its first second."""
        return stamp(pause.started_at)

    @admin.display(description="to", ordering="until")
    def end(self, pause: Pause) -> str:
        """When it ended or will."""
        return stamp(end_of(until=pause.until, lifted_at=pause.lifted_at))

    def get_urls(self) -> list[URLPattern]:
        """The list's, and the two pages of the kill switch."""
        site = self.admin_site
        on = path("everybody/", site.admin_view(self.pause_all), name="agents_pause_all")
        off = path("nobody/", site.admin_view(self.resume_all), name="agents_pause_none")
        return [on, off, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list under the kill switch."""
        running = pauses.running_pauses(now=db_now()).filter(agent__isnull=True).first()
        allowed = self.has_operate_permission(request)
        until = stamp(running.until) if running else ""
        switch = {"switch": running, "switch_until": until, "may_switch": allowed}
        return super().changelist_view(request, {**switch, **(extra_context or {})})

    def pause_all(self, request: HttpRequest) -> HttpResponse:
        """Ask for how long and why; then nobody gets work."""
        form = EverybodyForm(request, sent=request.method == "POST")
        if not self._may_act(request, form):
            return self._page(request, form, title="Pause everybody", verb="Pause everybody")
        now, hours = db_now(), form.cleaned_data["hours"]
        made = pauses.pause(
            None,
            until=now + hours * HOUR,
            reason=form.cleaned_data["reason"],
            actor=request.user.get_username(),
            now=now,
        )
        self.message_user(request, f"Everybody is paused until {stamp(made.until)}.")
        return HttpResponseRedirect(reverse("admin:agents_pause_changelist"))

    def resume_all(self, request: HttpRequest) -> HttpResponse:
        """Ask why; then everybody may go on."""
        form = WhyForm(request, sent=request.method == "POST")
        if not self._may_act(request, form):
            return self._page(request, form, title="Resume everybody", verb="Resume everybody")
        actor, reason = request.user.get_username(), form.cleaned_data["reason"]
        try:
            pauses.resume(None, actor=actor, reason=reason, now=db_now())
            self.message_user(request, "Everybody may go on, but for agents with their own pause.")
        except EvoxError as error:
            self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:agents_pause_changelist"))

    def _may_act(self, request: HttpRequest, form: forms.Form) -> bool:
        """Whether the page was confirmed; raises PermissionDenied for who only looks."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        return request.method == "POST" and form.is_valid()

    def _page(
        self, request: HttpRequest, form: forms.Form, *, title: str, verb: str
    ) -> TemplateResponse:
        site = self.admin_site.each_context(request)
        context = {**site, "title": title, "verb": verb, "form": form}
        return TemplateResponse(request, "agents/pause_all.html", context)
