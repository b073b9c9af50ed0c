from __future__ import annotations

import pytest

from tests.rollback.world import Recorder, World


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A repository with hooks, made once and copied."""
    recorder = Recorder()
    world = World(tmp_path_factory.mktemp("template"), recorder)
    recorder.stop()
    return world.top


@pytest.fixture
def recorder():
    running = Recorder()
    yield running
    running.stop()


@pytest.fixture
def world(tmp_path, recorder, template):
    made = World(tmp_path, recorder, template)
    yield made
    made.end()
