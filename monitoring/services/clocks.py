"""The clocks of incidents: since when each runs, and how long its agent's pauses stopped it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.policy_pauses import Span, overlap
from agents.services import pauses
from failures.models import Incident
from monitoring import policy


@dataclass(frozen=True)
class Clocks:
    """The pauses of everybody whom a batch of incidents is about, read once."""

    spans: Mapping[int, Sequence[Span]]
    now: datetime

    @classmethod
    def of(cls, incidents: Sequence[Incident], *, now: datetime) -> Clocks:
        """Read what these incidents need."""
        ids = {incident.agent_id for incident in incidents if incident.agent_id is not None}
        if not ids:
            return cls(spans={}, now=now)
        oldest = min(since_of(incident) for incident in incidents)
        return cls(spans=pauses.spans_for(ids, since=oldest, now=now), now=now)

    def elapsed(self, incident: Incident) -> timedelta:
        """How long its clock has run, pauses left out."""
        return self.now - since_of(incident) - self.frozen(incident)

    def frozen(self, incident: Incident) -> timedelta:
        """How long its clock stood still."""
        return overlap(self._spans(incident), since_of(incident), self.now)

    def standing(self, incident: Incident) -> policy.Standing:
        """What its next step depends on."""
        running = [span.end for span in self._spans(incident) if span.start <= self.now < span.end]
        rests = [at for at in (incident.ack_expires_at, incident.snoozed_until) if at is not None]
        return policy.Standing(
            since=since_of(incident),
            frozen=self.frozen(incident),
            ladder={int(k): timedelta(seconds=v) for k, v in incident.ladder.items()},
            level=incident.escalation_level,
            reminders=incident.reminders,
            rests_until=max(rests, default=None),
            paused_until=max(running, default=None),
        )

    def _spans(self, incident: Incident) -> Sequence[Span]:
        return self.spans.get(incident.agent_id, ()) if incident.agent_id is not None else ()


def since_of(incident: Incident) -> datetime:
    """When its clock began."""
    return incident.stall_since or incident.opened_at
