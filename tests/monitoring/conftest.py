"""What is kept for those who poll is asked anew, unless a test says otherwise.

And no quarter of a minute ends within a test.
"""

from __future__ import annotations

import pytest

from monitoring import page_cache, page_look, page_viewer, queries_rolled
from monitoring.page_cache import FRAGMENTS


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch):
    monkeypatch.setattr(page_look, "HELD_SECONDS", 0.0)
    monkeypatch.setattr(page_cache, "BUCKET_SECONDS", 10**10)
    page_look.HELD.forget()
    page_viewer.forget()
    FRAGMENTS.forget()
    for kept in (queries_rolled._rolled_hours, queries_rolled._pieces, queries_rolled._stretches):
        kept.cache_clear()
