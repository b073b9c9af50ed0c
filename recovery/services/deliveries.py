"""The durable inbox of GitHub's webhook: written down once, processed until it worked.

GitHub doesn't retry by itself, and a redelivery has the same guid. So what was *processed* is a
duplicate; what was only *seen* is processed again, and a redelivery heals a crash.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import DatabaseError, transaction
from redis.exceptions import RedisError

from agents.masking import scrub
from agents.policy import clip
from agents.states import check_move
from failures.services.incidents import resolve_by_key
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind
from recovery import policy_reviews
from recovery.models import WebhookDelivery
from recovery.pulls import PayloadError, hook_lacks_pulls, summary
from recovery.services import pushes
from recovery.services.effects import Effect
from recovery.services.reviews import apply_event, tell_somebody
from recovery.states import DELIVERY_MOVES, DONE, DeliveryStatus, TriggerSource

logger = logging.getLogger(__name__)

LIMIT = 100
ERROR_LIMIT = 2_000
REFUSED = "evox:webhook:refused"
STATE_FIELDS = (
    *("status", "tries", "next_try_at", "done_at"),
    *("error", "note", "dispatch", "dispatched"),
)


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """A signed request of GitHub's."""

    guid: str
    event: str
    body: Any


@dataclass(frozen=True, kw_only=True)
class Received:
    """The delivery as it stands now, and whether it was done before."""

    delivery: WebhookDelivery
    duplicate: bool = False


def receive(incoming: Incoming, *, now: datetime) -> Received:
    """Write the delivery down and process it, in one transaction; twins wait for each other."""
    action, repository_id, number = summary(incoming.body)
    with transaction.atomic():
        row, _ = WebhookDelivery.objects.get_or_create(
            guid=incoming.guid,
            defaults={
                "event": incoming.event[:64],
                "action": action,
                "repository_id": repository_id,
                "number": number,
                "body": incoming.body,
                "received_at": now,
            },
        )
        delivery = WebhookDelivery.objects.select_for_update().get(pk=row.pk)
        if delivery.status in DONE:
            return Received(delivery=delivery, duplicate=True)
        process(delivery, now=now)
    return Received(delivery=delivery)


def retry_due(*, limit: int = LIMIT, now: datetime) -> int:
    """Process failed deliveries whose next try is due; returns how many were tried."""
    tried = 0
    due = WebhookDelivery.objects.due(now=now).order_by("next_try_at", "id")
    for pk in due.values_list("id", flat=True)[:limit]:
        try:
            with transaction.atomic():
                row = (
                    WebhookDelivery.objects.due(now=now)
                    .select_for_update(skip_locked=True)
                    .filter(pk=pk)
                    .first()
                )
                if row is not None:
                    process(row, now=now)
                    tried += 1
        except DatabaseError:
            logger.exception("Delivery %s could not be tried; it is left for the next round.", pk)
    return tried


def process(delivery: WebhookDelivery, *, now: datetime) -> None:
    """Do what a locked delivery asks for; when that raises, nothing of it stays but the reason."""
    delivery.tries += 1
    try:
        with transaction.atomic():
            effect = _effect(delivery, now=now)
    except Exception as error:  # Whatever it was: the row must say so, and be tried again.
        logger.exception("Delivery %s failed.", delivery.guid)
        _fail(delivery, error, now=now)
    else:
        _finish(delivery, effect, now=now)
    delivery.save(update_fields=STATE_FIELDS)


def _effect(delivery: WebhookDelivery, *, now: datetime) -> Effect:
    body = delivery.body
    if not isinstance(body, dict):
        return Effect(note="The body is not an object.", ignored=True)
    if delivery.event == "ping":
        return _ping(delivery, body, now=now)
    if delivery.event == "pull_request":
        again = delivery.tries > 1
        source = TriggerSource.REDELIVERY if again else TriggerSource.WEBHOOK
        return apply_event(body, source=source, now=now)
    if delivery.event == "push":
        return pushes.apply_push(body, now=now)
    return Effect(note=f"EVOX does nothing about {delivery.event!r}.", ignored=True)


def _ping(delivery: WebhookDelivery, body: dict[str, Any], *, now: datetime) -> Effect:
    if not hook_lacks_pulls(body):
        return Effect(note="The webhook is set.", ignored=True)
    note = "This webhook won't send pull requests: tick “Pull requests” among its events."
    key = f"hook-lacks-pulls:{delivery.guid}"
    tell_somebody(note, key=key, about=("webhookdelivery", delivery.pk), now=now)
    return Effect(note=note, ignored=True)


def _fail(delivery: WebhookDelivery, error: Exception, *, now: datetime) -> None:
    _move(delivery, DeliveryStatus.FAILED)
    delivery.error = clip(scrub(f"{type(error).__name__}: {error}"), ERROR_LIMIT)
    delivery.next_try_at = policy_reviews.next_try(
        delivery.tries, received_at=delivery.received_at, now=now
    )
    if delivery.next_try_at is None:
        open_incident(
            NewIncident(
                kind=IncidentKind.WEBHOOK_FAILED,
                title=f"GitHub's delivery {delivery.guid} is given up"[:200],
                message=f"{delivery} failed {delivery.tries} times: {delivery.error}"
                " Redeliver it at GitHub once the cause is gone.",
                dedup_key=_incident_key(delivery),
            ),
            now=now,
        )


def _finish(delivery: WebhookDelivery, effect: Effect, *, now: datetime) -> None:
    _move(delivery, DeliveryStatus.IGNORED if effect.ignored else DeliveryStatus.PROCESSED)
    delivery.error, delivery.next_try_at, delivery.done_at = "", None, now
    delivery.note, delivery.dispatch = effect.note, effect.dispatch
    delivery.dispatched = effect.dispatched
    if delivery.tries > 1:
        resolve_by_key(_incident_key(delivery), resolution="A later try worked.", now=now)


def _incident_key(delivery: WebhookDelivery) -> str:
    return f"webhook_failed:{delivery.pk}"


def _move(delivery: WebhookDelivery, new: DeliveryStatus) -> None:
    old = DeliveryStatus(delivery.status)
    delivery.status = check_move(DELIVERY_MOVES, old, new, noun="delivery").value


def is_malformed(delivery: WebhookDelivery) -> bool:
    """Whether it failed because it isn't what GitHub sends, rather than through EVOX's fault."""
    return delivery.error.startswith(PayloadError.__name__)


def count_refusal(reason: str) -> None:
    """Count a request that was refused unread; kept in the cache, and lost with it."""
    try:
        cache.add(f"{REFUSED}:{reason}", 0, timeout=None)
        cache.incr(f"{REFUSED}:{reason}")
    except (RedisError, ValueError):
        logger.warning("A webhook request was refused (%s) and could not be counted.", reason)


def refusals(reason: str) -> int:
    """How many requests were refused for that reason."""
    return int(cache.get(f"{REFUSED}:{reason}", 0))
