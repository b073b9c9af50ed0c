"""The schedule, as one table: the code owns it, the admin owns the off-switch.

Beat upserts these entries by name when it starts. Each expires after its own interval, so that a
worker that was stopped does not wake to a pile of stale sweeps.
"""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab

from evox import env


def _every(seconds: float, task: str) -> dict[str, Any]:
    # The database scheduler reads `expire_seconds`; Celery's own `expires` would be dropped.
    return {"task": task, "schedule": seconds, "options": {"expire_seconds": max(int(seconds), 1)}}


SWEEP_SECONDS = env.seconds("EVOX_SWEEP_SECONDS", 10, maximum=300).total_seconds()

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "recovery: sweep": _every(SWEEP_SECONDS, "recovery.sweep"),
    "learnings: sweep": _every(SWEEP_SECONDS, "learnings.sweep"),
    # Monday 06:00 UTC; when nobody was there to run it, the next sweep makes up for it.
    "learnings: weekly analysis": {
        "task": "learnings.analyse",
        "schedule": crontab(minute="0", hour="6", day_of_week="1"),
        "options": {"expire_seconds": 6 * 3600},
    },
    "monitoring: watch": _every(SWEEP_SECONDS, "monitoring.watch"),
    "monitoring: send": _every(SWEEP_SECONDS, "monitoring.send"),
    "monitoring: audit": _every(60, "monitoring.audit"),
    "monitoring: roll up": _every(60, "monitoring.roll_up"),
    "recovery: cover": _every(SWEEP_SECONDS, "recovery.cover"),
    "recovery: reconcile": _every(30, "recovery.reconcile"),
    "recovery: deliveries": _every(SWEEP_SECONDS, "recovery.deliveries"),
}
