"""Learnings, patterns and briefings over REST."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries as agent_queries
from agents.api.authentication import caller_of
from agents.api.pagination import Pages
from agents.api.views import validated
from agents.callers import Caller, CallerKind
from agents.clock import db_now
from agents.errors import NotYoursError
from agents.models import Agent
from agents.services.agents import author
from learnings import queries
from learnings.api.renderers import BriefingMarkdownRenderer
from learnings.api.serializers import (
    BriefingFilter,
    BriefingOut,
    LearningFilter,
    LearningOut,
    NewLearningIn,
    PatternsOut,
    VoteIn,
)
from learnings.models import Learning
from learnings.policy.drafts import pattern_name
from learnings.services import briefing as briefing_services
from learnings.services import submissions
from learnings.states import LearningOrigin, LearningStatus


def filtered(wanted: dict[str, Any]) -> QuerySet[Learning]:
    """The learnings that a validated LearningFilter asks for; raises NotFoundError."""
    status, agent, words = wanted.get("status"), wanted.get("agent"), wanted.get("q")
    found = queries.learnings()
    found = found.filter(status=status) if status else found.live()
    if agent:
        found = found.filter(agents__contains=[agent_queries.agent_named(agent).name])
    if words:
        # Words that wait for approval aren't searched: a hit would tell what they are.
        approved = Q(published_at__isnull=False) | Q(template_only=True)
        anywhere = Q(title__icontains=words) | Q(problem__icontains=words)
        anywhere |= Q(solution__icontains=words) | Q(rule__icontains=words)
        found = found.filter(approved & anywhere)
    return found


def submitted(data: dict[str, Any], caller: Caller) -> Learning:
    """The proposal that a validated NewLearningIn makes; raises what `author` raises."""
    now = db_now()
    by = author(caller, data.pop("agentName", None) or data.get("agent"), now=now)
    data.pop("agent", None)
    return submissions.submit_learning(
        submissions.NewLearning(**data),
        author=by.name if by else caller.name[:64],
        origin=LearningOrigin.AGENT if by else LearningOrigin.PERSON,
        now=now,
    )


class LearningListView(GenericAPIView[Learning]):
    """What was learned."""

    pagination_class = Pages
    serializer_class = LearningOut
    queryset = Learning.objects.none()

    @extend_schema(
        operation_id="learnings_list", parameters=[LearningFilter], responses=LearningOut(many=True)
    )
    def get(self, request: Request) -> Response:
        """Learnings, the newest first."""
        wanted = validated(LearningFilter, request.query_params)
        context = {
            "caller": caller_of(request),
            "asked_for": wanted.get("status") == LearningStatus.PROPOSED,
        }
        rows = self.paginate_queryset(filtered(wanted)) or []
        shown = [LearningOut(learning, context=context).data for learning in rows]
        return self.get_paginated_response(shown)

    @extend_schema(
        operation_id="learnings_create", request=NewLearningIn, responses={201: LearningOut}
    )
    def post(self, request: Request) -> Response:
        """Propose a learning; a person decides whether it is told."""
        caller = caller_of(request)
        learning = submitted(validated(NewLearningIn, request.data), caller)
        return Response(_full(learning, caller), status=201)


class LearningDetailView(APIView):
    """One learning."""

    @extend_schema(operation_id="learnings_get", responses=LearningOut)
    def get(self, request: Request, pk: int) -> Response:
        """The learning."""
        return Response(_full(queries.learning_by_id(pk), caller_of(request)))


class LearningVoteView(APIView):
    """Whether one helped."""

    @extend_schema(operation_id="learnings_vote", request=VoteIn, responses=LearningOut)
    def post(self, request: Request, pk: int) -> Response:
        """Say whether it helped; a later vote replaces an earlier one."""
        data, now, caller = validated(VoteIn, request.data), db_now(), caller_of(request)
        queries.learning_by_id(pk)
        by = author(caller, data.get("agent"), now=now)
        learning = submissions.vote(
            pk,
            data["vote"],
            voter=by.name if by else caller.name[:64],
            reason=data["reason"],
            now=now,
        )
        return Response(_full(learning, caller))


def _full(learning: Learning, caller: Caller) -> Any:
    return LearningOut(learning, context={"caller": caller, "asked_for": True}).data


class PatternListView(APIView):
    """What keeps going wrong."""

    @extend_schema(operation_id="patterns_list", responses=PatternsOut)
    def get(self, request: Request) -> Response:
        """Groups with three failures or more in the last seven days, the most frequent first."""
        found = queries.patterns(threshold=settings.EVOX_PATTERN_THRESHOLD, now=db_now())
        rows = [
            {
                "errorType": pattern.group.error_type,
                "message": pattern_name(queries.facts_of(pattern.group)),
                "count": pattern.count,
                "agents": pattern.agents,
                "groupId": pattern.group.pk,
                "learningId": pattern.learning_id,
            }
            for pattern in found
        ]
        return Response({"results": rows, "next": None})


class BriefingView(APIView):
    """What an agent should know before it starts."""

    renderer_classes = [JSONRenderer, BriefingMarkdownRenderer]

    @extend_schema(
        operation_id="agents_briefing",
        parameters=[BriefingFilter],
        responses={(200, "application/json"): BriefingOut, (200, "text/markdown"): str},
    )
    def get(self, request: Request, name: str) -> Response:
        """The briefing, for its work or the one named; as JSON or Markdown."""
        caller, agent = caller_of(request), agent_queries.agent_named(name)
        _check_reader(caller, agent)
        pk = validated(BriefingFilter, request.query_params).get("dispatch")
        dispatch = agent_queries.dispatch_by_id(pk) if pk else None
        found = briefing_services.brief(agent, dispatch)
        if caller.kind in {CallerKind.AGENT, CallerKind.LOCAL}:
            # An operator who looks on isn't the agent who was told.
            briefing_services.record_told(found, now=db_now())
        return Response(BriefingOut(found).data)


def _check_reader(caller: Caller, agent: Agent) -> None:
    if caller.agent != agent and not caller.may_operate:
        raise NotYoursError(f"This briefing is {agent.name}'s.")
