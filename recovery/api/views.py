"""The verbs of work over REST: claim, stay alive, report; and the operator's."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries
from agents.api.authentication import caller_of
from agents.api.serializers import AttemptOut, DispatchOut
from agents.api.views import validated
from agents.clock import db_now
from agents.models import Agent
from agents.services.agents import author, required_author
from agents.states import AgentStatus
from failures.states import ErrorType
from recovery.api import serializers
from recovery.services import claims, reports
from recovery.services.claims import heartbeat_seconds
from recovery.services.outcomes import FailureTerms
from recovery.services.reports import Closed


class ClaimView(APIView):
    """The way to work."""

    @extend_schema(
        operation_id="dispatches_claim",
        request=serializers.ClaimIn,
        responses={
            200: PolymorphicProxySerializer(
                component_name="Claimed",
                serializers=[serializers.ClaimedOut, serializers.ClaimedManyOut],
                resource_type_field_name=None,
            ),
            204: None,
        },
    )
    def post(self, request: Request) -> Response:
        """Take the next dispatch (or up to `limit`), with a lease; 204 when there is none."""
        data, now = validated(serializers.ClaimIn, request.data), db_now()
        agent = required_author(caller_of(request), data.get("agentName"), now=now)
        limit = data.get("limit")
        claimed = claims.claim_work(agent, limit=limit or 1, session=data.get("session"), now=now)
        if not claimed:
            return Response(status=204)
        answers = [_claimed(agent, one.dispatch, one.attempt) for one in claimed]
        return Response({"results": answers} if limit is not None else answers[0])


def _claimed(agent: Agent, dispatch: Any, attempt: Any) -> dict[str, Any]:
    return {
        "dispatch": DispatchOut(dispatch).data,
        "attempt": serializers.ClaimedAttemptOut(attempt).data,
        "heartbeatSeconds": heartbeat_seconds(agent, dispatch.lease_seconds),
        "briefingUrl": f"/api/v1/agents/{agent.name}/briefing?dispatch={dispatch.pk}",
    }


class HeartbeatView(APIView):
    """An agent's life."""

    @extend_schema(
        operation_id="agents_heartbeat",
        request=serializers.HeartbeatIn,
        responses=serializers.LifeOut,
    )
    def post(self, request: Request, name: str) -> Response:
        """A sign of life; with a claim it extends that lease."""
        data, now = validated(serializers.HeartbeatIn, request.data), db_now()
        agent = required_author(caller_of(request), name, now=now)
        status = data.get("status")
        life = claims.heartbeat(
            agent,
            claim=data.get("claim"),
            status=AgentStatus(status) if status else None,
            session=data.get("session"),
            now=now,
        )
        return Response(serializers.LifeOut(life).data)


class ProgressView(APIView):
    """A running attempt's progress."""

    @extend_schema(
        operation_id="dispatches_progress",
        request=serializers.ProgressIn,
        responses=serializers.LifeOut,
    )
    def post(self, request: Request, pk: int) -> Response:
        """Show progress; the answer says when to stop."""
        data, now = validated(serializers.ProgressIn, request.data), db_now()
        life = claims.progress(
            pk,
            data["claim"],
            note=data.get("note"),
            marker=data.get("marker"),
            by=author(caller_of(request), None, now=now),
            now=now,
        )
        return Response(serializers.LifeOut(life).data)


def _report(closed: Closed) -> Response:
    """The dispatch and its closed attempt, as the first report of it was answered."""
    body = {
        **DispatchOut(queries.dispatch_by_id(closed.dispatch.pk)).data,
        "attempt": AttemptOut(closed.attempt).data,
        **closed.answer,
    }
    return Response(body)


class CompleteView(APIView):
    """The good end."""

    @extend_schema(
        operation_id="dispatches_complete",
        request=serializers.CompleteIn,
        responses=serializers.ReportOut,
    )
    def post(self, request: Request, pk: int) -> Response:
        """The work is done."""
        data, now = validated(serializers.CompleteIn, request.data), db_now()
        closed = reports.complete_dispatch(
            pk,
            data["claim"],
            result=data.get("result"),
            evidence=data.get("evidence") or "",
            by=author(caller_of(request), None, now=now),
            now=now,
        )
        return _report(closed)


class FailView(APIView):
    """The attempt that failed."""

    @extend_schema(
        operation_id="dispatches_fail",
        request=serializers.FailIn,
        responses=serializers.ReportOut,
    )
    def post(self, request: Request, pk: int) -> Response:
        """Report a failure; EVOX logs it and brings the work back by itself."""
        data, now = validated(serializers.FailIn, request.data), db_now()
        closed = reports.fail_dispatch(
            pk,
            data["claim"],
            reports.FailureReport(
                error_type=ErrorType(data["errorType"]),
                message=data["errorMessage"],
                context=data.get("context") or {},
                terms=FailureTerms(
                    retryable=data["retryable"], hold_seconds=data.get("retryAfter")
                ),
            ),
            by=author(caller_of(request), None, now=now),
            now=now,
        )
        return _report(closed)


class BlockView(APIView):
    """Help wanted."""

    @extend_schema(
        operation_id="dispatches_block",
        request=serializers.BlockIn,
        responses=serializers.ReportOut,
    )
    def post(self, request: Request, pk: int) -> Response:
        """Say what a person must do; the lead hears of it at once."""
        data, now = validated(serializers.BlockIn, request.data), db_now()
        closed = reports.block_dispatch(
            pk,
            data["claim"],
            reason=data["reason"],
            by=author(caller_of(request), None, now=now),
            now=now,
        )
        return _report(closed)
