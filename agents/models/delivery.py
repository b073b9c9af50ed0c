"""The outbox: what leaves EVOX for a channel's sinks outside, and every try of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models.fields import choices_of, one_of
from agents.models.message import Channel, Message
from agents.states import DeliveryOutcome, DeliveryState, SinkKind

_PENDING = Q(state=DeliveryState.PENDING.value)
_SENDING = Q(state=DeliveryState.SENDING.value)


class Sink(models.Model):
    """A place outside that hears what is said in a channel. Its address is an administrator's."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="sinks")
    name = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16, choices=choices_of(SinkKind))
    url = models.CharField(max_length=2000)
    """Holds credentials for many services: shown to administrators alone, and never logged."""
    secret = models.CharField(max_length=200, blank=True, default="")
    """Signs a webhook: `whsec_` and base64, as Standard Webhooks writes it."""
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(name="sink_kind_known", condition=one_of("kind", SinkKind)),
            models.CheckConstraint(name="sink_has_url", condition=~Q(url="")),
            models.CheckConstraint(
                name="sink_webhook_is_signed",
                condition=~Q(kind=SinkKind.WEBHOOK.value) | ~Q(secret=""),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One message on its way to one sink: delivered at least once, always with the same key."""

    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="deliveries")
    sink = models.ForeignKey(Sink, on_delete=models.PROTECT, related_name="deliveries")
    round = models.PositiveSmallIntegerField(default=0)
    """Grows when a person sends a dead one again."""
    cancel_key = models.CharField(max_length=100, blank=True, default="")
    """What it is about: when that is dealt with, what was not sent yet is cancelled."""
    idempotency_key = models.CharField(max_length=100, unique=True)
    state = models.CharField(
        max_length=16, choices=choices_of(DeliveryState), default=DeliveryState.PENDING.value
    )
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    """Dealt with while a try was under way: when that try fails, there is no other."""
    last_error = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                name="delivery_once_per_sink_and_round", fields=["message", "sink", "round"]
            ),
            models.CheckConstraint(
                name="delivery_state_known", condition=one_of("state", DeliveryState)
            ),
            models.CheckConstraint(
                name="delivery_sending_has_lease",
                condition=(_SENDING & Q(lease_until__isnull=False))
                | (~_SENDING & Q(lease_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="delivery_finished_has_time",
                condition=((_PENDING | _SENDING) & Q(finished_at__isnull=True))
                | (~(_PENDING | _SENDING) & Q(finished_at__isnull=False)),
            ),
        ]
        indexes = [
            # Sender: what is due?
            models.Index(name="delivery_due", fields=["next_try_at", "id"], condition=_PENDING),
            # Sender: whose lease lapsed?
            models.Index(name="delivery_lapsed", fields=["lease_until"], condition=_SENDING),
            # Acknowledging or resolving: what need not be said any more?
            models.Index(name="delivery_to_cancel", fields=["cancel_key"], condition=_PENDING),
        ]

    def __str__(self) -> str:
        return f"{self.idempotency_key} to {self.sink_id}, {self.state}"


class DeliveryAttempt(models.Model):
    """One try of a delivery, written before anything is sent."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    n = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    outcome = models.CharField(
        max_length=16, choices=choices_of(DeliveryOutcome), default=DeliveryOutcome.STARTED.value
    )
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        ordering = ["delivery_id", "n"]
        constraints = [
            models.UniqueConstraint(name="deliveryattempt_n_unique", fields=["delivery", "n"]),
            models.CheckConstraint(
                name="deliveryattempt_outcome_known",
                condition=one_of("outcome", DeliveryOutcome),
            ),
            models.CheckConstraint(
                name="deliveryattempt_finished_has_time",
                condition=Q(outcome=DeliveryOutcome.STARTED.value, finished_at__isnull=True)
                | (~Q(outcome=DeliveryOutcome.STARTED.value) & Q(finished_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"try {self.n} of delivery {self.delivery_id}"
