"""Past failures like one, over REST."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries as agent_queries
from agents.api.authentication import caller_of
from agents.api.views import validated
from agents.callers import Caller, CallerKind
from agents.clock import db_now
from agents.errors import NotYoursError
from agents.states import AgentRole
from failures.api.similar_serializers import SimilarFilter, SimilarListOut, SimilarOut
from failures.services.similar import Asker, similar
from failures.states import ErrorType


class SimilarView(APIView):
    """What failed like this before."""

    @extend_schema(
        operation_id="failures_similar", parameters=[SimilarFilter], responses=SimilarListOut
    )
    def get(self, request: Request) -> Response:
        """Groups like `q`, the likest first, with what fixed them.

        An agent reads its own resolutions and approved guidance; other agents' resolutions are
        for leads and people, and are counted for the others.
        """
        wanted, now = validated(SimilarFilter, request.query_params), db_now()
        error_type = wanted.get("type")
        found = similar(
            wanted["q"],
            asker=_asker(caller_of(request), wanted.get("agent")),
            error_type=ErrorType(error_type) if error_type else None,
            limit=wanted["limit"],
            now=now,
        )
        shown = [SimilarOut(one).data for one in found]
        return Response({"results": shown, "next": None})


def _asker(caller: Caller, named: str | None) -> Asker:
    """Who asks; an operator that names an agent reads what that agent would, and isn't told."""
    agent = caller.agent
    if named and (agent is None or named.upper() != agent.name):
        if not caller.may_operate:
            raise NotYoursError("A key asks for its own agent alone.")
        agent = agent_queries.agent_named(named)
    if agent is None:
        return Asker(reads_all=caller.may_operate)
    leads = agent.role in {AgentRole.LEAD, AgentRole.CEO}
    told = caller.kind in {CallerKind.AGENT, CallerKind.LOCAL}
    return Asker(agent=agent, reads_all=leads, is_told=told)
