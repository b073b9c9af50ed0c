"""What the auditor looks for. No Django here."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """A part of EVOX that does rounds, and signs for each."""

    SWEEPER = "sweeper"
    """Retries, leases, deadlines."""
    WATCHER = "watcher"
    """Stalls, silence, escalation."""
    SENDER = "sender"
    """What leaves for sinks."""
    AUDITOR = "auditor"


class AuditCheck(StrEnum):
    """One thing that must always hold."""

    STEP_OVERDUE = "step_overdue"
    """A level of an incident was not told within the promised five minutes."""
    STALL_UNSEEN = "stall_unseen"
    """Work stood still, and no incident was opened within the promised five minutes."""
    SILENCE_UNSEEN = "silence_unseen"
    """An expected agent was silent, and no incident was opened within five minutes."""
    LEVEL_UNTOLD = "level_untold"
    """A level was recorded, but its message or a delivery of it is missing."""
    DELIVERY_LATE = "delivery_late"
    """A message has waited for its sink five minutes longer than planned."""
    TRY_UNFINISHED = "try_unfinished"
    """A try of a delivery has neither ended nor lapsed in time."""
    BEAT_STALE = "beat_stale"
    """A part of EVOX has not done its round."""
