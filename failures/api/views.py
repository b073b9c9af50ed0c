"""The failure log over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries as agent_queries
from agents.api.authentication import caller_of
from agents.api.errors import handle_exception
from agents.api.idempotency import idempotent
from agents.api.pagination import Pages, page_of
from agents.api.parsers import BulkJSONParser
from agents.api.views import validated
from agents.callers import CallerKind
from agents.clock import db_now
from agents.errors import EvoxError, NotYoursError
from failures import queries
from failures.api.answers import answer
from failures.api.reading import BulkReader, new_failure
from failures.api.serializers import (
    BulkOut,
    FailureFilter,
    FailureOut,
    NewFailureIn,
    ReadFailureOut,
    ResolutionIn,
)
from failures.models import Failure
from failures.services import guidance, log
from failures.states import ResolutionOutcome

BULK = 1_000


class FailureListView(GenericAPIView[Failure]):
    """The failure log."""

    pagination_class = Pages
    parser_classes = [BulkJSONParser]
    serializer_class = FailureOut
    queryset = Failure.objects.none()

    @extend_schema(
        operation_id="failures_list",
        parameters=[FailureFilter],
        responses=ReadFailureOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """Failures, the newest first.

        What other agents wrote is for leads and people; others read their groups' names.
        """
        wanted = validated(FailureFilter, request.query_params)
        found = queries.failures()
        if "agent" in wanted:
            found = found.filter(agent=agent_queries.agent_named(wanted.pop("agent")))
        columns = {
            "type": "error_type",
            "fingerprint": "fingerprint",
            "ticket": "ticket_id",
            "since": "created_at__gte",
        }
        found = found.filter(**{columns[name]: value for name, value in wanted.items()})
        return page_of(self, found, ReadFailureOut, context={"caller": caller_of(request)})

    @extend_schema(
        operation_id="failures_create",
        request=PolymorphicProxySerializer(
            component_name="OneOrManyFailures",
            serializers=[NewFailureIn, NewFailureIn(many=True)],
            resource_type_field_name=None,
            many=False,
        ),
        responses={201: FailureOut, 207: BulkOut},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Log one failure (an object) or up to 1,000 (an array)."""
        now = db_now()
        if isinstance(request.data, list):
            return Response({"results": self._log_many(request.data, now)}, status=207)
        report = new_failure(request.data, caller_of(request), now=now)
        failure = guidance.log_and_answer(report, now=now)
        return Response(answer(failure), status=201)

    def _log_many(self, items: list[Any], now: datetime) -> list[dict[str, Any]]:
        if not 1 <= len(items) <= BULK:
            raise ValidationError({"body": [f"An array of 1 to {BULK:,} failures."]})
        reader = BulkReader(items, caller_of(self.request), now=now)
        results: list[dict[str, Any]] = []
        good: list[tuple[int, log.NewFailure]] = []
        for index, item in enumerate(items):
            try:
                good.append((index, reader.read(item)))
                results.append({"index": index, "status": 201})
            except (ValidationError, EvoxError) as error:
                results.append({"index": index, **_refusal(error)})
        stored = log.log_bulk([report for _, report in good], now=now)
        for (index, _), pk in zip(good, stored, strict=True):
            results[index]["id"] = pk
        return results


def _refusal(error: Exception) -> dict[str, Any]:
    answer = handle_exception(error, {})
    if answer is None:
        raise error
    return {"status": answer.status_code, **answer.data}


class FailureDetailView(APIView):
    """One failure."""

    @extend_schema(operation_id="failures_get", responses=ReadFailureOut)
    def get(self, request: Request, pk: int) -> Response:
        """The failure; another agent's without its words, but for leads and people."""
        found = queries.failure_by_id(pk)
        return Response(ReadFailureOut(found, context={"caller": caller_of(request)}).data)

    @extend_schema(operation_id="failures_resolve", request=ResolutionIn, responses=FailureOut)
    def patch(self, request: Request, pk: int) -> Response:
        """Say how it was dealt with."""
        data = validated(ResolutionIn, request.data)
        failure = queries.failure_by_id(pk)
        caller = caller_of(request)
        if caller.kind is CallerKind.AGENT and caller.agent != failure.agent:
            raise NotYoursError(f"This failure is {failure.agent.name}'s.")
        resolved = log.resolve_failure(
            failure,
            resolution=data["resolution"],
            outcome=ResolutionOutcome(data["outcome"]),
        )
        return Response(FailureOut(resolved).data)
