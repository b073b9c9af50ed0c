"""Doorbells for the worker: short, idempotent, and lost without harm."""

from __future__ import annotations

from celery import shared_task

from agents.clock import db_now
from learnings.services import analysis
from learnings.states import Trigger


@shared_task(name="learnings.analyse")
def analyse() -> None:
    """The weekly analysis; a second one in the same week changes nothing."""
    analysis.analyse(Trigger.WEEKLY, now=db_now())


@shared_task(name="learnings.sweep")
def sweep() -> None:
    """Write about patterns within seconds of the third occurrence."""
    analysis.sweep(now=db_now())
