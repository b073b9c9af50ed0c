"""The original's flat calls, kept working: thin adapters over what the canonical views call.

A flat verb has no claim: it acts on its caller's own attempt of that dispatch. Arguments come as
a JSON body or, with an empty body, as query parameters. What changes something is a POST.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries as agent_queries
from agents.api.authentication import caller_of
from agents.api.idempotency import idempotent
from agents.api.serializers import AgentOut
from agents.api.views import check_own_inbox, validated
from agents.callers import Caller
from agents.clock import db_now
from agents.errors import InvalidInputError, StaleClaimError
from agents.masking import scrub_value
from agents.models import Agent
from agents.services import agents as agent_services
from agents.services.dispatches import NewDispatch, create_dispatch
from agents.states import AgentStatus, Priority
from evox import compat_inputs as inputs
from failures.api.answers import answer
from failures.api.incident_serializers import NewIncidentIn
from failures.api.reading import new_failure
from failures.api.serializers import FailureOut, NewFailureIn
from failures.services.guidance import log_and_answer
from failures.states import ErrorType
from recovery import queries as recovery_queries
from recovery.api.incident_views import log_incident
from recovery.services import claims, reports

F = TypeVar("F", bound=Callable[..., Any])
ANSWER = {200: dict}


def arguments(request: Request) -> Any:
    """The body, or the query's parameters when the body is empty; either with secrets masked."""
    return request.data or scrub_value(request.query_params.dict())


def flat(operation: str, takes: Any = None, gives: Any = None) -> Callable[[F], F]:
    """How a flat POST stands in the API's description."""
    return extend_schema(
        operation_id=f"flat_{operation}", request=takes, responses=gives or ANSWER, tags=["flat"]
    )


class LogFailure(APIView):
    """`POST /logFailure`."""

    @flat("log_failure", NewFailureIn, {201: FailureOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Log one failure."""
        now = db_now()
        report = new_failure(arguments(request), caller_of(request), now=now)
        failure = log_and_answer(report, now=now)
        return Response(answer(failure), status=201)


class LogIncident(APIView):
    """`POST /logIncident`."""

    @flat("log_incident", NewIncidentIn)
    @idempotent
    def post(self, request: Request) -> Response:
        """Report an incident; #dev hears of it in the same transaction."""
        data = validated(NewIncidentIn, arguments(request))
        incident = log_incident(request, data, now=db_now())
        return Response({"success": True, "logged": True, "incidentId": incident.pk})


class NextDispatch(APIView):
    """`GET /getNextDispatchForAgent`."""

    @extend_schema(
        operation_id="flat_next_dispatch",
        parameters=[inputs.AgentQuery],
        responses=ANSWER,
        tags=["flat"],
    )
    def get(self, request: Request) -> Response:
        """A look at what the agent would be given; claims nothing."""
        named = validated(inputs.AgentQuery, request.query_params).get("agent")
        caller = caller_of(request)
        agent = agent_queries.agent_named(named) if named else caller.agent
        if agent is None:
            raise InvalidInputError("agent", "This field is required.")
        check_own_inbox(request, agent)
        found = recovery_queries.next_for(agent, now=db_now())
        if found is None:
            return Response({"dispatchId": None, "ticket": None})
        payload = {**found.payload, "command": found.command, "title": found.title}
        return Response(
            {"dispatchId": found.pk, "ticket": found.ticket_id or None, "payload": payload}
        )


class MarkRunning(APIView):
    """`POST /markDispatchRunning`."""

    @flat("mark_running", inputs.DispatchIn)
    def post(self, request: Request) -> Response:
        """Claim that one, with the long lease of agents that send no heartbeats."""
        data, now = validated(inputs.DispatchIn, arguments(request)), db_now()
        pk = data["dispatchId"]
        dispatch = agent_queries.dispatch_by_id(pk)
        agent = agent_services.author(caller_of(request), data.get("agent"), now=now)
        agent = agent or dispatch.agent
        if agent is None:
            raise InvalidInputError("agent", "This dispatch is open to all: say who takes it.")
        if not claims.claim_work(agent, only=pk, lease=settings.EVOX_FLAT_LEASE, now=now):
            status = agent_queries.dispatch_by_id(pk).status
            raise StaleClaimError(
                "not_claimable", f"{agent.name} can't take this dispatch; it is {status}."
            )
        return Response({"success": True, "dispatchId": pk})


def own_claim(caller: Caller, data: dict[str, Any], *, now: datetime) -> tuple[str, Agent]:
    """The claim that a flat report means: the caller's attempt, running or else the last one.

    Raises NotFoundError, StaleClaimError.
    """
    dispatch = agent_queries.dispatch_by_id(data["dispatchId"])
    agent = agent_services.author(caller, data.get("agent"), now=now)
    attempts = agent_queries.attempts_of(dispatch)
    mine = [a for a in attempts if agent is None or a.agent_id == agent.pk]
    if not mine:
        raise StaleClaimError("not_running", "You hold no attempt of this dispatch.")
    last = mine[-1]
    return last.claim, last.agent


class MarkCompleted(APIView):
    """`POST /markDispatchCompleted`."""

    @flat("mark_completed", inputs.CompletedIn)
    def post(self, request: Request) -> Response:
        """The work is done."""
        data, now = validated(inputs.CompletedIn, arguments(request)), db_now()
        claim, agent = own_claim(caller_of(request), data, now=now)
        pk = data["dispatchId"]
        reports.complete_dispatch(pk, claim, result=data.get("result"), by=agent, now=now)
        return Response({"success": True, "dispatchId": pk})


class MarkFailed(APIView):
    """`POST /markDispatchFailed`."""

    @flat("mark_failed", inputs.FailedIn)
    def post(self, request: Request) -> Response:
        """The attempt failed; EVOX brings the work back by itself."""
        data, now = validated(inputs.FailedIn, arguments(request)), db_now()
        claim, agent = own_claim(caller_of(request), data, now=now)
        pk = data["dispatchId"]
        report = reports.FailureReport(
            error_type=ErrorType(data["errorType"]), message=data["error"]
        )
        reports.fail_dispatch(pk, claim, report, by=agent, now=now)
        return Response({"success": True, "dispatchId": pk})


class CreateDispatch(APIView):
    """`POST /createDispatch`."""

    @flat("create_dispatch", inputs.CreateDispatchIn)
    @idempotent
    def post(self, request: Request) -> Response:
        """Queue work for one agent."""
        data, now = validated(inputs.CreateDispatchIn, arguments(request)), db_now()
        agent = agent_services.addressee(data["agentName"])
        described = data.get("description") or data["command"]
        new = NewDispatch(
            title=described.strip().partition("\n")[0][:200] or "Untitled",
            command=data["command"],
            payload={"description": data["description"]} if data.get("description") else {},
            priority=data.get("priority", Priority.NORMAL),
            agent=agent,
            ticket_id=data["ticket"],
        )
        dispatch = create_dispatch(new, actor=caller_of(request).name, now=now)
        return Response(
            {
                "success": True,
                "dispatchId": dispatch.pk,
                "agentName": agent.name,
                "command": dispatch.command,
                "ticket": dispatch.ticket_id or None,
            }
        )


class Heartbeat(APIView):
    """`POST /api/heartbeat`."""

    @flat("heartbeat", inputs.FlatHeartbeatIn, AgentOut)
    def post(self, request: Request) -> Response:
        """A sign of life."""
        data, now = validated(inputs.FlatHeartbeatIn, arguments(request)), db_now()
        agent = agent_services.required_author(caller_of(request), data["agentId"], now=now)
        said = AgentStatus.IDLE if data["status"] == "online" else AgentStatus(data["status"])
        claims.heartbeat(agent, status=said, now=now)
        found = agent_queries.described(Agent.objects.filter(pk=agent.pk), now=now)
        return Response(AgentOut(found.get()).data)
