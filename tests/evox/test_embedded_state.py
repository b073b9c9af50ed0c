"""What a running `up` tells manage.py and celery."""

from __future__ import annotations

import os
import shutil

import pytest

from evox.embedded.processes import Process, identify
from evox.embedded.state import (
    State,
    forget_state,
    read_state,
    running,
    running_urls,
    state_file,
    write_state,
)


@pytest.fixture
def data_dir(tmp_path):
    (tmp_path / "data" / "run").mkdir(parents=True)
    return tmp_path / "data"


@pytest.fixture
def state(data_dir):
    return State(
        str(data_dir),
        up=identify(os.getpid()),
        url="http://127.0.0.1:8000",
        database_url="postgresql://evox@%2Fs/evox",
        redis_url="unix:///s/redis.sock?db=0",
        children={"web": Process(2, "then")},
    )


def test_what_is_written_is_read_back_and_only_its_owner_may_read_it(data_dir, state):
    write_state(data_dir, state)
    assert read_state(data_dir) == state
    assert state_file(data_dir).stat().st_mode & 0o777 == 0o600


def test_addresses_are_given_while_up_lives(data_dir, state):
    write_state(data_dir, state)
    assert running_urls(data_dir) == (state.database_url, state.redis_url)


def test_no_addresses_are_given_when_up_has_died(data_dir, state):
    state.up = Process(os.getpid(), "another time")
    write_state(data_dir, state)
    assert running_urls(data_dir) is None
    assert running(data_dir) is None


def test_no_addresses_are_given_before_they_are_known(data_dir, state):
    state.database_url = ""
    write_state(data_dir, state)
    assert running_urls(data_dir) is None


def test_a_copied_data_folder_does_not_claim_the_originals_processes(data_dir, state, tmp_path):
    write_state(data_dir, state)
    shutil.copytree(data_dir, tmp_path / "copy")
    assert read_state(tmp_path / "copy") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"up": 3}', "\x00"])
def test_a_damaged_state_file_counts_as_none(data_dir, content):
    state_file(data_dir).write_text(content, encoding="utf-8")
    assert read_state(data_dir) is None


def test_forgetting_twice_does_no_harm(data_dir, state):
    write_state(data_dir, state)
    forget_state(data_dir)
    forget_state(data_dir)
    assert read_state(data_dir) is None
