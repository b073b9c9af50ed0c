"""Acknowledge, snooze and resolve from the page: staff only, against the version they saw."""

from __future__ import annotations

import re
from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from agents.clock import db_now
from agents.errors import EvoxError, IllegalMoveError
from failures.services import incidents
from monitoring.page_access import may_act

WORDS_LIMIT = 500
SNOOZES = {1: "1 hour", 4: "4 hours", 24: "1 day", 168: "7 days"}
_ACT = re.compile(r"(acknowledge|snooze|resolve)\.([0-9]{1,18})\.([0-9]{1,9})", re.ASCII)


@require_POST
def act(request: HttpRequest) -> HttpResponseBase:
    """Do what the pressed button says, then show the page again, with how it went."""
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = reverse("home")
    if not request.user.is_authenticated:
        return redirect_to_login(back)
    if not may_act(request):
        return HttpResponse("A login without staff rights reads only.", status=403)
    pressed = _ACT.fullmatch(request.POST.get("do", ""))
    if pressed is None:
        return HttpResponse("The page sent something that is not an act.", status=400)
    verb, pk, version = pressed[1], int(pressed[2]), int(pressed[3])
    try:
        if not _try(request, verb, pk, version):
            back = reverse("incident", args=[pk])
    except DatabaseError:
        return render(request, "monitoring/down.html", status=503)
    return HttpResponseRedirect(back, status=303)


def _try(request: HttpRequest, verb: str, pk: int, version: int) -> bool:
    """Act and say how it went; False when words are missing that only the incident's page asks."""
    try:
        messages.success(request, _done(request, verb, pk, version))
    except EvoxError as error:
        messages.error(request, f"{error} Nothing was done.")
    except IllegalMoveError as error:
        messages.error(request, f"INC-{pk}: {error} Nothing was done.")
    except _UnsaidError as error:
        messages.error(request, str(error))
        return False
    return True


class _UnsaidError(Exception):
    """The act needs words that were not given."""


def _done(request: HttpRequest, verb: str, pk: int, version: int) -> str:
    """Carry the act out and say what it came to."""
    now, actor = db_now(), request.user.get_username()
    said = " ".join(request.POST.get(f"reason-{pk}", "").split())[:WORDS_LIMIT]
    if verb == "acknowledge":
        incidents.acknowledge(pk, actor=actor, version=version, now=now)
        return f"INC-{pk} is yours for 30 minutes; then it asks again."
    if not said:
        why = "why it may rest" if verb == "snooze" else "how it ended"
        raise _UnsaidError(f"INC-{pk}: say {why}, in a few words; it is kept on record.")
    if verb == "resolve":
        incidents.resolve(pk, resolution=said, actor=actor, version=version, now=now)
        return f"INC-{pk} is over."
    asked = request.POST.get(f"hours-{pk}", "1")
    hours = int(asked) if asked in {str(known) for known in SNOOZES} else 1
    until = now + timedelta(hours=hours)
    incidents.snooze(pk, until=until, reason=said, actor=actor, version=version, now=now)
    return f"INC-{pk} rests for {SNOOZES[hours]}."
