"""Lists come in pages of `limit` (1–200) with a cursor to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError as UnfitValue
from django.db import DataError, transaction
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

if TYPE_CHECKING:
    # rest_framework.generics imports this module while it loads.
    from rest_framework.generics import GenericAPIView
    from rest_framework.serializers import BaseSerializer
    from rest_framework.views import APIView

MAX_LIMIT = 200


class Pages(CursorPagination):
    """`{"results": […], "next": url | null}`, the newest first."""

    page_size = 50
    max_page_size = MAX_LIMIT
    page_size_query_param = "limit"
    ordering = "-id"

    def get_page_size(self, request: Request) -> int:
        """The asked-for limit; raises ValidationError for one that is no number from 1 to 200."""
        return read_limit(request, default=50)

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        """The rows of the page; raises ValidationError for a cursor that EVOX didn't make."""
        try:
            with transaction.atomic():
                return super().paginate_queryset(queryset, request, view)
        except (ValueError, TypeError, UnfitValue, DataError):
            if self.cursor_query_param not in request.query_params:
                raise
            raise ValidationError({self.cursor_query_param: ["This cursor isn't one."]}) from None

    def get_paginated_response(self, data: Any) -> Response:
        """The page and where the next one is."""
        return Response({"results": data, "next": self.get_next_link()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The same, for OpenAPI."""
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {"type": ["string", "null"], "format": "uri"},
            },
        }


def page_of(
    view: GenericAPIView[Any],
    found: QuerySet[Any],
    shape: type[BaseSerializer[Any]],
    *,
    context: dict[str, Any] | None = None,
) -> Response:
    """The asked-for page of `found`, each row in `shape`, which hears of `context`."""
    rows = view.paginate_queryset(found)
    return view.get_paginated_response(shape(rows, many=True, context=context or {}).data)


def read_limit(request: Request, *, default: int, maximum: int = MAX_LIMIT) -> int:
    """The query's `limit`, or `default`; raises ValidationError."""
    raw = request.query_params.get("limit")
    if raw is None:
        return default
    if not (raw.isascii() and raw.isdigit() and len(raw) < 6 and 1 <= int(raw) <= maximum):
        raise ValidationError({"limit": [f"A whole number from 1 to {maximum}."]})
    return int(raw)
