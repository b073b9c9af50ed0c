"""What a lead does with groups of failures in the admin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from agents.admin_base import HistoryAdmin
from agents.clock import db_now
from failures import queries
from failures.models import FailureGroup
from failures.policy_groups import MOST_AT_ONCE
from failures.services import group_merges
from failures.services.group_proposals import proposals
from failures.services.groups import set_status
from failures.states import GroupStatus

VERBS = (
    ("resolve", "Resolve…"),
    ("ignore", "Ignore"),
    ("reopen", "Open again"),
    ("split", "Split members off…"),
    ("undo", "Undo the last merge…"),
)


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        required=False, max_length=500, widget=forms.TextInput(attrs={"size": 60})
    )


class MergeForm(ReasonForm):
    """Which group stands for all, and why they are one mistake."""

    def __init__(self, data: Any, groups: QuerySet[FailureGroup]) -> None:
        super().__init__(data)
        ranked = groups.order_by(F("total").desc(), "pk")
        self.fields["into"] = forms.TypedChoiceField(
            label="Held for",
            coerce=int,
            widget=forms.RadioSelect,
            choices=[(g.pk, f"{g} ({g.total} failures)") for g in ranked],
        )
        self.order_fields(["into", "reason"])


class SplitForm(ReasonForm):
    """Which members are mistakes of their own, and why."""

    def __init__(self, data: Any, root: FailureGroup) -> None:
        super().__init__(data)
        self.fields["members"] = forms.TypedMultipleChoiceField(
            coerce=int,
            widget=forms.CheckboxSelectMultiple,
            choices=[(a.group_id, str(a.group)) for a in queries.aliases_of(root)],
        )
        self.order_fields(["members", "reason"])


class ResolveForm(forms.Form):
    """How it was resolved."""

    resolution = forms.CharField(
        max_length=2_000, widget=forms.TextInput(attrs={"size": 60, "autofocus": True})
    )


class GroupVerbs(HistoryAdmin):
    """The verbs, on the list and on a group's page."""

    actions = ["merge", "split", "undo", "resolve", "ignore", "reopen"]
    change_list_template = "admin/failures/failuregroup/change_list.html"
    change_form_template = "admin/failures/failuregroup/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        """With the page of proposals."""
        page = self.admin_site.admin_view(self.proposals_view)
        return [path("proposals/", page, name="failures_group_proposals"), *super().get_urls()]

    def verbs_context(self, request: HttpRequest) -> dict[str, Any]:
        """What a group's page needs to offer the verbs."""
        allowed = self.has_operate_permission(request)
        return {"verbs": VERBS if allowed else (), "checkbox": ACTION_CHECKBOX_NAME}

    @admin.action(description="Merge: they are one mistake…", permissions=["operate"])
    def merge(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> HttpResponse | None:
        """Ask which group stands for all, then hold the others for it."""
        form = MergeForm(request.POST if "into" in request.POST else None, queryset)
        if not form.is_valid():
            return self._ask(request, queryset, form, "merge", "Merge")
        into, reason = form.cleaned_data["into"], form.cleaned_data["reason"]
        others = [group.pk for group in queryset if group.pk != into]
        act = partial(group_merges.merge, others, into=into, reason=reason)
        self._apply(request, f"{len(others)} held for it", [(into, act)])
        return None

    @admin.action(description="Split members off…", permissions=["operate"])
    def split(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> HttpResponse | None:
        """Ask which members are mistakes of their own, of one group at a time."""
        root = queryset.order_by("pk")[0]
        form = SplitForm(request.POST if "members" in request.POST else None, root)
        if not form.is_valid():
            return self._ask(request, queryset.filter(pk=root.pk), form, "split", "Split")
        members, reason = form.cleaned_data["members"], form.cleaned_data["reason"]
        act = partial(group_merges.split, root.pk, members=members, reason=reason)
        self._apply(request, f"{len(members)} split off", [(root.pk, act)])
        return None

    @admin.action(description="Undo the last merge…", permissions=["operate"])
    def undo(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> HttpResponse | None:
        """Ask why, then take the last standing merge into each selected group back."""
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, queryset, form, "undo", "Undo the last merge")
        undo = partial(group_merges.undo, reason=form.cleaned_data["reason"])
        acts = [(group.pk, partial(undo, group.pk)) for group in queryset]
        self._apply(request, "last merge undone", acts)
        return None

    @admin.action(description="Resolve…", permissions=["operate"])
    def resolve(
        self, request: HttpRequest, queryset: QuerySet[FailureGroup]
    ) -> HttpResponse | None:
        """Ask how, then call selected groups resolved until they fail again."""
        form = ResolveForm(request.POST if "resolution" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, queryset, form, "resolve", "Resolve")
        said = form.cleaned_data["resolution"]
        self._say(request, queryset, "resolved", GroupStatus.RESOLVED, resolution=said)
        return None

    @admin.action(description="Ignore", permissions=["operate"])
    def ignore(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> None:
        """Nothing is learned of selected groups."""
        self._say(request, queryset, "ignored", GroupStatus.IGNORED)

    @admin.action(description="Open again", permissions=["operate"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> None:
        """Take a resolution, or that they are ignored, back."""
        self._say(request, queryset, "open again", GroupStatus.OPEN)

    def proposals_view(self, request: HttpRequest) -> HttpResponse:
        """Groups that are probably one; each is accepted by a click."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            into, others = _whole(request, "into"), _whole(request, "others")
            reason = "Their titles differ in one word only."
            for pk in into[:1]:
                act = partial(group_merges.merge, others, into=pk, reason=reason)
                self._apply(request, f"{len(others)} held for it", [(pk, act)])
            return HttpResponseRedirect(reverse("admin:failures_group_proposals"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Groups that are probably one",
            "opts": self.opts,
            "proposals": proposals(db_now()),
        }
        return TemplateResponse(request, "failures/group_proposals.html", context)

    def _say(
        self,
        request: HttpRequest,
        groups: Iterable[FailureGroup],
        done: str,
        to: GroupStatus,
        **said: Any,
    ) -> None:
        acts = [(group.pk, partial(set_status, group.pk, to, **said)) for group in groups]
        self._apply(request, done, acts)

    def _apply(
        self, request: HttpRequest, done: str, acts: Iterable[tuple[int, Callable[..., object]]]
    ) -> None:
        by = {"actor": request.user.get_username(), "now": db_now()}
        self.carry_out(request, done, [(f"Group {pk}", partial(act, **by)) for pk, act in acts])

    def _ask(
        self,
        request: HttpRequest,
        groups: QuerySet[FailureGroup],
        form: forms.Form,
        action: str,
        title: str,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{title}: groups of failures",
            "opts": self.opts,
            "form": form,
            "groups": groups.order_by("pk")[:MOST_AT_ONCE],
            "action": action,
            "button": title,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "failures/group_act.html", context)


def _whole(request: HttpRequest, name: str) -> list[int]:
    sent = request.POST.getlist(name)[:MOST_AT_ONCE]
    return [int(one) for one in sent if one.isascii() and one.isdigit() and len(one) < 19]
