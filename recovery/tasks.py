"""Doorbells for the worker: short, idempotent, and lost without harm."""

from __future__ import annotations

from celery import shared_task

from agents.clock import db_now
from recovery.services import deliveries, sweeps


@shared_task(name="recovery.sweep")
def sweep() -> None:
    """Release due retries, lose expired leases, end what is past its deadline."""
    sweeps.sweep_and_sign(now=db_now())


@shared_task(name="recovery.deliveries")
def retry_deliveries() -> None:
    """Try again what GitHub sent and EVOX failed at."""
    deliveries.retry_due(now=db_now())
