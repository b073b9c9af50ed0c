"""One round of watching: what is over, what stands still, who is silent, who must hear of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from agents.services import pauses, records
from monitoring.services import causes, escalation, stalls
from monitoring.states import Part

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watched:
    """How many incidents each part of a round touched."""

    resolved: int = 0
    stalled: int = 0
    silent: int = 0
    escalated: int = 0


def watch(*, now: datetime) -> Watched:
    """One round. Each part goes on when another fails; two rounds at once do no harm."""
    done = Watched(
        resolved=_part(causes.sweep, now=now),
        stalled=_part(stalls.open_stalls, now=now),
        silent=_part(stalls.open_silences, now=now),
        escalated=_part(escalation.escalate_due, now=now),
    )
    _part(pauses.lift_expired, now=now)
    records.beat(Part.WATCHER, now=now)
    return done


def _part(act: Callable[..., int], *, now: datetime) -> int:
    try:
        return act(now=now)
    except Exception:
        logger.exception("A part of watching failed: %s; the others go on.", act.__name__)
        return 0
