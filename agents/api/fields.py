"""Fields of the wire contract that DRF doesn't have."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.policy import clip
from agents.states import Priority

MAX_ID = 10**18 - 1
"""The largest id that an address can name; it fits PostgreSQL's bigint."""


@extend_schema_field(
    {
        "oneOf": [
            {"type": "integer", "enum": [0, 1, 2, 3]},
            {"type": "string", "enum": ["urgent", "high", "normal", "low"]},
        ]
    }
)
class PriorityField(serializers.Field[Priority, Any, int, Any]):
    """A priority: 0–3, or urgent, high, normal, low; answered as the number."""

    default_error_messages = {
        "invalid": "A priority is 0 (urgent), 1 (high), 2 (normal) or 3 (low), or its name."
    }

    def to_internal_value(self, data: Any) -> Priority:
        """The priority of that number or name; raises ValidationError."""
        if isinstance(data, str) and data.upper() in Priority.__members__:
            return Priority[data.upper()]
        if isinstance(data, int) and not isinstance(data, bool) and data in set(Priority):
            return Priority(data)
        raise serializers.ValidationError(self.error_messages["invalid"], code="invalid")

    def to_representation(self, value: Any) -> int:
        """The number."""
        return int(value)


class ClippedTextField(serializers.CharField):
    """Text that is kept head and tail rather than refused for being long."""

    def __init__(self, *, limit: int, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)
        self.limit = limit

    def to_internal_value(self, data: Any) -> str:
        """The text, cut in its middle when it is over the limit."""
        return clip(super().to_internal_value(data), self.limit)


@extend_schema_field(OpenApiTypes.INT64)
class MillisecondsField(serializers.Field[datetime, Any, int, Any]):
    """An instant as milliseconds since 1970, as the specification's `timestamp`."""

    def to_representation(self, value: datetime) -> int:
        """Whole milliseconds."""
        return int(value.timestamp() * 1000)


class StrictSerializer(serializers.Serializer[Any]):
    """An input whose text fields take strings only: DRF would turn 12 into "12"."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated input; raises ValidationError naming each field."""
        if isinstance(data, dict):
            wrong = {
                name: ["Not a string."]
                for name, field in self.fields.items()
                if not _holds_strings(field, data.get(name))
            }
            if wrong:
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


def _holds_strings(field: serializers.Field[Any, Any, Any, Any], value: Any) -> bool:
    if isinstance(field, serializers.CharField):
        return isinstance(value, str | None)
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        return all(_holds_strings(field.child, item) for item in value)
    return True
