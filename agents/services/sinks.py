"""What people do with sinks and with what did not reach them."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from agents.errors import InvalidInputError
from agents.models import Delivery, Sink
from agents.services.messages import send_message
from agents.services.records import audit
from agents.states import DeliveryState

SECRET_BYTES = 32
"""Standard Webhooks takes 24 to 64 (its specification, "Signature scheme")."""


def new_secret() -> str:
    """A secret of its own for a webhook, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def renew_secret(sink: Sink, *, actor: str, now: datetime) -> str:
    """Sign with another secret from now on; returns it."""
    sink.secret = new_secret()
    with transaction.atomic():
        sink.save(update_fields=["secret"])
        audit("new_secret", ("sink", sink.pk), actor=actor, now=now)
    return sink.secret


def send_test(sink: Sink, *, actor: str, now: datetime) -> Delivery:
    """Say something harmless in the channel of an active sink, on its way to this sink alone.

    Raises InvalidInputError when the sink is turned off.
    """
    if not sink.is_active:
        raise InvalidInputError("sink", f"{sink.name} is turned off.")
    with transaction.atomic():
        text = f"A test of the sink {sink.name}, asked for by {actor}."
        message = send_message(text, to=sink.channel, now=now)
        message.deliveries.exclude(sink=sink).delete()
        test = message.deliveries.get()
        audit("test", ("sink", sink.pk), actor=actor, now=now)
        return test


def send_again(pk: int, *, actor: str, now: datetime) -> Delivery | None:
    """Send a dead delivery anew, with another key, since the receiver refused the first.

    Returns None when it isn't dead, or is on its way again already.
    """
    with transaction.atomic():
        row = Delivery.objects.select_for_update().filter(pk=pk).first()
        if row is None or row.state != DeliveryState.DEAD:
            return None
        rounds = Delivery.objects.filter(message=row.message_id, sink=row.sink_id)
        last = rounds.aggregate(last=Max("round"))["last"]
        if last != row.round:
            return None
        audit("send_again", ("delivery", row.pk), actor=actor, now=now)
        return Delivery.objects.create(
            message_id=row.message_id,
            sink_id=row.sink_id,
            round=row.round + 1,
            cancel_key=row.cancel_key,
            idempotency_key=f"msg-{row.message_id}-{row.sink_id}-{row.round + 1}",
            next_try_at=now,
            created_at=now,
        )
