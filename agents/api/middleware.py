"""Refuses, in the one error shape, what the layers below would drop or choke on."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

from agents.api.errors import error_body

Next = Callable[[HttpRequest], HttpResponse]


def refuse_unreadable(get_response: Next) -> Next:
    """Middleware: 411 for a body of unknown length, 400 for a cookie with a NUL."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return _refusal(request) or get_response(request)

    return middleware


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
        # WSGI hands no such body over: it would be taken for an empty one, and be lost.
        return _answer(411, "length_required", "Send the body with a Content-Length.")
    if any("\x00" in value for value in request.COOKIES.values()):
        return _answer(400, "invalid", "A cookie holds a NUL.")
    return None


def _answer(status: int, code: str, message: str) -> HttpResponse:
    return JsonResponse(error_body(code, message), status=status)
