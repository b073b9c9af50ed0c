"""Reports of failures, read from a body: one, or a thousand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agents.api.views import validated
from agents.callers import Caller
from agents.errors import EvoxError
from agents.models import Agent
from agents.services.agents import required_author
from failures.api.serializers import ERROR_TYPES, NewFailureIn
from failures.services.log import NewFailure
from failures.states import ErrorType

_TYPES = {name: ErrorType(name) for name in ERROR_TYPES}


def new_failure(data: Any, caller: Caller, *, now: datetime) -> NewFailure:
    """What one report says; raises ValidationError, InvalidInputError or NotYoursError."""
    valid = read(data)
    return report_of(valid, required_author(caller, valid.get("agentName"), now=now))


def read(data: Any) -> dict[str, Any]:
    """The report as NewFailureIn reads it; raises its ValidationError.

    What is plainly right needs no serializer, which takes 80 µs; the rest is for it to judge.
    """
    return plainly_right(data) or validated(NewFailureIn, data)


class BulkReader:
    """Reads the reports of one body, in which the same few agents speak again and again."""

    def __init__(self, items: Iterable[Any], caller: Caller, *, now: datetime) -> None:
        named = {item.get("agentName") for item in items if isinstance(item, dict)}
        names = {name.strip() for name in named if isinstance(name, str)}
        self._authors: dict[str | None, Agent | EvoxError] = {}
        self._caller = caller
        self._now = now
        # By name, so that two bulks that bring the same new agents can't lock each other.
        for name in sorted(names, key=lambda one: (one.upper(), one)):
            self._author(name)

    def read(self, item: Any) -> NewFailure:
        """What this report says; raises as `new_failure` does."""
        valid = read(item)
        author = self._author(valid.get("agentName"))
        if isinstance(author, EvoxError):
            raise author
        return report_of(valid, author)

    def _author(self, name: str | None) -> Agent | EvoxError:
        known = self._authors.get(name)
        if known is None:
            try:
                known = required_author(self._caller, name, now=self._now)
            except EvoxError as error:
                known = error
            self._authors[name] = known
        return known


def plainly_right(data: Any) -> dict[str, Any] | None:
    """What NewFailureIn would read, or None where that takes a closer look."""
    if type(data) is not dict:
        return None
    name, kind = data.get("agentName"), data.get("errorType")
    message, context = data.get("errorMessage"), data.get("context")
    resolution = data.get("resolution")
    if (
        not (name is None or (type(name) is str and name.strip()))
        or type(kind) is not str
        or kind not in _TYPES
        or type(message) is not str
        or not (context is None or type(context) is dict)
        or not (resolution is None or type(resolution) is str)
    ):
        return None
    return {
        "agentName": name and name.strip(),
        "errorType": kind,
        "errorMessage": message,
        "context": context,
        "resolution": resolution and resolution.strip(),
    }


def report_of(valid: dict[str, Any], author: Agent) -> NewFailure:
    """A report that was read, in its author's name."""
    return NewFailure(
        agent=author,
        error_type=_TYPES[valid["errorType"]],
        message=valid["errorMessage"],
        context=valid.get("context") or {},
        resolution=valid.get("resolution") or "",
        is_masked=True,
    )
