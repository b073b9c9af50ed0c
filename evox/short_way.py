"""The short way of the ordinary report: past middleware and framework that it doesn't need.

An agent that is known here by its key, and whose report is plainly right, is answered by one
statement. Whatever is odd about a request, nothing is done and it goes the long way, which alone
refuses, and whose answers teach the short way their headers. So without this middleware the same
is stored and answered, in twice the time.
"""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer

from agents.api import known_keys
from agents.api.known_keys import KnownKey
from agents.api.parsers import SINGLE_LIMIT, parse_json
from failures.api.answers import answer
from failures.api.reading import plainly_right, report_of
from failures.models import Failure
from failures.services.log_one import KeyGoneError, log_one

PATHS = frozenset({"/logFailure", "/api/v1/failures"})
_ODD = ("HTTP_IDEMPOTENCY_KEY", "HTTP_TRANSFER_ENCODING")
_ACCEPTED = frozenset({"*/*", "application/json"})
_RENDERER = JSONRenderer()

Next = Callable[[HttpRequest], HttpResponse]


class ShortWay:
    """The outermost middleware."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self._headers: dict[str, dict[str, str]] = {}
        """By path, those of the last report that went the long way, but for its length."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer, by whichever way."""
        if request.method != "POST" or request.path_info not in PATHS or _is_odd(request):
            return self.get_response(request)
        headers = self._headers.get(request.path_info)
        if headers is not None and (failure := _logged(request)) is not None:
            content = _RENDERER.render(answer(failure))
            length = {"Content-Length": str(len(content))}
            return HttpResponse(content, status=201, headers=headers | length)
        response = self.get_response(request)
        if response.status_code == 201 and not response.cookies:
            self._headers[request.path_info] = dict(response.items())
        return response


def _is_odd(request: HttpRequest) -> bool:
    meta = request.META
    # A cookie may be a login.
    if meta.get("QUERY_STRING") or meta.get("HTTP_COOKIE"):
        return True
    if meta.get("CONTENT_TYPE") != "application/json":
        return True
    if meta.get("HTTP_ACCEPT", "*/*") not in _ACCEPTED or any(name in meta for name in _ODD):
        return True
    try:
        request.get_host()
    except DisallowedHost:
        return True
    return False


def _logged(request: HttpRequest) -> Failure | None:
    """The failure, stored; None, and nothing done, where that is for the long way."""
    scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    known = known_keys.find(key) if scheme == "Bearer" else None
    if known is None:
        return None
    try:
        return _log(request, known)
    except KeyGoneError:
        known_keys.forget(key)
    except (APIException, DatabaseError):
        pass  # The long way meets it too, and knows what to say.
    return None


def _log(request: HttpRequest, known: KnownKey) -> Failure | None:
    size = str(request.META.get("CONTENT_LENGTH", ""))
    if not (size.isascii() and size.isdigit() and int(size) <= SINGLE_LIMIT):
        return None
    body = request.body
    if not body.lstrip().startswith(b"{"):
        return None
    valid = plainly_right(parse_json(body))
    if valid is None or (valid["agentName"] or known.agent.name).upper() != known.agent.name:
        return None
    report = report_of(valid, known.agent)
    return log_one(report, prefix=known.prefix, hashed=known.hashed)
