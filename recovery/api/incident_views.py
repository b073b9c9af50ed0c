"""Reporting incidents over REST, and listing them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.authentication import caller_of
from agents.api.idempotency import idempotent
from agents.api.pagination import Pages, page_of
from agents.api.views import validated
from agents.clock import db_now
from agents.services.agents import author
from failures import kinds
from failures.api.incident_serializers import IncidentFilter, IncidentOut, NewIncidentIn
from failures.api.incident_views import filtered
from failures.models import Incident
from failures.states import IncidentKind
from recovery.services.incidents import IncidentReport, report_incident


def log_incident(request: Request, data: dict[str, Any], *, now: datetime) -> Incident:
    """Report what a validated body says, as its caller."""
    level = data.get("level")
    metadata = dict(data.get("metadata") or {})
    if data.get("timestamp") is not None:
        metadata.setdefault("reportedTimestamp", data["timestamp"])
    report = IncidentReport(
        kind=IncidentKind(data["kind"]),
        message=data["message"],
        title=data.get("title", ""),
        severity=kinds.SPOKEN_LEVELS[level] if level else None,
        agent=author(caller_of(request), data.get("agentName"), now=now),
        dispatch_id=data.get("dispatchId"),
        metadata=metadata,
        idempotency_key=data.get("idempotencyKey"),
        reported_by=caller_of(request).name,
    )
    return report_incident(report, now=now)


class IncidentListView(GenericAPIView[Incident]):
    """What somebody should know of."""

    pagination_class = Pages
    serializer_class = IncidentOut
    queryset = Incident.objects.none()

    @extend_schema(
        operation_id="incidents_list",
        parameters=[IncidentFilter],
        responses=IncidentOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """Incidents, the newest first."""
        wanted = validated(IncidentFilter, request.query_params)
        return page_of(self, filtered(wanted), IncidentOut)

    @extend_schema(
        operation_id="incidents_create", request=NewIncidentIn, responses={201: IncidentOut}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Report one; #dev hears of it in the same transaction."""
        data = validated(NewIncidentIn, request.data)
        return Response(IncidentOut(log_incident(request, data, now=db_now())).data, status=201)
