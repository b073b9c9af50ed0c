"""The outbox: what was said in a channel, on its way to the channel's sinks outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Case, DateTimeField, F, Q, Value, When

from agents.models import Delivery
from agents.states import DeliveryState

# The conflict is named: without its constraint this is an error, not every message twice.
_ENQUEUE = """
INSERT INTO agents_delivery
  (message_id, sink_id, round, cancel_key, idempotency_key, state, attempts, next_try_at,
   last_error, created_at)
SELECT said.id, sink.id, 0, said.cancel_key, format('msg-%%s-%%s-0', said.id, sink.id), 'pending',
  0, %(now)s, '', %(now)s
FROM unnest(%(message)s::bigint[], %(cancel_key)s::text[]) AS said (id, cancel_key)
JOIN agents_message AS message ON message.id = said.id
JOIN agents_sink AS sink ON sink.channel_id = message.channel_id AND sink.is_active
ORDER BY said.id, sink.id
ON CONFLICT (message_id, sink_id, round) DO NOTHING
"""


def enqueue(messages: Mapping[int, str], *, now: datetime) -> int:
    """Put messages of channels on their way to each active sink, in one statement.

    `messages` has the cancel key, or "", of each message's id. What is on its way, or was sent,
    stays as it is, so this also repairs. Returns how many deliveries are new.
    """
    if not messages:
        return 0
    params: dict[str, Any] = {
        "now": now,
        "message": list(messages),
        "cancel_key": list(messages.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ENQUEUE, params)
        return int(cursor.rowcount)


def cancel(cancel_keys: Sequence[str], *, now: datetime) -> int:
    """Send nothing more about them; returns how many deliveries that concerned.

    A try that is under way may still arrive; when it fails, there is no other.
    """
    keys = [key for key in cancel_keys if key]
    pending = Q(state=DeliveryState.PENDING.value)
    sending = Q(state=DeliveryState.SENDING.value, withdrawn_at__isnull=True)
    # One statement: between two, a sender could move a row from what the second one looks for to
    # what the first one did, and it would stay.
    at = Value(now, output_field=DateTimeField())
    return Delivery.objects.filter(pending | sending, cancel_key__in=keys).update(
        state=Case(When(pending, then=Value(DeliveryState.CANCELLED.value)), default=F("state")),
        finished_at=Case(When(pending, then=at), default=F("finished_at")),
        withdrawn_at=Case(When(sending, then=at), default=F("withdrawn_at")),
    )
