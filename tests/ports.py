"""Ports for servers of the tests that are told where to listen."""

from __future__ import annotations

import os
import random
import socket

LOWEST, WORKERS, EACH = 20_000, 12, 1_000
"""Below those that Linux gives to whoever asks for any (32768 and up), which it might give again
before a server listens there; so many for each worker of xdist."""
_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, given once in this process."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    first = LOWEST + worker * EACH
    # Its own chance: seeds of other runs on this machine may be the same.
    for port in random.SystemRandom().sample(range(first, first + EACH), EACH):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError(f"All ports from {first} to {first + EACH - 1} are taken.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
