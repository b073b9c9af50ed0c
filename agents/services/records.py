"""EVOX's own books: audited acts and signs of life."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agents.models import AuditEntry, Dispatch, SystemBeat


def audit(
    verb: str,
    subject: Dispatch | tuple[str, int],
    *,
    actor: str,
    reason: str = "",
    data: dict[str, Any] | None = None,
    now: datetime,
) -> AuditEntry:
    """Write down who did what to which row, and why."""
    kind, pk = ("dispatch", subject.pk) if isinstance(subject, Dispatch) else subject
    return AuditEntry.objects.create(
        at=now,
        actor=actor[:64],
        verb=verb,
        subject_kind=kind,
        subject_id=pk,
        reason=reason,
        data=data or {},
    )


def beat(name: str, *, now: datetime) -> None:
    """Note that the part called `name` did its round."""
    SystemBeat.objects.update_or_create(name=name, defaults={"at": now})
