"""Failures whose groups a test can name: a letter is a mistake of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agents.services.agents import register_agent
from failures.models import Failure, FailureGroup, GroupAlias
from failures.services.log import NewFailure, log_failure, log_failures
from failures.states import ErrorType
from tests.wire import T0

WORDS = {
    "a": "cannot open the ledger",
    "b": "the parser gave up early",
    "c": "no space left on the volume",
    "d": "unknown shape of payload",
    "e": "worker vanished without a trace",
    "f": "checksum differs from the manifest",
}


def report(letter: str, agent: str = "SAM", **fields: Any) -> NewFailure:
    """A failure of the mistake that is called `letter`."""
    author = register_agent(agent, now=T0)
    return NewFailure(agent=author, error_type=ErrorType.OTHER, message=WORDS[letter], **fields)


def fail(letters: str, *, agent: str = "SAM", now: datetime = T0) -> list[Failure]:
    """A failure for each letter, as one bulk."""
    return log_failures([report(letter, agent) for letter in letters], now=now)


def failed(letter: str, *, agent: str = "SAM", now: datetime = T0) -> Failure:
    """One failure, with what its author is told."""
    return log_failure(report(letter, agent), now=now)


def group(letter: str) -> FailureGroup:
    """The group of that mistake's own fingerprint, as it stands in its row."""
    return FailureGroup.objects.get(template=WORDS[letter])


def state() -> list[Any]:
    """All that merging may change, and all that it may not."""
    return [
        list(FailureGroup.objects.order_by("pk").values()),
        list(Failure.objects.order_by("pk").values()),
        list(
            GroupAlias.objects.filter(undone_at__isnull=True)
            .order_by("pk")
            .values("group", "root", "kind", "by", "at", "reason", "merge", "replaces")
        ),
    ]
