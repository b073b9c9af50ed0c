"""Taking a delivery from the outbox, and writing down what came of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, QuerySet

from agents.masking import scrub
from agents.models import Delivery, DeliveryAttempt
from agents.states import DELIVERY_MOVES, DeliveryOutcome, DeliveryState, check_move

LEASE = timedelta(seconds=30)
"""Longer than any try, so that a live sender's delivery is nobody else's."""
AT_ONCE_PER_SINK = 4
"""A sink that doesn't answer must not keep all senders from the others."""
ERROR_LIMIT = 500
CANCELLED_AT_ONCE = 100
TURNED_OFF = "Its sink was turned off."
LOST = "Its sender did not come back; the receiver may have it."


@dataclass(frozen=True)
class Taken:
    """A delivery that a sender holds, and the number of its try."""

    delivery: Delivery
    n: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the sender makes of its try: SENT, DEAD, or PENDING until `next_try_at`."""

    state: DeliveryState
    next_try_at: datetime | None = None
    http_status: int | None = None
    error: str = ""


def take_due(
    *, avoid: Collection[int] = (), lease: timedelta = LEASE, now: datetime
) -> Taken | None:
    """Take one delivery that is due, or whose sender's lease lapsed; None when there is none.

    Its try is written before anything is sent. What was withdrawn, or whose sink was turned off,
    is cancelled on the way. Sinks with an id in `avoid` wait.
    """
    for _ in range(CANCELLED_AT_ONCE):
        with transaction.atomic():
            row = _lapsed(now) or _due(avoid, now)
            if row is None:
                return None
            if row.state == DeliveryState.SENDING:
                _close_try(row, DeliveryOutcome.UNKNOWN, LOST, now=now)
            if row.withdrawn_at is None and row.sink.is_active:
                return _begin_try(row, lease=lease, now=now)
            row.last_error = row.last_error if row.sink.is_active else TURNED_OFF
            _end(row, DeliveryState.CANCELLED, now=now)
    return None


def finish(taken: Taken, result: Result, *, now: datetime) -> DeliveryState | None:
    """Write down what came of a try; returns where the delivery stands, None for a late sender.

    Late is who lost the delivery to another one meanwhile; it changes nothing.
    """
    with transaction.atomic():
        held = Delivery.objects.select_for_update().filter(
            pk=taken.delivery.pk, state=DeliveryState.SENDING.value, attempts=taken.n
        )
        row = held.first()
        if row is None:
            return None
        sent = result.state is DeliveryState.SENT
        outcome = DeliveryOutcome.SENT if sent else DeliveryOutcome.FAILED
        _close_try(row, outcome, result.error, status=result.http_status, now=now)
        row.last_error = scrub(result.error)[:ERROR_LIMIT]
        if row.withdrawn_at is not None and not sent:
            return _end(row, DeliveryState.CANCELLED, now=now)
        if result.next_try_at is not None:
            row.next_try_at = result.next_try_at
        return _end(row, result.state, now=now)


def lost_tries(taken: Taken) -> int:
    """How many of its tries ended with their sender: they say nothing of the receiver."""
    lost = DeliveryOutcome.UNKNOWN.value
    return DeliveryAttempt.objects.filter(delivery=taken.delivery, outcome=lost).count()


def _lapsed(now: datetime) -> Delivery | None:
    rows = Delivery.objects.filter(state=DeliveryState.SENDING.value, lease_until__lte=now)
    return _first(rows.order_by("lease_until", "id"))


def _due(avoid: Collection[int], now: datetime) -> Delivery | None:
    live = Delivery.objects.filter(state=DeliveryState.SENDING.value).values("sink")
    busy = live.annotate(n=Count("id")).filter(n__gte=AT_ONCE_PER_SINK).values("sink")
    rows = Delivery.objects.filter(state=DeliveryState.PENDING.value, next_try_at__lte=now)
    rows = rows.exclude(sink__in=busy).exclude(sink__in=list(avoid))
    return _first(rows.order_by("next_try_at", "id"))


def _first(rows: QuerySet[Delivery]) -> Delivery | None:
    """The first that nobody else holds; locking judges the row by what it says then."""
    # Without joins: before its first ANALYZE, PostgreSQL would join all that is due to find one.
    pk = rows.select_for_update(skip_locked=True).values_list("id", flat=True).first()
    if pk is None:
        return None
    return Delivery.objects.select_related("sink__channel", "message").get(pk=pk)


def _begin_try(row: Delivery, *, lease: timedelta, now: datetime) -> Taken:
    if row.state != DeliveryState.SENDING:
        row.state = _moved(row, DeliveryState.SENDING)
    row.attempts += 1
    row.lease_until = now + lease
    row.save(update_fields=["state", "attempts", "lease_until"])
    DeliveryAttempt.objects.create(delivery=row, n=row.attempts, started_at=now)
    return Taken(row, row.attempts)


def _close_try(
    row: Delivery,
    outcome: DeliveryOutcome,
    error: str,
    *,
    status: int | None = None,
    now: datetime,
) -> None:
    DeliveryAttempt.objects.filter(
        delivery=row, n=row.attempts, outcome=DeliveryOutcome.STARTED.value
    ).update(
        outcome=outcome.value, error=scrub(error)[:ERROR_LIMIT], http_status=status, finished_at=now
    )


def _end(row: Delivery, state: DeliveryState, *, now: datetime) -> DeliveryState:
    row.state, row.lease_until = _moved(row, state), None
    row.finished_at = None if state is DeliveryState.PENDING else now
    row.save(update_fields=["state", "lease_until", "finished_at", "next_try_at", "last_error"])
    return state


def _moved(row: Delivery, new: DeliveryState) -> str:
    return check_move(DELIVERY_MOVES, DeliveryState(row.state), new, noun="delivery").value
