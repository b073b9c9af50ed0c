"""What came of an event of GitHub's."""

from __future__ import annotations

from dataclasses import dataclass

from agents.models import Dispatch


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What came of an event."""

    note: str
    dispatch: Dispatch | None = None
    dispatched: bool = False
    """Whether the reviewer got work through it."""
    ignored: bool = False
