"""The figures for Prometheus."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from prometheus_client.exposition import choose_encoder
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from agents.clock import db_now
from monitoring.metrics import registry


class AnyAccept(BaseContentNegotiation):
    """What the reader accepts decides the text's dialect only; JSON is for errors."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """There is no body to read."""
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        """Never 406."""
        return renderers[0], renderers[0].media_type


class MetricsView(APIView):
    """`/metrics`."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="metrics", responses={(200, "text/plain"): OpenApiTypes.STR}, tags=["health"]
    )
    def get(self, request: Request) -> HttpResponse:
        """The figures in Prometheus' text format, or as OpenMetrics for those who accept it."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return HttpResponse(encode(registry(now=db_now())), content_type=content_type)
