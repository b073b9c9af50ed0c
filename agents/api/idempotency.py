"""`Idempotency-Key` on writes that make something."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from agents.api.authentication import caller_of
from agents.clock import db_now
from agents.masking import scrub
from agents.services.idempotency import Answer, once

Handler = Callable[..., Response]

documented = extend_schema(
    parameters=[
        OpenApiParameter(
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": 255},
            OpenApiParameter.HEADER,
            description="The same key and body again hear the first answer, for 24 hours.",
        )
    ]
)


def idempotent(handler: Handler) -> Handler:
    """Make a view's handler answer a repeated Idempotency-Key as it did the first time."""

    @wraps(handler)
    def guarded(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return handler(view, request, *args, **kwargs)
        key = _without_secrets(key)

        def act() -> Answer:
            response = handler(view, request, *args, **kwargs)
            return response.status_code, _plain(response.data)

        scope = f"{caller_of(request).pk} {scrub(request.path)}"[:300]
        # A flat call may come with its arguments in the query.
        said = [request.data, scrub(request.META["QUERY_STRING"])] if request.GET else request.data
        status, answer = once(key, scope=scope, body=said, act=act, now=db_now())
        return Response(answer, status=status)

    return documented(guarded)


def _without_secrets(key: str) -> str:
    """The key, or its digest if it shows a secret: what is masked alike must stay two keys."""
    return key if scrub(key) == key else f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def _plain(data: Any) -> Any:
    """The answer as it will stand on the wire, so that it can be stored."""
    return json.loads(json.dumps(data, cls=JSONEncoder))
