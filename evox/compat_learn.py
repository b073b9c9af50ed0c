"""The original's flat calls about what was learned, and its look at health."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries as agent_queries
from agents.api.authentication import caller_of
from agents.api.pagination import read_limit
from agents.api.views import validated
from agents.callers import CallerKind
from agents.clock import db_now
from agents.errors import InvalidInputError, NotYoursError
from agents.models import Dispatch
from evox import compat_inputs as inputs
from evox.compat import ANSWER, arguments, flat
from learnings.api.serializers import BriefingOut, LearningOut, NewLearningIn
from learnings.api.views import filtered, submitted
from learnings.services import briefing as briefing_services
from monitoring.api.health import HealthView


class Learnings(APIView):
    """`GET /learnings`."""

    @extend_schema(
        operation_id="flat_learnings",
        parameters=[inputs.LearningQuery],
        responses=ANSWER,
        tags=["flat"],
    )
    def get(self, request: Request) -> Response:
        """Learnings, the newest first; both names hold the same list."""
        wanted = validated(inputs.LearningQuery, request.query_params)
        found = filtered({"agent": wanted.get("agent"), "q": wanted.get("query")})
        if "topic" in wanted:
            found = found.filter(category__iexact=wanted["topic"])
        rows = found.order_by("-id")[: read_limit(request, default=50)]
        context = {"caller": caller_of(request), "asked_for": False}
        shown = [LearningOut(row, context=context).data for row in rows]
        return Response({"learnings": shown, "results": shown})


class SubmitLearning(APIView):
    """`POST /submitLearning`."""

    @flat("submit_learning", inputs.SubmitLearningIn)
    def post(self, request: Request) -> Response:
        """Propose a learning, in one text or as the report of a task."""
        said = validated(inputs.SubmitLearningIn, arguments(request))
        task = {"title": said.pop("taskTitle", ""), "content": said.pop("summary", "")}
        said = task | {name: value for name, value in said.items() if value}
        given = {name: value for name, value in said.items() if value}
        learning = submitted(validated(NewLearningIn, given), caller_of(request))
        return Response({"success": True, "learningId": learning.pk, "status": learning.status})


class BootContext(APIView):
    """`GET /bootContext`."""

    @extend_schema(
        operation_id="flat_boot_context",
        parameters=[inputs.BootQuery],
        responses=BriefingOut,
        tags=["flat"],
    )
    def get(self, request: Request) -> Response:
        """The agent's briefing, for its newest dispatch of that ticket or what it holds."""
        wanted, caller = validated(inputs.BootQuery, request.query_params), caller_of(request)
        named = wanted.get("agentName") or (caller.agent.name if caller.agent else None)
        if named is None:
            raise InvalidInputError("agentName", "This field is required.")
        agent = agent_queries.agent_named(named)
        if caller.agent != agent and not caller.may_operate:
            raise NotYoursError(f"This briefing is {agent.name}'s.")
        dispatch = None
        if wanted.get("ticketId"):
            of_ticket = Dispatch.objects.filter(agent=agent, ticket_id=wanted["ticketId"])
            dispatch = of_ticket.order_by("-id").first()
        found = briefing_services.brief(agent, dispatch)
        if caller.kind in {CallerKind.AGENT, CallerKind.LOCAL}:
            briefing_services.record_told(found, now=db_now())
        return Response(BriefingOut(found).data)


class SystemHealth(HealthView):
    """`GET /systemHealth`."""

    @extend_schema(operation_id="flat_system_health", responses=ANSWER, tags=["flat"])
    def get(self, request: Request) -> Response:
        """As `GET /api/v1/health`."""
        return super().get(request)
