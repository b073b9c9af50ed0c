"""New words for learnings on the wire."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.api.fields import ClippedTextField, StrictSerializer
from failures.api.trust import TRUSTS
from failures.states import Trust
from learnings.models import LearningRevision
from learnings.states import RevisionSource, RevisionStatus

REVISION_STATUSES = [status.value for status in RevisionStatus]


class RevisionFilter(serializers.Serializer[Any]):
    """How the list may be narrowed."""

    status = serializers.ChoiceField(choices=REVISION_STATUSES, required=False)
    learning = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class RevisionDecisionIn(StrictSerializer):
    """Why."""

    reason = ClippedTextField(limit=500, required=False, default="", allow_blank=True)


class RevisionOut(serializers.Serializer[LearningRevision]):
    """What a learning might say instead, as its author wrote it."""

    id = serializers.IntegerField()
    learningId = serializers.IntegerField(source="learning_id")
    version = serializers.IntegerField()
    rule = serializers.CharField()
    why = serializers.CharField()
    solution = serializers.CharField()
    trust = serializers.SerializerMethodField()
    flags = serializers.ListField(child=serializers.CharField())
    source = serializers.ChoiceField(  # type: ignore[assignment] # DRF takes it out of the class
        choices=[source.value for source in RevisionSource]
    )
    author = serializers.CharField()
    diagnosisId = serializers.IntegerField(source="diagnosis_id", allow_null=True)
    failureId = serializers.IntegerField(source="failure_id", allow_null=True)
    status = serializers.ChoiceField(choices=REVISION_STATUSES)
    reason = serializers.CharField()
    createdAt = serializers.DateTimeField(source="at")
    decidedBy = serializers.CharField(source="decided_by")
    decidedAt = serializers.DateTimeField(source="decided_at", allow_null=True)

    @extend_schema_field(serializers.ChoiceField(choices=TRUSTS))
    def get_trust(self, revision: LearningRevision) -> str:
        """Reviewed once it was let through."""
        applied = revision.status == RevisionStatus.APPLIED
        return (Trust.REVIEWED if applied else Trust.UNTRUSTED).value
