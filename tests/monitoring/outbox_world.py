"""A channel with sinks, and short words for what leaves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agents.models import Channel, Delivery, DeliveryAttempt, Message, Sink
from agents.services.messages import send_message
from agents.states import SinkKind

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLIC = "https://hooks.example.com/evox"


def channel(name: str = "ceo") -> Channel:
    """The channel of that name."""
    return Channel.objects.get_or_create(name=name, defaults={"created_at": T0})[0]


def sink(url: str = PUBLIC, *, to: str = "ceo", kind: SinkKind = SinkKind.WEBHOOK, **over) -> Sink:
    """A sink of that channel, named after how many there are."""
    fields = {
        "channel": channel(to),
        "name": f"sink {Sink.objects.count() + 1}",
        "kind": kind.value,
        "url": url,
        "secret": SECRET if kind is SinkKind.WEBHOOK else "",
        "created_at": T0,
    }
    return Sink.objects.create(**fields | over)


def say(text: str = "SAM is stuck", *, to: str = "ceo", now: datetime = T0, **fields) -> Message:
    """A message in that channel."""
    return send_message(text, to=channel(to), now=now, **fields)


def only() -> Delivery:
    """The one delivery that there is."""
    return Delivery.objects.select_related("sink").get()


def states() -> list[str]:
    """Where each delivery stands, the oldest first."""
    return list(Delivery.objects.order_by("id").values_list("state", flat=True))


def tries() -> list[tuple[int, str]]:
    """Each try and its outcome, in order."""
    rows = DeliveryAttempt.objects.order_by("delivery_id", "n")
    return list(rows.values_list("n", "outcome"))
