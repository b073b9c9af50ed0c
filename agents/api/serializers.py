"""Agents, dispatches and messages on the wire, in camelCase."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from rest_framework import serializers

from agents.api.fields import ClippedTextField, PriorityField, StrictSerializer
from agents.models import Agent, Attempt, Dispatch
from agents.states import AgentRole, AgentStatus, AttemptOutcome, DispatchStatus, Strategy

DAY = 86_400
MAX_PROGRESS_EVERY = timedelta(hours=4)
COMMAND_LIMIT = 16_000
PAYLOAD_LIMIT = 131_072


class AgentOut(serializers.Serializer[Agent]):
    """An agent."""

    name = serializers.CharField()
    role = serializers.ChoiceField(choices=[role.value for role in AgentRole])
    skills = serializers.ListField(child=serializers.CharField())
    status = serializers.ChoiceField(choices=[status.value for status in AgentStatus])
    lastSeenAt = serializers.DateTimeField(source="last_seen_at", allow_null=True)
    dispatch = serializers.IntegerField(source="current_dispatch_id", allow_null=True, default=None)
    pausedUntil = serializers.DateTimeField(source="paused_until", allow_null=True)
    pauseReason = serializers.CharField(source="pause_reason", allow_null=True)


class AttemptOut(serializers.Serializer[Attempt]):
    """One claim of a dispatch; its claim token is its owner's alone."""

    number = serializers.IntegerField()
    agentName = serializers.CharField(source="agent.name")
    strategy = serializers.ChoiceField(choices=[s.value for s in Strategy])
    instructions = serializers.CharField()
    startedAt = serializers.DateTimeField(source="started_at")
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True)
    outcome = serializers.ChoiceField(choices=[o.value for o in AttemptOutcome])
    reason = serializers.CharField()
    failureId = serializers.IntegerField(source="failure_id", allow_null=True)


class DispatchOut(serializers.Serializer[Dispatch]):
    """A dispatch and its attempts, the first one first."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    command = serializers.CharField()
    payload = serializers.JSONField()
    priority = PriorityField()
    status = serializers.ChoiceField(choices=[s.value for s in DispatchStatus])
    reason = serializers.CharField()
    agentName = serializers.CharField(source="agent.name", allow_null=True, default=None)
    skills = serializers.ListField(child=serializers.CharField(), source="required_skills")
    ticketId = serializers.CharField(source="ticket_id")
    uniqueKey = serializers.CharField(source="unique_key", allow_null=True)
    maxAttempts = serializers.IntegerField(source="max_attempts")
    retryAt = serializers.DateTimeField(source="run_at", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")
    finishedAt = serializers.DateTimeField(source="finished_at", allow_null=True)
    attempts = serializers.SerializerMethodField()

    def get_attempts(self, dispatch: Dispatch) -> list[dict[str, Any]]:
        """Every attempt so far."""
        return [dict(AttemptOut(attempt).data) for attempt in dispatch.attempts.all()]


class NewDispatchIn(StrictSerializer):
    """Work to queue."""

    title = serializers.CharField(max_length=200)
    command = serializers.CharField(max_length=COMMAND_LIMIT, trim_whitespace=False)
    payload = serializers.DictField(required=False, default=dict)

    def validate_payload(self, value: dict[str, Any]) -> dict[str, Any]:
        """At most 128 kB, since lists of dispatches carry it."""
        if len(json.dumps(value)) > PAYLOAD_LIMIT:
            raise serializers.ValidationError(f"At most {PAYLOAD_LIMIT:,} bytes of JSON.")
        return value

    priority = PriorityField(required=False)
    agentName = serializers.CharField(required=False, allow_null=True)
    skills = serializers.ListField(
        child=serializers.CharField(max_length=64), required=False, default=list, max_length=20
    )
    ticketId = serializers.CharField(required=False, allow_blank=True, max_length=64, default="")
    uniqueKey = serializers.CharField(required=False, allow_null=True, max_length=200)
    notBefore = serializers.DateTimeField(required=False, allow_null=True)
    expectedProgressEvery = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=int(MAX_PROGRESS_EVERY.total_seconds()),
        help_text="Seconds between signs of progress that are normal for this work.",
    )
    maxAttempts = serializers.IntegerField(required=False, min_value=1, max_value=20)


class DispatchFilter(serializers.Serializer[Any]):
    """How a list of dispatches may be narrowed."""

    status = serializers.ChoiceField(choices=[s.value for s in DispatchStatus], required=False)
    agent = serializers.CharField(required=False)


class NewMessageIn(StrictSerializer):
    """A message to one agent or one channel."""

    to = serializers.CharField(required=False, allow_null=True)
    channel = serializers.CharField(required=False, allow_null=True)
    message = ClippedTextField(limit=16_000)
    priority = PriorityField(required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a Python keyword, so it is added here."""
        return {"from": serializers.CharField(required=False), **super().get_fields()}


class MessageOut(serializers.Serializer[Any]):
    """A message."""

    id = serializers.IntegerField()
    to = serializers.CharField(source="to_agent.name", allow_null=True, default=None)
    channel = serializers.CharField(source="channel.name", allow_null=True, default=None)
    message = serializers.CharField(source="text")
    priority = PriorityField()
    createdAt = serializers.DateTimeField(source="created_at")
    readAt = serializers.DateTimeField(source="read_at", allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a Python keyword, so it is added here."""
        return {"from": serializers.CharField(source="sender"), **super().get_fields()}


class MessageFilter(serializers.Serializer[Any]):
    """Which messages: an agent's inbox, or a channel."""

    agent = serializers.CharField(required=False)
    channel = serializers.CharField(required=False)
    unread = serializers.BooleanField(required=False, default=False)
