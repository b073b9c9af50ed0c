"""Pauses over REST: of one agent, and of everybody."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries
from agents.api.authentication import caller_of
from agents.api.pagination import Pages, page_of
from agents.api.pause_serializers import MINUTE, PauseIn, PauseOut, ResumeIn
from agents.api.views import validated
from agents.callers import Caller
from agents.clock import db_now
from agents.models import Agent, Pause
from agents.services import pauses
from agents.states import AgentRole


class LeadOrOperator(BasePermission):
    """Verbs for those who answer for the team: operators, and agents that lead."""

    message = "This is an operator's, a lead's or the CEO's to do."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether this caller operates EVOX or leads."""
        caller: object = request.user
        if not isinstance(caller, Caller):
            return False
        leads = caller.agent is not None and caller.agent.role in {AgentRole.LEAD, AgentRole.CEO}
        return caller.may_operate or leads


class PauseListView(GenericAPIView[Pause]):
    """Who rests."""

    pagination_class = Pages
    serializer_class = PauseOut
    queryset = Pause.objects.none()

    @extend_schema(operation_id="pauses_list", responses=PauseOut(many=True))
    def get(self, request: Request) -> Response:
        """The pauses that hold now, the newest first."""
        return page_of(self, pauses.running_pauses(now=db_now()), PauseOut)


class AgentPauseView(APIView):
    """A rest for one agent."""

    permission_classes = [LeadOrOperator]

    @extend_schema(operation_id="agents_pause", request=PauseIn, responses=PauseOut)
    def post(self, request: Request, name: str) -> Response:
        """Give the agent no work until then; what it runs goes on. Replaces a pause it has."""
        return _pause(queries.agent_named(name), request)


class AgentResumeView(APIView):
    """Back to work."""

    permission_classes = [LeadOrOperator]

    @extend_schema(operation_id="agents_resume", request=ResumeIn, responses=PauseOut)
    def post(self, request: Request, name: str) -> Response:
        """End the agent's own pause."""
        return _resume(queries.agent_named(name), request)


class PauseAllView(APIView):
    """The kill switch."""

    permission_classes = [LeadOrOperator]

    @extend_schema(operation_id="pause_all", tags=["pauses"], request=PauseIn, responses=PauseOut)
    def post(self, request: Request) -> Response:
        """Give nobody work until then; what runs goes on."""
        return _pause(None, request)


class ResumeAllView(APIView):
    """The kill switch, off."""

    permission_classes = [LeadOrOperator]

    @extend_schema(operation_id="resume_all", tags=["pauses"], request=ResumeIn, responses=PauseOut)
    def post(self, request: Request) -> Response:
        """End the pause of everybody; agents' own pauses stay."""
        return _resume(None, request)


def _pause(agent: Agent | None, request: Request) -> Response:
    data, now = validated(PauseIn, request.data), db_now()
    until = data["until"] if "until" in data else now + data["minutes"] * MINUTE
    actor = caller_of(request).name
    made = pauses.pause(agent, until=until, reason=data["reason"], actor=actor, now=now)
    return Response(PauseOut(made).data)


def _resume(agent: Agent | None, request: Request) -> Response:
    data, now = validated(ResumeIn, request.data or {}), db_now()
    actor = caller_of(request).name
    lifted = pauses.resume(agent, actor=actor, reason=data["reason"], now=now)
    return Response(PauseOut(lifted).data)
