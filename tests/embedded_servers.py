"""Pytest plugin: real servers for a run that was given none, gone when it ends.

Loaded by `-p tests.embedded_servers`, before pytest-django reads the settings. Under xdist the
controller starts the servers and its workers inherit their addresses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
VARIABLES = {"DATABASE_URL": "postgres", "REDIS_URL": "redis"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --full, which also runs what is slow."""
    parser.addoption("--full", action="store_true", help="also run the tests marked `full`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked `full` unless --full or a -m of the caller's own asks for it."""
    if config.getoption("--full") or config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="slow; runs with --full"))


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start what is missing. A wrapper, since pytest-django's own hook reads the settings."""
    missing = [name for name in VARIABLES if not _given(name)]
    if missing and "PYTEST_XDIST_WORKER" not in os.environ:
        servers = _start([VARIABLES[name] for name in missing])
        early_config.add_cleanup(partial(_finish, servers))
        assert servers.stdout is not None
        line = servers.stdout.readline()
        if not line:
            raise pytest.UsageError(_stop(servers) or "The embedded servers did not start.")
        os.environ.update(json.loads(line))
    _own_database_of_redis()
    return (yield)


def _own_database_of_redis() -> None:
    """Give each xdist worker a database of Redis, as pytest-django gives it one of PostgreSQL.

    With one cache for all, what one worker counts or clears, another worker's test sees.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    url = os.environ.get("REDIS_URL", "")
    if not worker or not url:
        return
    number = 1 + int(worker.removeprefix("gw")) % 15
    parts = urlsplit(url)
    if parts.scheme == "unix":
        url = f"unix://{parts.path}?db={number}"
    elif parts.scheme == "redis+socket":
        url = f"redis+socket://{parts.path}?virtual_host={number}"
    else:
        url = urlunsplit(parts._replace(path=f"/{number}"))
    os.environ["REDIS_URL"] = url


def _given(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def _start(wanted: list[str]) -> subprocess.Popen[str]:
    """Start the servers' keeper, out of Ctrl-C's reach: it ends when this process does."""
    return subprocess.Popen(
        [sys.executable, "-m", "evox.embedded.throwaway", *wanted],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )


def _finish(servers: subprocess.Popen[str]) -> None:
    _stop(servers)


def _stop(servers: subprocess.Popen[str]) -> str:
    """End the servers and return what their keeper complained of."""
    if servers.stdin is None or servers.stdin.closed:
        return ""
    _, complaint = servers.communicate()
    return complaint.strip()
