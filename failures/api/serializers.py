"""Failures and groups on the wire."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.api.fields import MillisecondsField, StrictSerializer
from failures.models import Failure
from failures.naming import name_of
from failures.services.access import reads_words
from failures.states import ErrorType, ResolutionOutcome

ERROR_TYPES = [error_type.value for error_type in ErrorType]
CLASSIFIED = "What its text says that it is; errorType is what its reporter said. Empty: not asked."
OUTCOMES = [outcome.value for outcome in ResolutionOutcome]


class NewFailureIn(StrictSerializer):
    """What went wrong; long text is kept head and tail."""

    agentName = serializers.CharField(required=False, allow_null=True)
    errorType = serializers.ChoiceField(choices=ERROR_TYPES)
    errorMessage = serializers.CharField(allow_blank=True, trim_whitespace=False)
    # DRF's metaclass takes it out of the class again, so its own `context` stays what it is.
    context = serializers.DictField(required=False, allow_null=True)  # type: ignore[assignment]
    resolution = serializers.CharField(required=False, allow_blank=True, allow_null=True)


class ResolutionIn(StrictSerializer):
    """How it was dealt with."""

    resolution = serializers.CharField()
    outcome = serializers.ChoiceField(choices=OUTCOMES)


class FailureFilter(serializers.Serializer[Any]):
    """How the log may be narrowed."""

    agent = serializers.CharField(required=False)
    type = serializers.ChoiceField(choices=ERROR_TYPES, required=False)
    fingerprint = serializers.CharField(required=False, max_length=80)
    ticket = serializers.CharField(required=False, max_length=64)
    since = serializers.DateTimeField(required=False)


class FailureOut(serializers.Serializer[Failure]):
    """A failure in its group."""

    id = serializers.IntegerField()
    agentName = serializers.CharField(source="agent.name")
    errorType = serializers.ChoiceField(source="error_type", choices=ERROR_TYPES)
    classifiedType = serializers.ChoiceField(
        source="classified_type", choices=["", *ERROR_TYPES], help_text=CLASSIFIED
    )
    errorMessage = serializers.CharField(source="message")
    # As above.
    context = serializers.DictField()  # type: ignore[assignment]
    resolution = serializers.CharField()
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    fingerprint = serializers.CharField()
    groupId = serializers.IntegerField(source="root_pk")
    occurrences = serializers.IntegerField()
    guidance = serializers.CharField(source="known_fix")
    timestamp = MillisecondsField(source="created_at")
    createdAt = serializers.DateTimeField(source="created_at")


class ReadFailureOut(FailureOut):
    """A failure as a caller may read it: the context's `caller`."""

    withheld = serializers.SerializerMethodField(
        help_text="Whether its words are another agent's. Then errorMessage is its group's name,"
        " and context and resolution are empty."
    )

    def get_withheld(self, failure: Failure) -> bool:
        """Whether its words are not for this caller."""
        caller = self.context["caller"]  # type: ignore[index] # As above.
        return not reads_words(caller, author=failure.agent.name)

    def to_representation(self, instance: Failure) -> dict[str, Any]:
        """All of it, or all but its words."""
        shown: dict[str, Any] = super().to_representation(instance)
        if shown["withheld"]:
            shown |= {"errorMessage": name_of(instance.group), "context": {}, "resolution": ""}
        return shown


class BulkItemOut(serializers.Serializer[Any]):
    """What became of one element of an array."""

    index = serializers.IntegerField()
    status = serializers.IntegerField()
    id = serializers.IntegerField(required=False)
    error = serializers.DictField(required=False)


class BulkOut(serializers.Serializer[Any]):
    """What became of each element, in order."""

    results = BulkItemOut(many=True)
