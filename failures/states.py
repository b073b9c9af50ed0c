"""What a failure can be called, and where its group stands. No Django here."""

from __future__ import annotations

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


class GroupStatus(StrEnum):
    """What the team thinks of a group of like failures."""

    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"
    REGRESSED = "regressed"
    """It was resolved, and came back."""
