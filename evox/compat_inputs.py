"""What the original's flat calls take, name by name."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.api.fields import MAX_ID, ClippedTextField, PriorityField, StrictSerializer
from agents.api.serializers import COMMAND_LIMIT
from failures.api.incident_serializers import SEVERITIES, STATUSES
from failures.api.serializers import ERROR_TYPES
from failures.policy import MESSAGE_LIMIT
from failures.states import ErrorType
from learnings.api.serializers import TEXT_LIMIT, NewLearningIn


def _dispatch_id() -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=MAX_ID)


class AgentQuery(serializers.Serializer[Any]):
    """Whose work."""

    agent = serializers.CharField(required=False)


class DispatchIn(StrictSerializer):
    """Which dispatch, and who says so."""

    dispatchId = _dispatch_id()
    agent = serializers.CharField(required=False, allow_null=True)


class CompletedIn(DispatchIn):
    """It is done."""

    result = serializers.JSONField(required=False, allow_null=True)


class FailedIn(DispatchIn):
    """It failed."""

    error = serializers.CharField(allow_blank=True, trim_whitespace=False)
    errorType = serializers.ChoiceField(choices=ERROR_TYPES, default=ErrorType.OTHER.value)


class CreateDispatchIn(StrictSerializer):
    """Work for one agent."""

    agentName = serializers.CharField()
    command = serializers.CharField(max_length=COMMAND_LIMIT, trim_whitespace=False)
    ticket = serializers.CharField(required=False, allow_blank=True, max_length=64, default="")
    description = ClippedTextField(limit=MESSAGE_LIMIT, required=False, allow_blank=True)
    priority = PriorityField(required=False)


class FlatHeartbeatIn(StrictSerializer):
    """A sign of life."""

    agentId = serializers.CharField()
    status = serializers.ChoiceField(choices=["online", "idle", "busy", "offline"])
    currentTask = serializers.CharField(required=False, allow_blank=True, allow_null=True)


class BlockedIn(StrictSerializer):
    """What an agent needs from a person."""

    agentName = serializers.CharField(required=False)
    reason = ClippedTextField(limit=2_000)
    ticketId = serializers.CharField(required=False, allow_blank=True, max_length=64, default="")


class PostIn(StrictSerializer):
    """Words for a channel."""

    channel = serializers.CharField()
    message = ClippedTextField(limit=MESSAGE_LIMIT)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a Python keyword, so it is added here."""
        return {"from": serializers.CharField(required=False), **super().get_fields()}


class InboxQuery(serializers.Serializer[Any]):
    """Whose messages."""

    agent = serializers.CharField()
    unreadOnly = serializers.BooleanField(required=False, default=False)


class AlertQuery(serializers.Serializer[Any]):
    """Which incidents."""

    status = serializers.ChoiceField(choices=STATUSES, required=False)
    severity = serializers.ChoiceField(choices=SEVERITIES, required=False)
    agentName = serializers.CharField(required=False)


class AlertAckIn(StrictSerializer):
    """Who takes it on."""

    alertId = _dispatch_id()
    acknowledgedBy = serializers.CharField(required=False, max_length=64)


class LearningQuery(serializers.Serializer[Any]):
    """Which learnings: of whose failures, of which category, with which words."""

    agent = serializers.CharField(required=False)
    topic = serializers.CharField(required=False, max_length=40)
    query = serializers.CharField(required=False, max_length=200)


class SubmitLearningIn(NewLearningIn):
    """The canonical forms, or `taskTitle` and `summary` as the original's agents send them."""

    taskTitle = serializers.CharField(required=False, max_length=200)
    summary = ClippedTextField(limit=TEXT_LIMIT, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A summary is something said."""
        return attrs if attrs.get("summary") else super().validate(attrs)


class BootQuery(serializers.Serializer[Any]):
    """Who boots, and for which ticket."""

    agentName = serializers.CharField(required=False)
    ticketId = serializers.CharField(required=False, max_length=64)
