"""Doorbells for the worker: short, idempotent, and lost without harm."""

from __future__ import annotations

from celery import shared_task

from agents.clock import db_now
from recovery.services import deliveries, reconcile, sweeps


@shared_task(name="recovery.sweep")
def sweep() -> None:
    """Release due retries, lose expired leases, end what is past its deadline."""
    sweeps.sweep_and_sign(now=db_now())


@shared_task(name="recovery.deliveries")
def retry_deliveries() -> None:
    """Try again what GitHub sent and EVOX failed at."""
    deliveries.retry_due(now=db_now())


@shared_task(name="recovery.cover")
def cover() -> None:
    """See that every known head commit has its review."""
    now = db_now()
    reconcile.cover_known(now=now)
    reconcile.settle_reviewers(now=now)


@shared_task(name="recovery.reconcile")
def list_pulls() -> None:
    """Ask GitHub what is open, where that is due."""
    reconcile.reconcile(now=db_now())
