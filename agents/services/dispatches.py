"""Making work."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from agents import policy
from agents.errors import EvoxError
from agents.models import Agent, Dispatch
from agents.states import DispatchStatus, Priority

MAX_ATTEMPTS = 4
"""One try and three retries."""


class DuplicateKeyError(EvoxError):
    """Work with the same unique key waits already. HTTP 409."""

    code = "duplicate_unique_key"
    status = 409


@dataclass(frozen=True, kw_only=True)
class NewDispatch:
    """What somebody wants done."""

    title: str
    command: str
    payload: dict[str, Any] = field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    agent: Agent | None = None
    required_skills: list[str] = field(default_factory=list)
    ticket_id: str = ""
    unique_key: str | None = None
    not_before: datetime | None = None
    expected_progress_every: timedelta | None = None
    max_attempts: int = MAX_ATTEMPTS


def create_dispatch(new: NewDispatch, *, actor: str, now: datetime) -> Dispatch:
    """Queue `new`; raises DuplicateKeyError when its unique key waits already."""
    later = new.not_before is not None and new.not_before > now
    status = DispatchStatus.RETRYING if later else DispatchStatus.PENDING
    try:
        with transaction.atomic():
            return Dispatch.objects.create(
                title=new.title,
                command=new.command,
                payload=new.payload,
                priority=new.priority.value,
                rank_at=policy.rank_at(new.priority, created_at=now),
                agent=new.agent,
                open_to_all=new.agent is None,
                required_skills=new.required_skills,
                ticket_id=new.ticket_id,
                unique_key=new.unique_key,
                expected_progress_every=new.expected_progress_every,
                max_attempts=new.max_attempts,
                status=status.value,
                run_at=new.not_before if later else None,
                reason="Starts later, as asked." if later else "",
                created_at=now,
                updated_at=now,
                created_by=actor[:64],
            )
    except IntegrityError as error:
        if "dispatch_one_waiting_per_key" not in str(error):
            raise
        raise DuplicateKeyError(
            f"Work with the unique key {new.unique_key!r} waits already."
        ) from None
