"""The auditor's book: what was found late or missing, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.models import AuditFinding
from monitoring.states import AuditCheck

PROMISE = timedelta(minutes=5)
"""By how much EVOX may be late with anything that it watches: later counts as missed."""
MONTH = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Found:
    """Something that was late or missing."""

    check: AuditCheck
    subject: str
    """What it is about, such as `incident:42:level:2`: it is written down once."""
    detail: str = ""
    late_by: timedelta | None = None
    repaired: bool = False


def write_down(found: Sequence[Found], *, now: datetime) -> int:
    """Write down what is new in `found`; returns how many rows the book has now that are of it."""
    if not found:
        return 0
    rows = [
        AuditFinding(
            check_name=each.check.value,
            subject=each.subject[:100],
            detail=each.detail[:500],
            late_by=each.late_by,
            found_at=now,
            repaired_at=now if each.repaired else None,
        )
        for each in found
    ]
    AuditFinding.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)
    return len(rows)
