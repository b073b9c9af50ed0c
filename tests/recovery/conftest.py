"""The team that most tests of recovery know."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from agents.states import AgentRole
from tests.recovery.world import hire


@pytest.fixture
def team(db) -> SimpleNamespace:
    """MAX leads; SAM, LEO and ALEX work; the CEO watches."""
    return SimpleNamespace(
        max=hire("MAX", role=AgentRole.LEAD),
        sam=hire("SAM"),
        leo=hire("LEO"),
        alex=hire("ALEX"),
        ceo=hire("CEO", role=AgentRole.CEO),
    )


@pytest.fixture
def live_team(transactional_db, team) -> SimpleNamespace:
    """The same team, committed, so that threads see it."""
    return team
