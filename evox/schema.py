"""What drf-spectacular can't read off the views: authenticators, errors, and plain addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView

Schema = dict[str, Any]

BY_QUERY = "The same names may come as query parameters, with an empty body."
ERROR_REF = {"$ref": "#/components/schemas/Error"}
ERRORS = {
    "400": "A field, a parameter or the body can't be used.",
    "401": "A key is missing, unknown or revoked.",
    "403": "Known, but this isn't the caller's to do.",
    "404": "There is no such row or agent.",
}
WRITE_ERRORS = {
    "409": "An illegal move, a claim that no longer holds, or a key used with another body.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
}
ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "fields": {"type": "object", "additionalProperties": True},
            },
        }
    },
}


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # it has no types
    """An agent's or an operator's key."""

    target_class = "agents.api.authentication.AgentKeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        """`Authorization: Bearer <key>`."""
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # it has no types
    """A login of the admin."""

    target_class = "agents.api.authentication.StaffSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        """The session's cookie."""
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class LoopbackScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # it has no types
    """No key at all, on the own machine."""

    target_class = "agents.api.authentication.LoopbackAuthentication"
    name: list[str] = []

    def get_security_definition(self, auto_schema: Any) -> list[Schema]:
        """There is nothing to send."""
        return []

    def get_security_requirement(self, auto_schema: Any) -> Schema:
        """An empty requirement makes the others optional."""
        return {}


class SchemaView(SpectacularAPIView):
    """`/api/schema/`, and with `?format=json` as JSON: nowhere else does the query choose."""

    def get_format_suffix(self, **kwargs: Any) -> str | None:
        """The asked-for format; an unknown one is 404."""
        wanted: str | None = self.request.query_params.get("format")
        return wanted


def finish(result: Schema, generator: Any, request: Any, public: bool) -> Schema:  # noqa: FBT001
    """The hook of SPECTACULAR_SETTINGS: add errors and the addresses that no API view serves."""
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR
    for method, operation in _operations(result):
        errors = ERRORS if method == "get" else ERRORS | WRITE_ERRORS
        for status, description in errors.items():
            operation["responses"].setdefault(status, _json(description, ERROR_REF))
        if "flat" in operation["tags"] and method == "post":
            operation["description"] = f"{operation['description']}\n\n{BY_QUERY}"
            # With an empty body the query speaks.
            operation.get("requestBody", {}).pop("required", None)
    result["paths"] |= _plain_paths()
    return result


def _operations(result: Schema) -> Iterator[tuple[str, Schema]]:
    for item in result["paths"].values():
        yield from item.items()


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _plain_paths() -> Schema:
    anything = {"type": "object", "additionalProperties": True}
    ready = {"200": _json("Ready.", anything), "503": _json("Not ready: why.", anything)}
    file = {"description": "The file.", "content": {"text/x-python": {}}}
    return {
        "/healthz": _look("healthz", "The process lives.", {"200": _json("It does.", anything)}),
        "/readyz": _look("readyz", "Whether work can be taken.", ready),
        "/evoxctl.py": _look("evoxctl", "The client in one file.", {"200": file}),
        "/api/v1/webhooks/github": _webhook("github_webhook", "webhooks"),
        "/github-webhook": _webhook("flat_github_webhook", "flat"),
        "/webhook/github": _webhook("flat_webhook_github", "flat"),
    }


def _look(operation_id: str, description: str, responses: Schema) -> Schema:
    operation = {"operationId": operation_id, "description": description, "tags": ["open"]}
    return {"get": {**operation, "security": [{}], "responses": responses}}


def _webhook(operation_id: str, tag: str) -> Schema:
    anything = {"type": "object", "additionalProperties": True}
    refusals = {
        "400": "The body or a header can't be used.",
        "401": "The signature is missing or wrong.",
        "413": "The body is too large.",
        "500": "Written down, but its effect failed; EVOX tries again by itself.",
        "503": "No webhook secret is set.",
    }
    answers = {status: _json(text, ERROR_REF) for status, text in refusals.items()}
    headers = ["X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256"]
    operation = {
        "operationId": operation_id,
        "description": "GitHub's delivery, authenticated by its signature alone.",
        "tags": [tag],
        "security": [{}],
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
            for name in headers
        ],
        "requestBody": {"content": {"application/json": {"schema": anything}}},
        "responses": {
            "200": _json("Written down, and its effect done.", anything),
            **answers,
        },
    }
    return {"post": operation}
