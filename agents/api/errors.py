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


class PayloadTooLargeError(exceptions.APIException):
    """A body over its limit. HTTP 413."""

    status_code = 413
    default_code = "too_large"
    default_detail = "The body is too large."


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
    headers = {}
    if isinstance(exc, exceptions.APIException):
        if getattr(exc, "auth_header", None):
            headers["WWW-Authenticate"] = exc.auth_header
        if getattr(exc, "wait", None):
            headers["Retry-After"] = f"{exc.wait:.0f}"
    return Response(body, status=status, headers=headers)


def _answer(exc: Exception) -> tuple[int, dict[str, Any]] | None:
    match exc:
        case InvalidInputError():
            return 400, error_body(exc.code, str(exc), {exc.field: [str(exc)]})
        case EvoxError():
            return exc.status, error_body(exc.code, str(exc))
        case IllegalMoveError():
            return 409, error_body("illegal_move", str(exc))
        case Http404():
            return 404, error_body("not_found", "There is no such thing.")
        case PermissionDenied():
            return 403, error_body("forbidden", "This isn't yours to do.")
        case RequestDataTooBig():
            return 413, error_body("too_large", "The body is too large.")
        case exceptions.ValidationError():
            return 400, _invalid(exc)
        case exceptions.APIException():
            code = str(getattr(exc.detail, "code", exc.default_code))
            return exc.status_code, error_body(code, str(exc.detail))
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
    return JsonResponse(error_body("internal", "EVOX failed at this; its log says why."), status=500)
