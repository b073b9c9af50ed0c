"""The page's clock, set by a test."""

from __future__ import annotations

from datetime import datetime

from monitoring import page_rows

_look = page_rows.look


def set_clock(monkeypatch, at: datetime) -> None:
    """To who looks at the page it is `at`."""
    monkeypatch.setattr(page_rows, "look", lambda: (at, _look()[1]))
