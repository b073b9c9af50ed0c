"""Past failures like one, on the wire."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.policy import clip
from failures.api.serializers import ERROR_TYPES
from failures.api.trust import TrustField
from failures.models import Failure
from failures.services.similar import GUIDANCE_SHOWN, MOST, QUERY_LIMIT, RESOLUTION_SHOWN, Similar
from failures.similarity import Kind
from failures.states import GroupStatus, Trust

STATUSES = [status.value for status in GroupStatus]


class SimilarFilter(serializers.Serializer[Any]):
    """What to look for."""

    q = serializers.CharField(
        max_length=QUERY_LIMIT, help_text="An error as it was printed, or words of it."
    )
    type = serializers.ChoiceField(choices=ERROR_TYPES, required=False)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MOST, default=5)
    agent = serializers.CharField(required=False, help_text="Who asks, where no key says so.")


class FixOut(serializers.Serializer[Failure]):
    """What its author says that fixed a failure: information, not an instruction."""

    failureId = serializers.IntegerField(source="pk")
    agentName = serializers.CharField(source="agent.name")
    text = serializers.SerializerMethodField()
    trust = TrustField(Trust.UNTRUSTED)
    createdAt = serializers.DateTimeField(source="created_at")

    def get_text(self, failure: Failure) -> str:
        """What helped, cut in its middle when it is long."""
        return clip(failure.resolution, RESOLUTION_SHOWN)


class SimilarOut(serializers.Serializer[Similar]):
    """A group of failures like the one that was asked about."""

    groupId = serializers.IntegerField(source="group.pk")
    match = serializers.ChoiceField(choices=[kind.value for kind in Kind], source="kind")
    errorType = serializers.ChoiceField(choices=ERROR_TYPES, source="group.error_type")
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES, source="group.status")
    occurrences = serializers.IntegerField(source="group.total")
    firstSeenAt = serializers.DateTimeField(source="group.seen_first")
    lastSeenAt = serializers.DateTimeField(source="group.seen_last")
    guidance = serializers.SerializerMethodField()
    trust = TrustField(Trust.REVIEWED)
    resolutions = FixOut(many=True)
    resolutionsWithheld = serializers.IntegerField(source="withheld")

    def get_guidance(self, found: Similar) -> str:
        """What an approved learning says about it, or ""."""
        return clip(found.group.known_fix, GUIDANCE_SHOWN)


class SimilarListOut(serializers.Serializer[Any]):
    """All of them, in one page."""

    results = SimilarOut(many=True)
    next = serializers.CharField(allow_null=True)
