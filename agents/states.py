"""Statuses and the one table of legal moves between them. No Django here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import TypeVar


class DispatchStatus(StrEnum):
    """Where a piece of work stands."""

    PENDING = "pending"
    """Waits to be claimed."""
    RUNNING = "running"
    """One agent holds its lease."""
    RETRYING = "retrying"
    """Waits for `run_at`: a retry, a hold, or a start that was asked for later."""
    BLOCKED = "blocked"
    """An agent needs a person; the reason says for what."""
    COMPLETED = "completed"
    EXHAUSTED = "exhausted"
    """Every try was used, or another try makes no sense."""
    CANCELLED = "cancelled"


class AttemptOutcome(StrEnum):
    """How one claim of a dispatch ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    """Its lease ran out: the agent died or went silent. Not a failure of the work."""
    BLOCKED = "blocked"
    SUPERSEDED = "superseded"
    """Newer work of the same kind made it pointless."""
    RELEASED = "released"
    """Handed back without a verdict."""
    CANCELLED = "cancelled"


class AgentRole(StrEnum):
    """What an agent is to the team."""

    WORKER = "worker"
    LEAD = "lead"
    REVIEWER = "reviewer"
    CEO = "ceo"


class AgentStatus(StrEnum):
    """What an agent last said of itself."""

    IDLE = "idle"
    BUSY = "busy"
    OFFLINE = "offline"


class LifeState(StrEnum):
    """What is known of a stretch of an agent's time."""

    ALIVE = "alive"
    """Its signs of life prove it."""
    OFFLINE = "offline"
    """It said that it goes, and has not come back."""


class Priority(IntEnum):
    """How soon work should be taken; see `RANK_STEP` for what a step is worth."""

    URGENT = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


class Strategy(StrEnum):
    """How a try goes about the work."""

    FIRST_TRY = "first_try"
    REPEAT_WITH_EVIDENCE = "repeat_with_evidence"
    """The same, with the failure and its known fix put in front."""
    FRESH_START = "fresh_start"
    """A clean workspace, a smaller first step, a check before going on."""
    ALTERNATIVE_APPROACH = "alternative_approach"
    """What was tried is ruled out; another agent if there is one."""


class SinkKind(StrEnum):
    """How a channel's message leaves EVOX."""

    WEBHOOK = "webhook"
    """A POST signed as Standard Webhooks says."""
    APPRISE = "apprise"
    """Slack, Telegram, e-mail and many more, by an Apprise URL."""


class DeliveryState(StrEnum):
    """Where a message on its way to a sink stands."""

    PENDING = "pending"
    SENDING = "sending"
    """A sender holds its lease."""
    SENT = "sent"
    CANCELLED = "cancelled"
    """What it was about was dealt with before it left."""
    DEAD = "dead"
    """Refused for good, or tried for a day."""


class DeliveryOutcome(StrEnum):
    """How one try of a delivery ended."""

    STARTED = "started"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Its sender died: the receiver may or may not have it."""


_D = DispatchStatus
DISPATCH_MOVES: Mapping[DispatchStatus, frozenset[DispatchStatus]] = {
    _D.PENDING: frozenset({_D.RUNNING, _D.CANCELLED}),
    _D.RUNNING: frozenset(
        {_D.COMPLETED, _D.RETRYING, _D.EXHAUSTED, _D.BLOCKED, _D.CANCELLED, _D.PENDING}
    ),
    _D.RETRYING: frozenset({_D.PENDING, _D.CANCELLED}),
    _D.BLOCKED: frozenset({_D.PENDING, _D.CANCELLED}),
    _D.COMPLETED: frozenset(),
    _D.EXHAUSTED: frozenset({_D.PENDING}),
    _D.CANCELLED: frozenset(),
}

_A = AttemptOutcome
ATTEMPT_MOVES: Mapping[AttemptOutcome, frozenset[AttemptOutcome]] = {
    _A.RUNNING: frozenset(set(_A) - {_A.RUNNING}),
    **{outcome: frozenset() for outcome in _A if outcome is not _A.RUNNING},
}

_S = DeliveryState
DELIVERY_MOVES: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    _S.PENDING: frozenset({_S.SENDING, _S.CANCELLED}),
    _S.SENDING: frozenset({_S.SENT, _S.PENDING, _S.DEAD, _S.CANCELLED}),
    _S.SENT: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.DEAD: frozenset(),
}

FINISHED = (DispatchStatus.COMPLETED, DispatchStatus.EXHAUSTED, DispatchStatus.CANCELLED)
WAITING = (DispatchStatus.PENDING, DispatchStatus.RETRYING, DispatchStatus.BLOCKED)

S = TypeVar("S", bound=StrEnum)


class IllegalMoveError(Exception):
    """A move that the table doesn't hold. HTTP 409."""

    def __init__(self, noun: str, old: str, new: str) -> None:
        super().__init__(f"This {noun} is {old}; it can't become {new}.")


def check_move(moves: Mapping[S, frozenset[S]], old: S, new: S, *, noun: str) -> S:
    """`new`, when `moves` allows it from `old`; raises IllegalMoveError otherwise."""
    if new not in moves[old]:
        raise IllegalMoveError(noun, old.value, new.value)
    return new
