"""The page, its fragment, and the addresses that need no login."""

from __future__ import annotations

import hashlib
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe
from rest_framework.request import Request

from agents.api.authentication import LoopbackAuthentication
from agents.clock import db_now
from monitoring import health
from monitoring.page import page

FRAGMENT = "monitoring/_fragment.html"


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process lives; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether work can be taken: database, broker, fresh sweeps; 503 names what can't."""
    found = health.probe()
    body = {"status": "ok" if found.ready else "not ready", **found.parts}
    return JsonResponse(body, status=200 if found.ready else 503)


@require_safe
def evoxctl(request: HttpRequest) -> HttpResponse:
    """The one-file client, as it lies in scripts/."""
    file = settings.BASE_DIR / "scripts" / "evoxctl.py"
    if not file.is_file():
        raise Http404("This version carries no evoxctl.py.")
    return HttpResponse(file.read_bytes(), content_type="text/x-python; charset=utf-8")


@require_safe
def home(request: HttpRequest) -> HttpResponseBase:
    """The page."""
    return _page(request, "monitoring/page.html")


@require_safe
def fragment(request: HttpRequest) -> HttpResponseBase:
    """What the page polls: 304 while nothing on it changed."""
    return _page(request, FRAGMENT)


def _page(request: HttpRequest, template: str) -> HttpResponseBase:
    try:
        if not may_look(request):
            return redirect_to_login(request.get_full_path())
        context = page_context(request)
    except DatabaseError:
        return render(request, "monitoring/down.html", status=503)
    with timezone.override(ZoneInfo(settings.EVOX_TIME_ZONE)):
        body = render_to_string(template, context, request)
    response = HttpResponse(body)
    if template == FRAGMENT:
        etag = quote_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
        response["ETag"] = etag
        response = get_conditional_response(request, etag=etag, response=response) or response
    response["X-Evox-Now"] = context["now_ms"]
    patch_cache_control(response, private=True, no_cache=True)
    return response


def may_look(request: HttpRequest) -> bool:
    """Anybody on this machine while no key is required; else whoever is logged in."""
    if LoopbackAuthentication().authenticate(Request(request)) is not None:
        return True
    return bool(request.user.is_authenticated)


def page_context(request: HttpRequest) -> dict[str, Any]:
    """The page as of now, and what its empty states tell the reader to type."""
    now = db_now()
    return {
        "page": page(now=now),
        "now": now,
        "now_ms": str(int(now.timestamp() * 1000)),
        "base": request.build_absolute_uri("/").rstrip("/"),
        "key_required": settings.EVOX_REQUIRE_KEY,
    }
