"""Pauses on the wire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rest_framework import serializers

from agents.api.fields import StrictSerializer
from agents.models import Pause
from agents.policy_pauses import LONGEST
from agents.services import pauses

MINUTE = timedelta(minutes=1)


class PauseIn(StrictSerializer):
    """For how long, or until when, and why."""

    reason = serializers.CharField(max_length=pauses.REASON_LIMIT)
    minutes = serializers.IntegerField(
        required=False, min_value=1, max_value=LONGEST // MINUTE, help_text="This, or `until`."
    )
    until = serializers.DateTimeField(
        required=False, help_text="At most seven days ahead. This, or `minutes`."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One end, not none and not two."""
        if ("minutes" in attrs) == ("until" in attrs):
            raise serializers.ValidationError({"minutes": ["Give `minutes` or `until`, not both."]})
        return attrs


class ResumeIn(StrictSerializer):
    """Why it may go on."""

    reason = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=pauses.REASON_LIMIT
    )


class PauseOut(serializers.Serializer[Pause]):
    """A pause; without an agent's name it is everybody's."""

    id = serializers.IntegerField()
    agentName = serializers.CharField(source="agent.name", allow_null=True)
    reason = serializers.CharField()
    startedBy = serializers.CharField(source="started_by")
    startedAt = serializers.DateTimeField(source="started_at")
    until = serializers.DateTimeField()
    liftedAt = serializers.DateTimeField(source="lifted_at", allow_null=True)
    liftedBy = serializers.CharField(source="lifted_by")
