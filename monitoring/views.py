"""The page, its fragment, and the addresses that need no login."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
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
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from monitoring import health
from monitoring.page import page
from monitoring.page_access import for_viewers, may_act, shown_zone
from monitoring.page_cache import FRAGMENTS, Key, bucket_of
from monitoring.page_look import HELD, Look
from monitoring.page_viewer import Viewer, for_polls
from monitoring.page_words import Period, period_of

FRAGMENT = "monitoring/_fragment.html"
_MILLISECONDS = re.compile(r"[0-9]{1,14}", re.ASCII)


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


@for_polls
def fragment(request: HttpRequest, viewer: Viewer) -> HttpResponseBase:
    """What the page polls: 304 while nothing on it changed."""
    seen = _instant(request.headers.get("X-Evox-Seen", ""))
    look = HELD.recent(seen=seen)
    key = _key_of(request, look, acts=viewer.acts)
    response = get_conditional_response(request, etag=key.etag)
    if response is None:
        made = FRAGMENTS.soon(key, _maker(key, look.now), asked=look.asked, seen=seen)
        key = made.key
        response = get_conditional_response(request, etag=key.etag) or HttpResponse(made.body)
    response["ETag"] = key.etag
    response["X-Evox-Now"] = _milliseconds(look.now)
    return response


def page_context(request: HttpRequest) -> dict[str, Any]:
    """The fragment as of now, and what stands around it."""
    look, acts = HELD.fresh(), may_act(request)
    key = _key_of(request, look, acts=acts)
    made = FRAGMENTS.get(key, _maker(key, look.now), asked=look.asked)
    return {
        "fragment": mark_safe(made.body.decode()),  # noqa: S308 - what a template rendered
        "now": look.now,
        "now_ms": _milliseconds(look.now),
        "period": Period(key.period),
        "periods": list(Period),
        "may_act": acts,
        "here": request.get_full_path(),
    }


def _key_of(request: HttpRequest, look: Look, *, acts: bool) -> Key:
    return Key(
        version=look.version,
        period=period_of(request.GET.get("period")).value,
        role="acts" if acts else "looks",
        base=request.build_absolute_uri("/").rstrip("/"),
        bucket=bucket_of(look.now),
    )


def _maker(key: Key, now: datetime) -> Callable[[], str]:
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

    return make


def _milliseconds(now: datetime) -> str:
    return str(int(now.timestamp() * 1000))


def _instant(milliseconds: str) -> datetime | None:
    """What `_milliseconds` said; None for what it never says."""
    if not _MILLISECONDS.fullmatch(milliseconds):
        return None
    return datetime.fromtimestamp(int(milliseconds) / 1000, tz=UTC)
