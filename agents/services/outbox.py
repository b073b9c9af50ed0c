"""The outbox: what was said in a channel, on its way to the channel's sinks outside."""

from __future__ import annotations

from datetime import datetime

from agents.models import Delivery
from agents.states import DeliveryState


def cancel(cancel_key: str, *, now: datetime) -> int:
    """Send nothing more about it; returns how many deliveries were cancelled.

    A try that is under way may still arrive; when it fails, there is no other.
    """
    rows = Delivery.objects.filter(cancel_key=cancel_key)
    rows.filter(state=DeliveryState.SENDING.value, withdrawn_at__isnull=True).update(
        withdrawn_at=now
    )
    return rows.filter(state=DeliveryState.PENDING.value).update(
        state=DeliveryState.CANCELLED.value, finished_at=now
    )
