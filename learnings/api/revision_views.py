"""New words for learnings over REST: people read them, and let them through or not."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.api.authentication import OperatorOnly, caller_of
from agents.api.pagination import Pages, page_of
from agents.api.views import validated
from agents.clock import db_now
from learnings.api.revision_serializers import RevisionDecisionIn, RevisionFilter, RevisionOut
from learnings.models import LearningRevision
from learnings.services import revisions


class RevisionListView(GenericAPIView[LearningRevision]):
    """What was proposed."""

    permission_classes = [OperatorOnly]
    pagination_class = Pages
    serializer_class = RevisionOut
    queryset = LearningRevision.objects.none()

    @extend_schema(
        operation_id="learning_revisions_list",
        parameters=[RevisionFilter],
        responses=RevisionOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """New words for learnings, the newest first; for people."""
        wanted = validated(RevisionFilter, request.query_params)
        return page_of(self, LearningRevision.objects.filter(**wanted), RevisionOut)


class RevisionApproveView(APIView):
    """Let them through."""

    permission_classes = [OperatorOnly]

    @extend_schema(
        operation_id="learning_revisions_approve",
        request=RevisionDecisionIn,
        responses=RevisionOut,
    )
    def post(self, request: Request, pk: int) -> Response:
        """The learning says these words from now on; whoever wrote them may not decide that."""
        data = validated(RevisionDecisionIn, request.data or {})
        revision = revisions.approve(
            pk, actor=caller_of(request).name, reason=data["reason"], now=db_now()
        )
        return Response(RevisionOut(revision).data)


class RevisionRejectView(APIView):
    """Keep them away."""

    permission_classes = [OperatorOnly]

    @extend_schema(
        operation_id="learning_revisions_reject",
        request=RevisionDecisionIn,
        responses=RevisionOut,
    )
    def post(self, request: Request, pk: int) -> Response:
        """These words are told to nobody."""
        data = validated(RevisionDecisionIn, request.data or {})
        revision = revisions.reject(
            pk, actor=caller_of(request).name, reason=data["reason"], now=db_now()
        )
        return Response(RevisionOut(revision).data)
