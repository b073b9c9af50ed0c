"""The page, its fragment, and the addresses that need no login."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
)
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import get_conditional_response
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from agents.clock import db_now
from monitoring import health, page_rows
from monitoring.page import page
from monitoring.page_access import for_viewers, may_act, shown_zone
from monitoring.page_cache import FRAGMENTS, Key, bucket_of
from monitoring.page_words import Period, period_of

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


@for_viewers
def home(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "monitoring/page.html", page_context(request))


@for_viewers
def fragment(request: HttpRequest) -> HttpResponseBase:
    """What the page polls: 304 while nothing on it changed."""
    now = db_now()
    key = _key_of(request, now=now)
    response = get_conditional_response(request, etag=key.etag) or HttpResponse(
        _fragment_of(key, now=now)
    )
    response["ETag"] = key.etag
    response["X-Evox-Now"] = _milliseconds(now)
    return response


def page_context(request: HttpRequest) -> dict[str, Any]:
    """The fragment as of now, and what stands around it."""
    now = db_now()
    key = _key_of(request, now=now)
    return {
        "fragment": _fragment_of(key, now=now),
        "now": now,
        "now_ms": _milliseconds(now),
        "period": Period(key.period),
        "periods": list(Period),
        "may_act": may_act(request),
        "here": request.get_full_path(),
    }


def _key_of(request: HttpRequest, *, now: datetime) -> Key:
    return Key(
        version=page_rows.version(),
        period=period_of(request.GET.get("period")).value,
        role="acts" if may_act(request) else "looks",
        base=request.build_absolute_uri("/").rstrip("/"),
        bucket=bucket_of(now),
    )


def _fragment_of(key: Key, *, now: datetime) -> SafeString:
    def make() -> str:
        context = {
            "page": page(now=now, period=Period(key.period)),
            "now": now,
            "base": key.base,
            "may_act": key.role == "acts",
            "key_required": settings.EVOX_REQUIRE_KEY,
        }
        with shown_zone():
            return render_to_string(FRAGMENT, context)

    return mark_safe(FRAGMENTS.get(key, make))  # noqa: S308 - what a template rendered


def _milliseconds(now: datetime) -> str:
    return str(int(now.timestamp() * 1000))
