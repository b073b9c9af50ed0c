"""The answer to one report, which every failure hears: FailureOut without its serializer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rest_framework.fields import DateTimeField

from failures.models import Failure

_INSTANT = DateTimeField()


def _instant(value: datetime) -> str:
    if value.tzinfo is UTC:
        return f"{value.isoformat()[:-6]}Z"
    told: str = _INSTANT.to_representation(value)
    return told


def answer(failure: Failure) -> dict[str, Any]:
    """What `FailureOut` makes of it, in a tenth of its time."""
    return {
        "id": failure.pk,
        "agentName": failure.agent.name,
        "errorType": failure.error_type,
        "classifiedType": failure.classified_type,
        "errorMessage": failure.message,
        "context": failure.context,
        "resolution": failure.resolution,
        "outcome": failure.outcome,
        "fingerprint": failure.fingerprint,
        "groupId": failure.root_pk,
        "occurrences": failure.occurrences,
        "guidance": failure.known_fix,
        "timestamp": int(failure.created_at.timestamp() * 1000),
        "createdAt": _instant(failure.created_at),
    }
