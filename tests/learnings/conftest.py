"""A world with an empty folder for documents."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agents.services.agents import seed_team
from tests.learnings.world import World

NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)  # A Thursday.


@pytest.fixture(autouse=True)
def patterns_dir(settings, tmp_path):
    settings.EVOX_PATTERNS_DIR = tmp_path / "patterns"
    settings.EVOX_PATTERN_THRESHOLD = 3
    settings.EVOX_LEARNING_APPROVAL = "auto"
    settings.EVOX_REQUIRE_KEY = False
    return settings.EVOX_PATTERNS_DIR


@pytest.fixture
def world(db):
    seed_team(now=NOW)
    return World(now=NOW)
