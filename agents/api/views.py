"""Agents, dispatches and messages over REST."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries
from agents.api.authentication import caller_of
from agents.api.idempotency import idempotent
from agents.api.pagination import Pages, page_of
from agents.api.serializers import (
    AgentOut,
    DispatchFilter,
    DispatchOut,
    MessageFilter,
    MessageOut,
    NewDispatchIn,
    NewMessageIn,
)
from agents.callers import CallerKind
from agents.clock import db_now
from agents.errors import NotFoundError, NotYoursError
from agents.models import Agent, Dispatch, Message
from agents.models.message import SYSTEM
from agents.services import agents as agent_services
from agents.services import dispatches as dispatch_services
from agents.services import messages as message_services
from agents.states import Priority


def validated(serializer_class: type[Any], data: Any) -> dict[str, Any]:
    """The input as the serializer reads it; raises ValidationError."""
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class AgentPages(Pages):
    """Agents by name."""

    ordering = "name"


class AgentListView(GenericAPIView[Agent]):
    """Who is on the team."""

    pagination_class = AgentPages
    serializer_class = AgentOut
    queryset = Agent.objects.none()

    @extend_schema(operation_id="agents_list", responses=AgentOut(many=True))
    def get(self, request: Request) -> Response:
        """All agents that are not retired, by name."""
        found = queries.described(queries.active_agents(), now=db_now())
        return page_of(self, found, AgentOut)


class AgentDetailView(APIView):
    """One agent."""

    @extend_schema(operation_id="agents_get", responses=AgentOut)
    def get(self, request: Request, name: str) -> Response:
        """The agent of that name."""
        agent = queries.agent_named(name)
        found = queries.described(Agent.objects.filter(pk=agent.pk), now=db_now())
        return Response(AgentOut(found.get()).data)


class DispatchListView(GenericAPIView[Dispatch]):
    """The queue."""

    pagination_class = Pages
    serializer_class = DispatchOut
    queryset = Dispatch.objects.none()

    @extend_schema(
        operation_id="dispatches_list",
        parameters=[DispatchFilter],
        responses=DispatchOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """Dispatches, the newest first."""
        wanted = validated(DispatchFilter, request.query_params)
        found = queries.dispatches()
        if "status" in wanted:
            found = found.filter(status=wanted["status"])
        if "agent" in wanted:
            found = found.filter(agent=queries.agent_named(wanted["agent"]))
        return page_of(self, found, DispatchOut)

    @extend_schema(
        operation_id="dispatches_create", request=NewDispatchIn, responses={201: DispatchOut}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Queue work, for one agent or for all who can."""
        new = new_dispatch(validated(NewDispatchIn, request.data))
        actor = caller_of(request).name
        dispatch = dispatch_services.create_dispatch(new, actor=actor, now=db_now())
        return Response(DispatchOut(dispatch).data, status=201)


def new_dispatch(data: dict[str, Any]) -> dispatch_services.NewDispatch:
    """What a validated body asks for; raises InvalidInputError for an unknown agent."""
    named, every = data.get("agentName"), data.get("expectedProgressEvery")
    return dispatch_services.NewDispatch(
        title=data["title"],
        command=data["command"],
        payload=data["payload"],
        priority=data.get("priority", Priority.NORMAL),
        agent=agent_services.addressee(named) if named else None,
        required_skills=data["skills"],
        ticket_id=data["ticketId"],
        unique_key=data.get("uniqueKey"),
        not_before=data.get("notBefore"),
        expected_progress_every=timedelta(seconds=every) if every else None,
        max_attempts=data.get("maxAttempts", dispatch_services.MAX_ATTEMPTS),
    )


class DispatchDetailView(APIView):
    """One dispatch."""

    @extend_schema(operation_id="dispatches_get", responses=DispatchOut)
    def get(self, request: Request, pk: int) -> Response:
        """The dispatch and its attempts."""
        return Response(DispatchOut(queries.dispatch_by_id(pk)).data)


class MessageListView(GenericAPIView[Message]):
    """Inboxes and channels."""

    pagination_class = Pages
    serializer_class = MessageOut
    queryset = Message.objects.none()

    @extend_schema(
        operation_id="messages_list", parameters=[MessageFilter], responses=MessageOut(many=True)
    )
    def get(self, request: Request) -> Response:
        """An agent's inbox or a channel's posts, the newest first."""
        wanted = validated(MessageFilter, request.query_params)
        found = queries.messages()
        if "agent" in wanted:
            agent = queries.agent_named(wanted["agent"])
            check_own_inbox(request, agent)
            found = found.filter(to_agent=agent)
        elif "channel" in wanted:
            found = found.filter(channel=queries.channel_named(wanted["channel"]))
        else:
            raise ValidationError({"agent": ["Name an `agent` or a `channel`."]})
        if wanted["unread"]:
            found = found.filter(read_at__isnull=True)
        return page_of(self, found, MessageOut)

    @extend_schema(
        operation_id="messages_create", request=NewMessageIn, responses={201: MessageOut}
    )
    def post(self, request: Request) -> Response:
        """Say something to an agent or a channel."""
        data, now = validated(NewMessageIn, request.data), db_now()
        # Whom it is for comes first: a message that can't be sent registers nobody.
        to = message_services.destination(to=data.get("to"), channel=data.get("channel"))
        message = message_services.send_message(
            data["message"],
            sender=sender_name(request, data.get("from"), now=now),
            to=to,
            priority=data.get("priority", Priority.NORMAL),
            now=now,
        )
        return Response(MessageOut(message).data, status=201)


class MessageReadView(APIView):
    """One message, to be marked."""

    @extend_schema(operation_id="messages_read", request=None, responses=MessageOut)
    def post(self, request: Request, pk: int) -> Response:
        """Mark the message as read."""
        message = queries.messages().filter(pk=pk).first()
        if message is None:
            raise NotFoundError(f"There is no message {pk}.")
        if message.to_agent is not None:
            check_own_inbox(request, message.to_agent)
        return Response(MessageOut(message_services.mark_read(message, now=db_now())).data)


def check_own_inbox(request: Request, agent: Agent) -> None:
    """Raise NotYoursError when an agent looks into another agent's."""
    caller = caller_of(request)
    if caller.kind is CallerKind.AGENT and caller.agent != agent:
        raise NotYoursError(f"This inbox is {agent.name}'s.")


def sender_name(request: Request, named: str | None, *, now: datetime) -> str:
    """As whom the caller speaks: the agent, else the operator; raises as `author` does."""
    agent = agent_services.author(caller_of(request), named, field="from", now=now)
    if agent is not None:
        return agent.name
    name = caller_of(request).name.upper()[:32]
    return "OPERATOR" if name == SYSTEM else name
