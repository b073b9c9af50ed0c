"""Agents' keys that proved themselves here within the last minute, by their digests.

Whoever finds a key here knows whose it was, and may read its caller's body; whether it still lives,
the statement that writes has to ask. So a revoked key writes nothing, and is only asked again.
"""

from __future__ import annotations

from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import NamedTuple

from agents.models import Agent, AgentKey

KEPT_SECONDS = 60.0
MOST = 1_024


class KnownKey(NamedTuple):
    """A key as its row was when it proved itself."""

    prefix: str
    hashed: str
    agent: Agent
    until: float
    """By the process's monotonic clock, in seconds."""


_known: dict[bytes, KnownKey] = {}
_lock = Lock()


def remember(key: str, row: AgentKey) -> None:
    """`key` was just found to be that of `row`. Operators' keys are not kept."""
    if row.agent is None:
        return
    until = monotonic() + KEPT_SECONDS
    found = KnownKey(row.prefix, row.hashed_key, row.agent, until)
    with _lock:
        while len(_known) >= MOST:
            del _known[next(iter(_known))]
        _known[_digest(key)] = found


def find(key: str) -> KnownKey | None:
    """What is known of `key`; None once it is too long ago."""
    found = _known.get(_digest(key))
    return None if found is None or found.until < monotonic() else found


def forget(key: str) -> None:
    """It was found dead."""
    with _lock:
        _known.pop(_digest(key), None)


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
