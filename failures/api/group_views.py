"""Groups of failures over REST: read by all, decided on by leads and operators."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.api.authentication import caller_of
from agents.api.pagination import Pages, page_of
from agents.api.views import validated
from agents.callers import Caller
from agents.clock import db_now
from failures import queries
from failures.api.group_serializers import (
    GroupDetailOut,
    GroupFilter,
    GroupOut,
    GroupsIn,
    GroupStatusIn,
    MemberOut,
    UndoIn,
)
from failures.models import FailureGroup
from failures.services import group_merges
from failures.services.groups import check_may_decide, set_status
from failures.states import GroupStatus


class GroupPages(Pages):
    """Groups by when they were last seen."""

    ordering = ("-seen_last", "-id")  # type: ignore[assignment]


class GroupListView(GenericAPIView[FailureGroup]):
    """Groups of like failures."""

    pagination_class = GroupPages
    serializer_class = GroupOut
    queryset = FailureGroup.objects.none()

    @extend_schema(
        operation_id="failure_groups_list",
        parameters=[GroupFilter],
        responses=GroupOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """Groups with the sums of their members, the most recently seen first."""
        wanted = validated(GroupFilter, request.query_params)
        columns = {"status": "status", "type": "error_type"}
        found = queries.groups().filter(**{columns[name]: wanted[name] for name in wanted})
        return page_of(self, found, GroupOut, context={"caller": caller_of(request)})


class GroupDetailView(APIView):
    """One group."""

    @extend_schema(operation_id="failure_groups_get", responses=GroupDetailOut)
    def get(self, request: Request, pk: int) -> Response:
        """The group with its members; for a member, the group that it is held for."""
        return _now_stands(queries.group_by_id(pk), caller=caller_of(request))

    @extend_schema(
        operation_id="failure_groups_decide", request=GroupStatusIn, responses=GroupDetailOut
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Resolve (and say how), ignore or reopen it. An agent must be a lead."""
        check_may_decide(caller_of(request))
        data = validated(GroupStatusIn, request.data)
        group = set_status(
            pk,
            GroupStatus(data["status"]),
            resolution=data.get("resolution", ""),
            actor=caller_of(request).name,
            now=db_now(),
        )
        return _now_stands(group, caller=caller_of(request))


class GroupMergeView(APIView):
    """Groups that are one mistake."""

    @extend_schema(operation_id="failure_groups_merge", request=GroupsIn, responses=GroupDetailOut)
    def post(self, request: Request, pk: int) -> Response:
        """Hold other groups for this one; it can be undone. An agent must be a lead."""
        check_may_decide(caller_of(request))
        data = validated(GroupsIn, request.data)
        group = group_merges.merge(
            data["groups"],
            into=pk,
            reason=data.get("reason", ""),
            actor=caller_of(request).name,
            now=db_now(),
        )
        return _now_stands(group, caller=caller_of(request))


class GroupSplitView(APIView):
    """Groups that are mistakes of their own after all."""

    @extend_schema(operation_id="failure_groups_split", request=GroupsIn, responses=GroupDetailOut)
    def post(self, request: Request, pk: int) -> Response:
        """Take members out of this group. An agent must be a lead."""
        check_may_decide(caller_of(request))
        data = validated(GroupsIn, request.data)
        group = group_merges.split(
            pk,
            members=data["groups"],
            reason=data.get("reason", ""),
            actor=caller_of(request).name,
            now=db_now(),
        )
        return _now_stands(group, caller=caller_of(request))


class GroupUndoView(APIView):
    """A merge that was none."""

    @extend_schema(operation_id="failure_groups_undo", request=UndoIn, responses=GroupDetailOut)
    def post(self, request: Request, pk: int) -> Response:
        """Take a merge into this group back, the last if none is named. An agent must be a lead."""
        check_may_decide(caller_of(request))
        data = validated(UndoIn, request.data or {})
        group = group_merges.undo(
            pk,
            number=data.get("merge"),
            reason=data.get("reason", ""),
            actor=caller_of(request).name,
            now=db_now(),
        )
        return _now_stands(group, caller=caller_of(request))


def _now_stands(group: FailureGroup, *, caller: Caller) -> Response:
    context = {"caller": caller}
    members = [MemberOut(alias, context=context).data for alias in queries.aliases_of(group)]
    agents = queries.counts_by_agent(group)
    shown = GroupOut(group, context=context).data
    return Response({**shown, "agents": agents, "members": members})
