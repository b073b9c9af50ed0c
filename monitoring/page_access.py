"""Who may look at the page, who may act from it, and in which zone they read times."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Concatenate, ParamSpec
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_cache_control
from rest_framework.request import Request

from agents.api.authentication import LoopbackAuthentication

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
ACT = "failures.change_incident"
"""The permission, beside being staff, that the verbs on incidents need here and in the admin."""


def is_local(request: HttpRequest) -> bool:
    """Whether it comes from this machine, where no key is required."""
    return LoopbackAuthentication().authenticate(Request(request)) is not None


def may_look(request: HttpRequest) -> bool:
    """Anybody on this machine while no key is required; else whoever is logged in."""
    return is_local(request) or bool(request.user.is_authenticated)


def may_act(request: HttpRequest) -> bool:
    """Staff that may change incidents; a login is needed for that on every machine."""
    user = request.user
    return bool(user.is_authenticated and user.is_staff and user.has_perm(ACT))


def shown_zone() -> AbstractContextManager[None]:
    """Times are shown in EVOX_TIME_ZONE."""
    return timezone.override(ZoneInfo(settings.EVOX_TIME_ZONE))


def for_viewers(view: View[P]) -> View[P]:
    """The view for who may look, the login for the others, a sentence without a database."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        def answer() -> HttpResponseBase:
            if not may_look(request):
                return redirect_to_login(request.get_full_path())
            with shown_zone():
                return view(request, *args, **kwargs)

        return answered(request, answer)

    return guarded


def answered(request: HttpRequest, answer: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """The answer to who reads, a sentence when there is no database to ask; nobody keeps it."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponse(status=405)
    try:
        response = answer()
    except DatabaseError:
        return render(request, "monitoring/down.html", status=503)
    patch_cache_control(response, private=True, no_cache=True)
    return response
