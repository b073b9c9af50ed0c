"""Claims, reports and signs of life on the wire."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.api.fields import ClippedTextField, StrictSerializer
from agents.api.serializers import AttemptOut, DispatchOut
from agents.services.leases import CLAIM_LIMIT
from agents.states import AgentStatus
from failures.policy import MESSAGE_LIMIT
from failures.states import ErrorType

MAX_HOLD_SECONDS = 86_400


class ClaimIn(StrictSerializer):
    """Who wants work, and how much of it."""

    agentName = serializers.CharField(required=False, allow_null=True)
    session = serializers.UUIDField(required=False, allow_null=True)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=CLAIM_LIMIT)


class ClaimedAttemptOut(AttemptOut):
    """The attempt with its claim, for its owner alone."""

    claim = serializers.CharField()
    leaseExpiresAt = serializers.DateTimeField(source="dispatch.lease_expires_at")


class ClaimedOut(serializers.Serializer[Any]):
    """A dispatch, the attempt that now holds it, and how to stay alive."""

    dispatch = DispatchOut()
    attempt = ClaimedAttemptOut()
    heartbeatSeconds = serializers.IntegerField()
    briefingUrl = serializers.CharField(help_text="What to read before the work is begun.")


class ClaimedManyOut(serializers.Serializer[Any]):
    """As many as there were, up to the limit."""

    results = ClaimedOut(many=True)


class HeartbeatIn(StrictSerializer):
    """A sign of life; with a claim it extends the lease."""

    session = serializers.UUIDField(required=False, allow_null=True)
    status = serializers.ChoiceField(choices=[s.value for s in AgentStatus], required=False)
    claim = serializers.CharField(required=False, allow_null=True, max_length=64)


class LifeOut(serializers.Serializer[Any]):
    """What travels back with a sign of life."""

    heartbeatSeconds = serializers.IntegerField(source="heartbeat_seconds")
    leaseExpiresAt = serializers.DateTimeField(source="lease_expires_at", allow_null=True)
    cancelRequested = serializers.BooleanField(source="cancel_requested")
    superseded = serializers.BooleanField()
    paused = serializers.BooleanField()
    claimState = serializers.CharField(source="claim_state", allow_null=True)


class ClaimedVerbIn(StrictSerializer):
    """A report names the claim that it was given."""

    claim = serializers.CharField(max_length=64)


class ProgressIn(ClaimedVerbIn):
    """A note for people, and a marker (a commit, step or artefact hash) that changes with work."""

    note = ClippedTextField(limit=2_000, required=False, allow_blank=True, allow_null=True)
    marker = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, max_length=200
    )


class CompleteIn(ClaimedVerbIn):
    """The work is done."""

    result = serializers.JSONField(required=False, allow_null=True)
    evidence = ClippedTextField(
        limit=MESSAGE_LIMIT, required=False, allow_blank=True, allow_null=True
    )


class FailIn(ClaimedVerbIn):
    """Why the attempt failed, and whether another could help."""

    errorType = serializers.ChoiceField(choices=[e.value for e in ErrorType])
    errorMessage = serializers.CharField(allow_blank=True, trim_whitespace=False)
    context = serializers.DictField(  # type: ignore[assignment] # DRF's own attribute is unused
        required=False, allow_null=True
    )
    retryable = serializers.BooleanField(required=False, default=True)
    retryAfter = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_HOLD_SECONDS,
        help_text="Seconds until the work can go on, such as the end of a rate limit.",
    )


class BlockIn(ClaimedVerbIn):
    """What the agent needs from a person."""

    reason = ClippedTextField(limit=2_000)


class ReassignIn(StrictSerializer):
    """Who shall do it."""

    agentName = serializers.CharField()


class ReportOut(DispatchOut):
    """The dispatch as the report left it, and the closed attempt."""

    attempt = AttemptOut()
    failureId = serializers.IntegerField(required=False)
    occurrences = serializers.IntegerField(required=False)
    guidance = serializers.CharField(required=False)
