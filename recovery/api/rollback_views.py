"""What hooks ask before they revert, and the pause that people set."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.api.authentication import OperatorOnly, caller_of
from agents.api.fields import ClippedTextField, StrictSerializer
from agents.api.views import validated
from agents.clock import db_now
from recovery.services import rollbacks


class PolicyOut(serializers.Serializer[Any]):
    """Whether hooks may revert at present."""

    paused = serializers.BooleanField()
    until = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()


class RollbackPauseIn(StrictSerializer):
    """For how long hooks shall only report, and why."""

    minutes = serializers.IntegerField(min_value=1, max_value=7 * 24 * 60)
    reason = ClippedTextField(limit=500)


class PolicyView(APIView):
    """May a hook revert?"""

    @extend_schema(operation_id="rollbacks_policy", responses=PolicyOut)
    def get(self, request: Request) -> Response:
        """The pause flag, as the hook asks for it before it reverts."""
        return Response(PolicyOut(rollbacks.policy(now=db_now())).data)


class PauseView(APIView):
    """Hooks shall only report."""

    permission_classes = [OperatorOnly]

    @extend_schema(operation_id="rollbacks_pause", request=RollbackPauseIn, responses=PolicyOut)
    def post(self, request: Request) -> Response:
        """Pause rollbacks for so many minutes."""
        data, now = validated(RollbackPauseIn, request.data), db_now()
        rollbacks.pause(
            until=now + timedelta(minutes=data["minutes"]),
            reason=data["reason"],
            actor=caller_of(request).name,
            now=now,
        )
        return Response(PolicyOut(rollbacks.policy(now=now)).data)


class ResumeView(APIView):
    """Hooks may revert again."""

    permission_classes = [OperatorOnly]

    @extend_schema(operation_id="rollbacks_resume", request=None, responses=PolicyOut)
    def post(self, request: Request) -> Response:
        """Lift the pause of rollbacks."""
        now = db_now()
        rollbacks.resume(actor=caller_of(request).name, now=now)
        return Response(PolicyOut(rollbacks.policy(now=now)).data)
