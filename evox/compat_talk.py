"""The original's flat calls about messages, blockers, alerts, learnings and health."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import queries as agent_queries
from agents.api.authentication import caller_of
from agents.api.idempotency import idempotent
from agents.api.pagination import read_limit
from agents.api.serializers import MessageOut, NewMessageIn
from agents.api.views import check_own_inbox, sender_name, validated
from agents.clock import db_now
from agents.models import Agent
from agents.services import agents as agent_services
from agents.services import messages as message_services
from agents.states import Priority
from evox import compat_inputs as inputs
from evox.compat import ANSWER, arguments, flat
from failures.api.incident_serializers import IncidentOut
from failures.api.incident_views import filtered
from failures.services import access, incidents
from monitoring.services.blockers import report_blocked


class ReportBlocked(APIView):
    """`POST /reportBlocked`."""

    @flat("report_blocked", inputs.BlockedIn)
    @idempotent
    def post(self, request: Request) -> Response:
        """Open an incident; the lead hears of it at once."""
        data, now = validated(inputs.BlockedIn, arguments(request)), db_now()
        agent = agent_services.required_author(caller_of(request), data.get("agentName"), now=now)
        incident = report_blocked(agent, reason=data["reason"], ticket_id=data["ticketId"], now=now)
        return Response({"escalated": True, "incidentId": incident.pk})


class PostToChannel(APIView):
    """`POST /postToChannel`."""

    @flat("post_to_channel", inputs.PostIn)
    def post(self, request: Request) -> Response:
        """Say something to a channel."""
        data, now = validated(inputs.PostIn, arguments(request)), db_now()
        sender = sender_name(request, data.get("from"), now=now)
        channel = message_services.destination(to=None, channel=data["channel"])
        message_services.send_message(data["message"], sender=sender, to=channel, now=now)
        return Response({"success": True, "channel": channel.name, "from": sender})


class SendMessage(APIView):
    """`POST /v2/sendMessage`."""

    @flat("send_message", NewMessageIn)
    def post(self, request: Request) -> Response:
        """Say something to an agent or a channel."""
        data, now = validated(NewMessageIn, arguments(request)), db_now()
        to = message_services.destination(to=data.get("to"), channel=data.get("channel"))
        message_services.send_message(
            data["message"],
            sender=sender_name(request, data.get("from"), now=now),
            to=to,
            priority=data.get("priority", Priority.NORMAL),
            now=now,
        )
        return Response({"success": True, "type": "dm" if isinstance(to, Agent) else "channel"})


class GetMessages(APIView):
    """`GET /v2/getMessages`."""

    @extend_schema(
        operation_id="flat_get_messages",
        parameters=[inputs.InboxQuery],
        responses=ANSWER,
        tags=["flat"],
    )
    def get(self, request: Request) -> Response:
        """An agent's inbox, and where channels mention it."""
        wanted = validated(inputs.InboxQuery, request.query_params)
        agent = agent_queries.agent_named(wanted["agent"])
        check_own_inbox(request, agent)
        limit = read_limit(request, default=50)
        inbox = agent_queries.messages().filter(to_agent=agent)
        unread = inbox.filter(read_at__isnull=True)
        shown = unread if wanted["unreadOnly"] else inbox
        mentions = agent_queries.mentions_of(agent, now=db_now())
        return Response(
            {
                "dms": MessageOut(shown[:limit], many=True).data,
                "channelMentions": MessageOut(mentions[:limit], many=True).data,
                "unreadCount": unread.count(),
            }
        )


class Alerts(APIView):
    """`GET /alerts`."""

    @extend_schema(
        operation_id="flat_alerts",
        parameters=[inputs.AlertQuery],
        responses=ANSWER,
        tags=["flat"],
    )
    def get(self, request: Request) -> Response:
        """Incidents, the newest first."""
        wanted = validated(inputs.AlertQuery, request.query_params)
        if "agentName" in wanted:
            wanted["agent"] = wanted.pop("agentName")
        rows = filtered(wanted)[: read_limit(request, default=50)]
        return Response({"alerts": [IncidentOut(row).data for row in rows]})


class AcknowledgeAlert(APIView):
    """`POST /alerts/acknowledge`."""

    @flat("acknowledge_alert", inputs.AlertAckIn, IncidentOut)
    def post(self, request: Request) -> Response:
        """Take an incident on."""
        data, now = validated(inputs.AlertAckIn, arguments(request)), db_now()
        who = sender_name(request, data.get("acknowledgedBy"), now=now)
        access.check_may_acknowledge(caller_of(request), data["alertId"])
        return Response(
            IncidentOut(incidents.acknowledge(data["alertId"], actor=who, now=now)).data
        )
