"""The lines of incidents' timelines: append-only, numbered from 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Max

from failures.models import Incident, IncidentEvent

ESCALATED = "escalated"
TOLD = "told"


@dataclass(frozen=True, kw_only=True)
class Line:
    """What happened to an incident."""

    incident: Incident
    kind: str
    actor: str
    level: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


def add_lines(lines: Sequence[Line], *, now: datetime) -> None:
    """Append `lines` in their order, in three statements for any number of them.

    The incidents' rows are locked or new, so nobody else numbers their lines now. A level that was
    told already raises IntegrityError.
    """
    if not lines:
        return
    ids = {line.incident.pk for line in lines}
    known = IncidentEvent.objects.filter(incident_id__in=ids).order_by()
    last = dict(known.values_list("incident_id").annotate(Max("seq")))
    rows = []
    for line in lines:
        seq = last.get(line.incident.pk, 0) + 1
        last[line.incident.pk] = seq
        rows.append(
            IncidentEvent(
                incident=line.incident,
                seq=seq,
                kind=line.kind,
                level=line.level,
                actor=line.actor[:64],
                at=now,
                data=line.data,
            )
        )
    IncidentEvent.objects.bulk_create(rows, batch_size=1000)
