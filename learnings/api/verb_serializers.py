"""What is sent to decide on learnings, and what is answered."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.api.fields import MAX_ID, StrictSerializer
from learnings.services.switch import REASON_LIMIT


class WhyIn(StrictSerializer):
    """Why, in one's own words; may be left out."""

    reason = serializers.CharField(
        max_length=REASON_LIMIT, required=False, default="", allow_blank=True
    )


class RetireIn(StrictSerializer):
    """Why it is told no more, and what is told instead, if anything."""

    reason = serializers.CharField(max_length=REASON_LIMIT)
    supersededBy = serializers.IntegerField(
        min_value=1, max_value=MAX_ID, required=False, allow_null=True, default=None
    )


class RetireDerivedIn(StrictSerializer):
    """Of whom, since when, and why."""

    agent = serializers.CharField(max_length=64)
    since = serializers.DateTimeField()
    reason = serializers.CharField(max_length=REASON_LIMIT)


class RetireDerivedOut(serializers.Serializer[Any]):
    """What was taken back: ids of learnings, and of new words for some."""

    retired = serializers.ListField(child=serializers.IntegerField())
    rejected = serializers.ListField(child=serializers.IntegerField())
    revisions = serializers.ListField(child=serializers.IntegerField())


class InjectionIn(StrictSerializer):
    """Whether agents shall be told what was learned, and why."""

    on = serializers.BooleanField()
    reason = serializers.CharField(max_length=REASON_LIMIT)


class InjectionOut(serializers.Serializer[Any]):
    """How the switch stands; nulls when nobody ever turned it."""

    on = serializers.BooleanField()
    by = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
