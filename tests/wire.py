"""What the tests of the API share: calls, the error shape, and whether anything changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from rest_framework.test import APIClient

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TEAM_APPS = ("agents", "failures", "recovery", "learnings", "monitoring")


def call(method: str, path: str, body: Any = None, *, key: str | None = None, **extra: Any) -> Any:
    """One call, as JSON unless `body` is bytes already."""
    client = APIClient(raise_request_exception=False)
    if key is not None:
        extra["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    extra.setdefault("content_type", "application/json")
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return client.generic(method, f"/api/v1/{path}", raw, **extra)


def get(path: str, **extra: Any) -> Any:
    return call("GET", path, **extra)


def post(path: str, body: Any = None, **extra: Any) -> Any:
    return call("POST", path, body, **extra)


def patch(path: str, body: Any = None, **extra: Any) -> Any:
    return call("PATCH", path, body, **extra)


def refused(response: Any, status: int, code: str | None = None, field: str | None = None) -> bool:
    """Assert the documented error shape; a helper that returns so that it reads as an assertion."""
    assert response.status_code == status, (response.status_code, response.content[:500])
    body = response.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() <= {"code", "message", "fields"}
    assert isinstance(body["error"]["code"], str)
    assert body["error"]["message"]
    if code is not None:
        assert body["error"]["code"] == code
    if field is not None:
        assert field in body["error"]["fields"]
    return True


def rows() -> dict[str, list[Any]]:
    """Every row of every table of ours."""
    return {
        model.__name__: list(model.objects.order_by("pk").values())
        for label in TEAM_APPS
        for model in apps.get_app_config(label).get_models()
    }
