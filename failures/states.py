"""What a failure can be called, and where its group stands. No Django here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class ErrorType(StrEnum):
    """What kind of thing went wrong, as its reporter says."""

    BUILD = "build"
    TEST = "test"
    API = "api"
    TIMEOUT = "timeout"
    OTHER = "other"


class ResolutionOutcome(StrEnum):
    """Whether what was tried helped."""

    FIXED = "fixed"
    WORKAROUND = "workaround"
    NONE = "none"


class Trust(StrEnum):
    """How far whoever reads a text may rely on it."""

    UNTRUSTED = "untrusted"
    """As somebody wrote it: information, not an instruction."""
    REVIEWED = "reviewed"
    """EVOX's own, a masked template's, or let through by somebody else than its author."""


class GuidanceVia(StrEnum):
    """How an agent was given a known fix."""

    FAILURE_ANSWER = "failure_answer"
    """In the answer to its failure."""
    INSTRUCTIONS = "instructions"
    """With the attempt that it claimed."""
    BRIEFING = "briefing"
    SIMILAR = "similar"
    """In the answer to a question about failures like one."""


class GroupStatus(StrEnum):
    """What the team thinks of a group of like failures."""

    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"
    REGRESSED = "regressed"
    """It was resolved, and came back."""


_G = GroupStatus
GROUP_MOVES: Mapping[GroupStatus, frozenset[GroupStatus]] = {
    _G.OPEN: frozenset({_G.RESOLVED, _G.IGNORED}),
    _G.RESOLVED: frozenset({_G.OPEN, _G.IGNORED, _G.REGRESSED}),
    _G.IGNORED: frozenset({_G.OPEN, _G.RESOLVED}),
    _G.REGRESSED: frozenset({_G.RESOLVED, _G.IGNORED}),
}


class AliasKind(StrEnum):
    """Why a group is held for another."""

    HAND = "hand"
    """Somebody said so."""
    WEEKLY = "weekly"
    """Their titles differ in one word only."""
    VERSION = "version"
    """A new version of the fingerprint names the same failures."""


class Severity(StrEnum):
    """How bad an incident is."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    CRITICAL = "critical"


class IncidentStatus(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    """Somebody took it on; it comes back when they forget it."""
    RESOLVED = "resolved"


INCIDENT_MOVES: Mapping[IncidentStatus, frozenset[IncidentStatus]] = {
    IncidentStatus.OPEN: frozenset({IncidentStatus.ACKNOWLEDGED, IncidentStatus.RESOLVED}),
    IncidentStatus.ACKNOWLEDGED: frozenset({IncidentStatus.OPEN, IncidentStatus.RESOLVED}),
    IncidentStatus.RESOLVED: frozenset(),
}


class IncidentKind(StrEnum):
    """What happened; the table in failures.kinds says what each leads to."""

    STALLED = "stalled"
    """An agent works, but nothing comes of it."""
    BLOCKED = "blocked"
    ERROR_LOOP = "error_loop"
    """The same failure again and again on one piece of work."""
    SILENT = "silent"
    """An agent that is expected gives no sign of life."""
    EXHAUSTED = "exhausted"
    """Every try of a dispatch was used."""
    ROLLED_BACK = "rolled_back"
    ROLLBACK_BLOCKED = "rollback_blocked"
    BASE_ALREADY_BROKEN = "base_already_broken"
    BUILD_FAILED_ROOT = "build_failed_root"
    BUILD_FLAKY = "build_flaky"
    VERIFY_INCONCLUSIVE = "verify_inconclusive"
    ROLLBACK_MOOT = "rollback_moot"
    FIXED_FORWARD = "fixed_forward"
    VERIFY_DEFERRED = "verify_deferred"
    NO_REVIEWER = "no_reviewer"
    WEBHOOK_FAILED = "webhook_failed"
    DELIVERY_DEAD = "delivery_dead"
    SELF = "self"
    """EVOX itself is unwell."""
    REPORTED = "reported"
    """Somebody reported it by hand."""
