"""Who calls, and as whom they may act."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agents.models import Agent


class CallerKind(StrEnum):
    """What a caller proved to be."""

    AGENT = "agent"
    """An agent's key."""
    OPERATOR = "operator"
    """An operator key or a staff session."""
    VIEWER = "viewer"
    """A session without staff rights: reads only."""
    LOCAL = "local"
    """No key, on a loopback server that doesn't require one: acts as the author it names."""


@dataclass(frozen=True)
class Caller:
    """The user of a request, as far as EVOX is concerned."""

    kind: CallerKind
    name: str
    agent: Agent | None = None

    is_authenticated = True
    is_active = True

    @property
    def pk(self) -> str:
        """Identifies the caller in scopes, such as that of an idempotency key."""
        return f"{self.kind.value}:{self.name}"

    @property
    def may_operate(self) -> bool:
        """Whether operator verbs (cancel, retry, reassign…) are theirs."""
        return self.kind in {CallerKind.OPERATOR, CallerKind.LOCAL}

    @property
    def may_write(self) -> bool:
        """Whether they may change anything at all."""
        return self.kind is not CallerKind.VIEWER


LOCAL_CALLER = Caller(kind=CallerKind.LOCAL, name="local")
PAGE_CALLER = Caller(kind=CallerKind.VIEWER, name="page")
"""A web page in a browser of this machine, without a key: an image of it must not count as told."""
