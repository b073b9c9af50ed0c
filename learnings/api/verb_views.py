"""Deciding on learnings over REST: leads and operators on each, operators on all at once."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries as agent_queries
from agents.api.authentication import OperatorOnly, caller_of
from agents.api.views import validated
from agents.clock import db_now
from agents.errors import NotYoursError
from agents.states import AgentRole
from failures.policy_groups import may_decide
from learnings.api.serializers import LearningOut
from learnings.api.verb_serializers import (
    InjectionIn,
    InjectionOut,
    RetireDerivedIn,
    RetireDerivedOut,
    RetireIn,
    WhyIn,
)
from learnings.models import InjectionSwitch, Learning
from learnings.services import lifecycle, retirement, switch


class ApproveView(APIView):
    """Agents shall be told."""

    @extend_schema(operation_id="learnings_approve", request=WhyIn, responses=LearningOut)
    def post(self, request: Request, pk: int) -> Response:
        """Approve a proposal; never one's own. An agent must be a lead."""
        _check_may_decide(request)
        data, actor = validated(WhyIn, request.data or {}), caller_of(request).name
        return _stands(
            request, lifecycle.approve(pk, actor=actor, reason=data["reason"], now=db_now())
        )


class RejectView(APIView):
    """Agents shall not be told."""

    @extend_schema(operation_id="learnings_reject", request=WhyIn, responses=LearningOut)
    def post(self, request: Request, pk: int) -> Response:
        """Reject a proposal. An agent must be a lead."""
        _check_may_decide(request)
        data, actor = validated(WhyIn, request.data or {}), caller_of(request).name
        return _stands(
            request, lifecycle.reject(pk, actor=actor, reason=data["reason"], now=db_now())
        )


class RetireView(APIView):
    """Agents shall be told no more."""

    @extend_schema(operation_id="learnings_retire", request=RetireIn, responses=LearningOut)
    def post(self, request: Request, pk: int) -> Response:
        """Retire it, with a reason; another may take its place. An agent must be a lead."""
        _check_may_decide(request)
        data = validated(RetireIn, request.data)
        retired = lifecycle.retire(
            pk,
            actor=caller_of(request).name,
            reason=data["reason"],
            superseded_by=data["supersededBy"],
            now=db_now(),
        )
        return _stands(request, retired)


class RetireDerivedView(APIView):
    """What one agent had a part in."""

    permission_classes = [OperatorOnly]

    @extend_schema(
        operation_id="learnings_retire_derived", request=RetireDerivedIn, responses=RetireDerivedOut
    )
    def post(self, request: Request) -> Response:
        """Retire or reject all that came of an agent's failures or words since then."""
        data = validated(RetireDerivedIn, request.data)
        done = retirement.retire_derived(
            agent_queries.agent_named(data["agent"]),
            since=data["since"],
            actor=caller_of(request).name,
            reason=data["reason"],
            now=db_now(),
        )
        return Response(RetireDerivedOut(done).data)


class InjectionView(APIView):
    """The switch that keeps all that was learned from agents."""

    @extend_schema(operation_id="learnings_injection", responses=InjectionOut)
    def get(self, request: Request) -> Response:
        """Whether agents are told what was learned."""
        return _switch(switch.state())

    @extend_schema(
        operation_id="learnings_injection_turn", request=InjectionIn, responses=InjectionOut
    )
    def post(self, request: Request) -> Response:
        """Turn it, with a reason: briefings, answers and instructions follow at once."""
        if not caller_of(request).may_operate:
            raise NotYoursError(OperatorOnly.message)
        data = validated(InjectionIn, request.data)
        turned = switch.turn(
            on=data["on"], actor=caller_of(request).name, reason=data["reason"], now=db_now()
        )
        return _switch(turned)


def _check_may_decide(request: Request) -> None:
    agent = caller_of(request).agent
    if agent is not None and not may_decide(AgentRole(agent.role)):
        raise NotYoursError("Learnings are for the lead to decide on.")


def _switch(state: InjectionSwitch | None) -> Response:
    never = {"on": True, "by": None, "reason": None, "at": None}
    return Response(InjectionOut(state or never).data)


def _stands(request: Request, learning: Learning) -> Response:
    context = {"caller": caller_of(request), "asked_for": True}
    return Response(LearningOut(learning, context=context).data)
