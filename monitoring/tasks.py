"""Doorbells for the worker: short, idempotent, and lost without harm."""

from __future__ import annotations

from celery import shared_task

from agents.clock import db_now
from monitoring.services import auditor, rollups, sender
from monitoring.services import watch as watching


@shared_task(name="monitoring.watch")
def watch() -> None:
    """Resolve, open and escalate incidents."""
    watching.watch(now=db_now())


@shared_task(name="monitoring.audit")
def audit() -> None:
    """Look whether everything that must hold does."""
    auditor.audit(now=db_now())


@shared_task(name="monitoring.send")
def send() -> None:
    """Carry what is in the outbox to the sinks."""
    sender.send_alone()


@shared_task(name="monitoring.roll_up")
def roll_up() -> None:
    """Add up the hours that are over."""
    rollups.roll_up(now=db_now())
