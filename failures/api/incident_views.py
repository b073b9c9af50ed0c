"""Incidents over REST. Reporting one is served one floor up, where commits are known."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries as agent_queries
from agents.api.authentication import OperatorOnly, caller_of
from agents.api.views import validated
from agents.clock import db_now
from failures import queries
from failures.api.incident_serializers import (
    IncidentDetailOut,
    ResolveIn,
    SnoozeIn,
    VersionedIn,
)
from failures.models import Incident
from failures.services import access, incidents


def filtered(wanted: dict[str, str]) -> QuerySet[Incident]:
    """Incidents by status, kind, severity and agent; raises NotFoundError for an unknown agent."""
    found = queries.incidents()
    if "agent" in wanted:
        found = found.filter(agent=agent_queries.agent_named(wanted["agent"]))
    columns = {name: wanted[name] for name in ("status", "kind", "severity") if name in wanted}
    return found.filter(**columns)


def _now_stands(pk: int) -> Response:
    return Response(IncidentDetailOut(queries.incident_by_id(pk)).data)


class IncidentDetailView(APIView):
    """One incident."""

    @extend_schema(operation_id="incidents_get", responses=IncidentDetailOut)
    def get(self, request: Request, pk: int) -> Response:
        """The incident with its timeline."""
        return _now_stands(pk)


class AcknowledgeView(APIView):
    """Somebody takes it on."""

    @extend_schema(
        operation_id="incidents_acknowledge", request=VersionedIn, responses=IncidentDetailOut
    )
    def post(self, request: Request, pk: int) -> Response:
        """Stop its ladder for 30 minutes. An agent must be the lead, or have been told of it."""
        data = validated(VersionedIn, request.data or {})
        access.check_may_acknowledge(caller_of(request), pk)
        incidents.acknowledge(
            pk, actor=caller_of(request).name, version=data.get("version"), now=db_now()
        )
        return _now_stands(pk)


class SnoozeView(APIView):
    """Let it rest."""

    permission_classes = [OperatorOnly]

    @extend_schema(operation_id="incidents_snooze", request=SnoozeIn, responses=IncidentDetailOut)
    def post(self, request: Request, pk: int) -> Response:
        """Let it rest until an instant, for a reason."""
        data = validated(SnoozeIn, request.data)
        incidents.snooze(
            pk,
            until=data["until"],
            reason=data["reason"],
            actor=caller_of(request).name,
            version=data.get("version"),
            now=db_now(),
        )
        return _now_stands(pk)


class ResolveView(APIView):
    """It is over."""

    @extend_schema(operation_id="incidents_resolve", request=ResolveIn, responses=IncidentDetailOut)
    def post(self, request: Request, pk: int) -> Response:
        """Resolve it, and say how. An agent must be the lead, or its author if it is blocked."""
        data = validated(ResolveIn, request.data)
        access.check_may_resolve(caller_of(request), pk)
        incidents.resolve(
            pk,
            resolution=data["resolution"],
            actor=caller_of(request).name,
            version=data.get("version"),
            now=db_now(),
        )
        return _now_stands(pk)
