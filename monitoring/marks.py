"""States as words, shapes and tones. No HTML here."""

from __future__ import annotations

from dataclasses import dataclass

from agents.states import AttemptOutcome, DispatchStatus, Strategy
from failures.states import IncidentStatus
from learnings.states import LearningStatus

STRATEGIES = {
    Strategy.FIRST_TRY: "First try",
    Strategy.REPEAT_WITH_EVIDENCE: "Again, knowing the failure",
    Strategy.FRESH_START: "Fresh start",
    Strategy.ALTERNATIVE_APPROACH: "Another approach",
}


@dataclass(frozen=True)
class Mark:
    """A state as a word, a shape, and a tone: colour never says it alone."""

    word: str
    shape: str
    tone: str


DISPATCH_MARKS = {
    DispatchStatus.PENDING: Mark("Waiting", "○", "muted"),
    DispatchStatus.RUNNING: Mark("Running", "▶", "info"),
    DispatchStatus.RETRYING: Mark("Retry waits", "↻", "warn"),
    DispatchStatus.BLOCKED: Mark("Blocked", "■", "critical"),
    DispatchStatus.COMPLETED: Mark("Completed", "✓", "ok"),
    DispatchStatus.EXHAUSTED: Mark("Gave up", "✕", "critical"),
    DispatchStatus.CANCELLED: Mark("Cancelled", "–", "muted"),
}
OUTCOME_MARKS = {
    AttemptOutcome.RUNNING: Mark("running", "▶", "info"),
    AttemptOutcome.SUCCEEDED: Mark("worked", "✓", "ok"),
    AttemptOutcome.FAILED: Mark("failed", "✕", "critical"),
    AttemptOutcome.LOST: Mark("lost", "?", "warn"),
    AttemptOutcome.BLOCKED: Mark("blocked", "■", "critical"),
    AttemptOutcome.SUPERSEDED: Mark("superseded", "–", "muted"),
    AttemptOutcome.RELEASED: Mark("handed back", "↩", "muted"),
    AttemptOutcome.CANCELLED: Mark("cancelled", "–", "muted"),
}
INCIDENT_MARKS = {
    IncidentStatus.OPEN: Mark("Open", "✕", "critical"),
    IncidentStatus.ACKNOWLEDGED: Mark("Taken on", "◐", "warn"),
    IncidentStatus.RESOLVED: Mark("Over", "✓", "ok"),
}
RESTS = Mark("Snoozed", "◌", "muted")
NOTED = Mark("For the record", "·", "muted")
LEARNING_MARKS = {
    LearningStatus.PROPOSED: Mark("Waits for approval", "○", "warn"),
    LearningStatus.ACTIVE: Mark("In use", "✓", "ok"),
    LearningStatus.WATCH: Mark("Watched: the mistake came back", "!", "warn"),
    LearningStatus.RETIRED: Mark("Retired", "–", "muted"),
    LearningStatus.REJECTED: Mark("Rejected", "–", "muted"),
}
PAUSED = Mark("Paused", "‖", "muted")
SILENT = Mark("Silent, holds work", "✕", "critical")
STUCK = Mark("Stuck", "✕", "critical")
STALLED = Mark("No progress", "!", "warn")
BLOCKED = Mark("Blocked", "■", "critical")
LOOPS = Mark("Same failure again and again", "↻", "critical")
WORKING = Mark("Working", "▶", "info")
IDLE = Mark("Idle", "○", "ok")
AWAY = Mark("Away", "◌", "muted")
OFFLINE = Mark("Offline, as announced", "–", "muted")
NEVER = Mark("Never connected", "·", "muted")
WORST_FIRST = (
    *(SILENT, STUCK, BLOCKED, LOOPS, STALLED),
    *(WORKING, IDLE, PAUSED, AWAY, OFFLINE, NEVER),
)
