"""Incidents on the wire."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.api.fields import MAX_ID, ClippedTextField, MillisecondsField, StrictSerializer
from failures import kinds
from failures.models import Incident, IncidentEvent
from failures.policy import MESSAGE_LIMIT
from failures.states import IncidentKind, IncidentStatus, Severity

KINDS = [kind.value for kind in IncidentKind]
SEVERITIES = [severity.value for severity in Severity]
STATUSES = [status.value for status in IncidentStatus]


class NewIncidentIn(StrictSerializer):
    """What happened, as an agent, a hook or a person reports it."""

    agentName = serializers.CharField(required=False, allow_null=True)
    message = ClippedTextField(limit=MESSAGE_LIMIT)
    title = serializers.CharField(required=False, allow_blank=True, max_length=200)
    level = serializers.ChoiceField(choices=list(kinds.SPOKEN_LEVELS), required=False)
    kind = serializers.ChoiceField(choices=KINDS, default=IncidentKind.REPORTED.value)
    metadata = serializers.DictField(required=False, allow_null=True)
    dispatchId = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_ID
    )
    idempotencyKey = serializers.CharField(required=False, allow_null=True, max_length=255)
    timestamp = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=10**15,
        help_text="When it happened, in milliseconds since 1970; kept, and never trusted.",
    )


class IncidentFilter(serializers.Serializer[Any]):
    """How a list of incidents may be narrowed."""

    status = serializers.ChoiceField(choices=STATUSES, required=False)
    kind = serializers.ChoiceField(choices=KINDS, required=False)
    severity = serializers.ChoiceField(choices=SEVERITIES, required=False)
    agent = serializers.CharField(required=False)


class IncidentEventOut(serializers.Serializer[IncidentEvent]):
    """A line of the timeline."""

    seq = serializers.IntegerField()
    kind = serializers.CharField()
    level = serializers.IntegerField(allow_null=True)
    actor = serializers.CharField()
    at = serializers.DateTimeField()
    data = serializers.DictField()  # type: ignore[assignment] # DRF takes it out of the class


class IncidentOut(serializers.Serializer[Incident]):
    """An incident."""

    id = serializers.IntegerField()
    number = serializers.CharField()
    kind = serializers.ChoiceField(choices=KINDS)
    severity = serializers.ChoiceField(choices=SEVERITIES)
    status = serializers.ChoiceField(choices=STATUSES)
    title = serializers.CharField()
    message = serializers.CharField()
    metadata = serializers.DictField()
    agentName = serializers.CharField(source="agent.name", allow_null=True, default=None)
    dispatchId = serializers.IntegerField(source="dispatch_id", allow_null=True)
    escalationLevel = serializers.IntegerField(source="escalation_level")
    nextStepAt = serializers.DateTimeField(source="next_step_at", allow_null=True)
    openedAt = serializers.DateTimeField(source="opened_at")
    timestamp = MillisecondsField(source="opened_at")
    acknowledgedBy = serializers.CharField(source="acknowledged_by")
    acknowledgedAt = serializers.DateTimeField(source="acknowledged_at", allow_null=True)
    snoozedUntil = serializers.DateTimeField(source="snoozed_until", allow_null=True)
    resolvedAt = serializers.DateTimeField(source="resolved_at", allow_null=True)
    resolution = serializers.CharField()
    version = serializers.IntegerField()


class IncidentDetailOut(IncidentOut):
    """An incident with its timeline."""

    timeline = IncidentEventOut(source="events", many=True)


class VersionedIn(StrictSerializer):
    """An action may name the version that its caller saw; an old one is refused."""

    version = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**31 - 1
    )


class SnoozeIn(VersionedIn):
    """Until when it may rest, and why."""

    until = serializers.DateTimeField()
    reason = ClippedTextField(limit=500)


class ResolveIn(VersionedIn):
    """How it ended."""

    resolution = ClippedTextField(limit=4_000)
