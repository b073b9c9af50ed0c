"""One shape for every error: `{"error": {"code", "message", "fields"?}}`."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from agents.errors import EvoxError, IllegalMoveError, InvalidInputError

logger = logging.getLogger(__name__)

_FRAMEWORK_ERRORS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (Http404, 404, "not_found", "There is no such thing."),
    (PermissionDenied, 403, "forbidden", "This isn't yours to do."),
    (RequestDataTooBig, 413, "too_large", "The body is too large."),
)


def error_body(code: str, message: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    """The error shape; `fields` maps a field's name to what is wrong with it."""
    error: dict[str, Any] = {"code": code, "message": message}
    if fields:
        error["fields"] = fields
    return {"error": error}


def handle_exception(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every known error in the one shape, unknown ones stay 500."""
    answer = _answer(exc)
    if answer is None:
        return None
    set_rollback()
    status, body = answer
    return Response(body, status=status, headers=_headers(exc))


def _headers(exc: Exception) -> dict[str, str]:
    # DRF hangs both on the exceptions of a missing key and of a throttled call.
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = str(challenge)
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = f"{wait:.0f}"
    return headers


def _answer(exc: Exception) -> tuple[int, dict[str, Any]] | None:
    match exc:
        case EvoxError():
            fields = {exc.field: [str(exc)]} if isinstance(exc, InvalidInputError) else None
            return exc.status, error_body(exc.code, str(exc), fields)
        case IllegalMoveError():
            return 409, error_body("illegal_move", str(exc))
        case exceptions.ValidationError():
            return 400, _invalid(exc)
        case exceptions.APIException():
            code = str(getattr(exc.detail, "code", exc.default_code))
            return exc.status_code, error_body(code, str(exc.detail))
        case _:
            return _framework_answer(exc)


def _framework_answer(exc: Exception) -> tuple[int, dict[str, Any]] | None:
    for kind, status, code, message in _FRAMEWORK_ERRORS:
        if isinstance(exc, kind):
            return status, error_body(code, message)
    return None


def _invalid(exc: exceptions.ValidationError) -> dict[str, Any]:
    detail = exc.detail
    fields = detail if isinstance(detail, dict) else {"body": detail}
    first = next(iter(fields))
    return error_body("invalid", f"{first}: {_first_text(fields[first])}", fields)


def _first_text(detail: Any) -> str:
    while isinstance(detail, list | dict) and detail:
        detail = next(iter(detail.values())) if isinstance(detail, dict) else detail[0]
    return str(detail)


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """What an unknown address answers."""
    return JsonResponse(error_body("not_found", "There is nothing at this address."), status=404)


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """What a request that Django refuses (such as a strange Host) answers."""
    return JsonResponse(error_body("invalid", "This request can't be served."), status=400)


def server_error(request: HttpRequest) -> JsonResponse:
    """What a defect answers; the log has the traceback."""
    return JsonResponse(
        error_body("internal", "EVOX failed at this; its log says why."), status=500
    )
