"""The operator's verbs over REST."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries
from agents.api.authentication import OperatorOnly, caller_of
from agents.api.serializers import DispatchOut
from agents.api.views import validated
from agents.clock import db_now
from agents.services.agents import addressee
from recovery.api.serializers import ReassignIn
from recovery.services import operator


def _now_stands(pk: int) -> Response:
    return Response(DispatchOut(queries.dispatch_by_id(pk)).data)


class RetryView(APIView):
    """Another try, now."""

    permission_classes = [OperatorOnly]

    @extend_schema(operation_id="dispatches_retry", request=None, responses=DispatchOut)
    def post(self, request: Request, pk: int) -> Response:
        """Give an exhausted dispatch one try more, or end a retry's wait."""
        operator.retry_dispatch(pk, actor=caller_of(request).name, now=db_now())
        return _now_stands(pk)


class CancelView(APIView):
    """No more of it."""

    permission_classes = [OperatorOnly]

    @extend_schema(operation_id="dispatches_cancel", request=None, responses=DispatchOut)
    def post(self, request: Request, pk: int) -> Response:
        """Cancel waiting work; ask a running attempt to stop."""
        operator.cancel_dispatch(pk, actor=caller_of(request).name, now=db_now())
        return _now_stands(pk)


class UnblockView(APIView):
    """What was needed is there."""

    permission_classes = [OperatorOnly]

    @extend_schema(operation_id="dispatches_unblock", request=None, responses=DispatchOut)
    def post(self, request: Request, pk: int) -> Response:
        """Put blocked work back into the queue."""
        operator.unblock_dispatch(pk, actor=caller_of(request).name, now=db_now())
        return _now_stands(pk)


class ReassignView(APIView):
    """Somebody else's."""

    permission_classes = [OperatorOnly]

    @extend_schema(operation_id="dispatches_reassign", request=ReassignIn, responses=DispatchOut)
    def post(self, request: Request, pk: int) -> Response:
        """Give unfinished work to another agent."""
        agent = addressee(validated(ReassignIn, request.data)["agentName"])
        operator.reassign_dispatch(pk, agent=agent, actor=caller_of(request).name, now=db_now())
        return _now_stands(pk)
