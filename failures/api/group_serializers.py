"""Groups of failures on the wire: roots, with what they stand at."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.api.fields import MAX_ID, ClippedTextField, StrictSerializer
from failures.api.serializers import CLASSIFIED, ERROR_TYPES
from failures.models import FailureGroup, GroupAlias
from failures.naming import name_of
from failures.policy import MESSAGE_LIMIT
from failures.policy_groups import BY_HAND, MOST_AT_ONCE
from failures.services.access import reads_words
from failures.states import AliasKind, GroupStatus

STATUSES = [status.value for status in GroupStatus]
REASON_LIMIT = 500


class GroupFilter(serializers.Serializer[Any]):
    """How the list may be narrowed."""

    status = serializers.ChoiceField(choices=STATUSES, required=False)
    type = serializers.ChoiceField(choices=ERROR_TYPES, required=False)


class GroupOut(serializers.Serializer[FailureGroup]):
    """Like failures: a root, summed over its members."""

    id = serializers.IntegerField()
    fingerprint = serializers.CharField()
    family = serializers.CharField()
    errorType = serializers.ChoiceField(source="error_type", choices=ERROR_TYPES)
    classifiedType = serializers.ChoiceField(
        source="classified_type", choices=["", *ERROR_TYPES], help_text=CLASSIFIED
    )
    template = serializers.CharField()
    toolCode = serializers.CharField(source="tool_code")
    errorClass = serializers.CharField(source="error_class")
    count = serializers.IntegerField(source="total")
    status = serializers.ChoiceField(choices=STATUSES)
    resolution = serializers.CharField()
    resolvedBy = serializers.CharField(source="resolved_by")
    resolvedAt = serializers.DateTimeField(source="resolved_at", allow_null=True)
    guidance = serializers.CharField(source="known_fix")
    firstSeenAt = serializers.DateTimeField(source="seen_first")
    lastSeenAt = serializers.DateTimeField(source="seen_last")
    withheld = serializers.SerializerMethodField(
        help_text="Whether its words are other agents'. Then template is its name, and resolution"
        " is empty."
    )

    def get_withheld(self, group: FailureGroup) -> bool:
        """Whether its words are not for the context's `caller`."""
        return not reads_words(self.context["caller"], author="")

    def to_representation(self, instance: FailureGroup) -> dict[str, Any]:
        """All of it, or all but its words."""
        shown: dict[str, Any] = super().to_representation(instance)
        if shown["withheld"]:
            shown |= {"template": name_of(instance), "resolution": ""}
        return shown


class MemberOut(serializers.Serializer[GroupAlias]):
    """A group that is held for the root, and why."""

    id = serializers.IntegerField(source="group_id")
    fingerprint = serializers.CharField(source="group.fingerprint")
    template = serializers.CharField(source="group.template")
    count = serializers.IntegerField(source="group.count")
    merge = serializers.UUIDField(help_text="The merge that made it one: what undo takes back.")
    kind = serializers.ChoiceField(choices=[kind.value for kind in AliasKind])
    by = serializers.CharField()
    at = serializers.DateTimeField()
    reason = serializers.CharField()

    def to_representation(self, instance: GroupAlias) -> dict[str, Any]:
        """All of it, or all but the words that aren't for the context's `caller`."""
        shown: dict[str, Any] = super().to_representation(instance)
        if not reads_words(self.context["caller"], author=""):
            shown["template"] = name_of(instance.group)
        return shown


class GroupDetailOut(GroupOut):
    """A root with its members."""

    agents = serializers.DictField(
        child=serializers.IntegerField(), help_text="Failures by agent, the most first."
    )
    members = MemberOut(many=True)


class GroupStatusIn(StrictSerializer):
    """Where the team says that it stands; what is resolved says how."""

    status = serializers.ChoiceField(choices=[status.value for status in BY_HAND])
    resolution = ClippedTextField(limit=MESSAGE_LIMIT, required=False, allow_blank=True)


class ReasonIn(StrictSerializer):
    """Why."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=REASON_LIMIT)


class GroupsIn(ReasonIn):
    """Which groups, by their ids, and why."""

    groups = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID),
        min_length=1,
        max_length=MOST_AT_ONCE,
    )


class UndoIn(ReasonIn):
    """Which merge; the last one if none is named."""

    merge = serializers.UUIDField(required=False, allow_null=True)
