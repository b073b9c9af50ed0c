"""Two pages that act on all learnings at once: the switch, and taking an agent's back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from agents.admin_base import HistoryAdmin
from agents.clock import db_now
from agents.errors import EvoxError
from agents.models import Agent
from learnings.services import retirement, switch
from learnings.services.switch import REASON_LIMIT

LIST = "admin:learnings_learning_changelist"
DAY = timedelta(days=1)


class SwitchForm(forms.Form):
    """Why it is turned."""

    reason = forms.CharField(
        max_length=REASON_LIMIT, widget=forms.TextInput(attrs={"size": 60, "autofocus": True})
    )


class TakeBackForm(forms.Form):
    """Whose learnings, of which days, and why."""

    agent = forms.ModelChoiceField(queryset=Agent.objects.none())
    days = forms.TypedChoiceField(
        label="Of the last",
        coerce=int,
        choices=[(1, "1 day"), (7, "7 days"), (28, "28 days"), (3650, "10 years: all")],
    )
    reason = forms.CharField(max_length=REASON_LIMIT, widget=forms.TextInput(attrs={"size": 60}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["agent"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = Agent.objects.order_by("name")


class ActsOnAll(HistoryAdmin):
    """What the list of learnings offers above its rows."""

    change_list_template = "learnings/learnings.html"

    def get_urls(self) -> list[URLPattern]:
        """The list's, and the two pages."""
        view = self.admin_site.admin_view
        return [
            path("switch/", view(self.turn), name="learnings_switch"),
            path("take-back/", view(self.take_back), name="learnings_take_back"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list under the switch."""
        shown = {"switch": switch.state(), "may_act": self.has_operate_permission(request)}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def turn(self, request: HttpRequest) -> HttpResponse:
        """Ask why; then tell agents nothing that was learned, or all of it again."""
        on = not switch.is_on()
        form = SwitchForm(request.POST if request.method == "POST" else None)
        words = (
            "Agents are told again what was learned."
            if on
            else "No briefing, answer or instruction tells an agent what was learned, from now on."
        )
        title = "Tell agents again" if on else "Tell agents nothing"
        if not self._may(request, form):
            return self._ask(request, form, title=title, words=words)
        # As the page said: whoever pressed twice, or after somebody else, turns nothing back.
        wanted = request.POST.get("to") == "on"
        actor, reason = request.user.get_username(), form.cleaned_data["reason"]
        return self._done(
            request, lambda: switch.turn(on=wanted, actor=actor, reason=reason, now=db_now()), words
        )

    def take_back(self, request: HttpRequest) -> HttpResponse:
        """Ask whose; then tell nothing that came of that agent."""
        form = TakeBackForm(request.POST if request.method == "POST" else None)
        words = (
            "Everything in which this agent had a part is retired or rejected: learnings from its"
            " failures, its own, and words of its that were let through."
        )
        if not self._may(request, form):
            return self._ask(
                request, form, title="Take back all that came of an agent", words=words
            )
        data, now = form.cleaned_data, db_now()
        return self._done(
            request,
            lambda: retirement.retire_derived(
                data["agent"],
                since=now - data["days"] * DAY,
                actor=request.user.get_username(),
                reason=data["reason"],
                now=now,
            ),
            f"Taken back: what came of {data['agent'].name}.",
        )

    def _may(self, request: HttpRequest, form: forms.Form) -> bool:
        """Whether the page was confirmed; raises PermissionDenied for who only looks."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        return request.method == "POST" and form.is_valid()

    def _ask(
        self, request: HttpRequest, form: forms.Form, *, title: str, words: str
    ) -> TemplateResponse:
        site = self.admin_site.each_context(request)
        to = "off" if switch.is_on() else "on"
        context = {**site, "title": title, "form": form, "words": words, "to": to}
        return TemplateResponse(request, "learnings/act.html", context)

    def _done(self, request: HttpRequest, act: Any, words: str) -> HttpResponse:
        try:
            act()
            self.message_user(request, words)
        except EvoxError as error:
            self.message_user(request, str(error), "ERROR")
        return HttpResponseRedirect(reverse(LIST))
