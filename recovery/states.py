"""Where a webhook's delivery and a pull request stand. No Django here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class DeliveryStatus(StrEnum):
    """How far a delivery of GitHub's webhook came."""

    RECEIVED = "received"
    """Written down; what it means is not done yet."""
    PROCESSED = "processed"
    FAILED = "failed"
    """Processing raised; a redelivery or the sweep tries again."""
    IGNORED = "ignored"
    """It asks for nothing that EVOX does."""


_S = DeliveryStatus
DELIVERY_MOVES: Mapping[DeliveryStatus, frozenset[DeliveryStatus]] = {
    _S.RECEIVED: frozenset({_S.PROCESSED, _S.FAILED, _S.IGNORED}),
    _S.FAILED: frozenset({_S.PROCESSED, _S.FAILED, _S.IGNORED}),
    _S.PROCESSED: frozenset(),
    _S.IGNORED: frozenset(),
}

DONE = (DeliveryStatus.PROCESSED, DeliveryStatus.IGNORED)


class TriggerSource(StrEnum):
    """How EVOX came to know of a head commit that it then queued a review of."""

    WEBHOOK = "webhook"
    """The delivery's first processing."""
    REDELIVERY = "redelivery"
    """A later processing: GitHub's redelivery, or EVOX's own next try."""
    RECONCILE = "reconcile"
    """The listing of open pull requests, or EVOX's own look at what it knows."""


class PullState(StrEnum):
    """Whether a pull request can still change."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"
