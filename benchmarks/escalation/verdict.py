"""What the timelines and inboxes say in the end: was a level missed, doubled, or not said?"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

HEADLINE = re.compile(r"^\[L(\d)\] (INC-\d+) ")


@dataclass(frozen=True)
class Levels:
    """Counts over the levels of all incidents that are still open."""

    expected: int = 0
    told: int = 0
    superseded: int = 0
    missed: int = 0
    doubled: int = 0
    unsaid: int = 0
    said_twice: int = 0

    def violations(self) -> list[str]:
        """What must be none and is some."""
        wrong = ("missed", "doubled", "unsaid", "said_twice")
        return [f"levels {name}: {getattr(self, name)}" for name in wrong if getattr(self, name)]


def levels(incidents) -> Levels:
    """Judge every level of these open incidents by timeline, and every message of one by its text.

    A level is told once, or was overtaken by a higher one (`superseded`). One that was told has a
    message that says so, and nobody hears it twice.
    """
    from agents.models import Message
    from failures.models import IncidentEvent

    kinds = ("escalated", "superseded")
    events = IncidentEvent.objects.filter(incident__in=incidents, kind__in=kinds).order_by()
    lines = Counter(events.values_list("incident_id", "level", "kind"))
    texts = Message.objects.filter(
        subject_kind="incident", subject_id__in=[i.pk for i in incidents]
    )
    said: dict[tuple[str, int], Counter[tuple[int | None, int | None]]] = defaultdict(Counter)
    for text, key, *to in texts.values_list("text", "dedup_key", "to_agent_id", "channel_id"):
        headline = HEADLINE.match(text)
        if headline and ":R" not in key:  # A reminder says the same level again, on purpose.
            said[headline[2], int(headline[1])][to[0], to[1]] += 1
    found = Counter()
    for incident in incidents:
        for level in map(int, incident.ladder):
            told = lines[incident.pk, level, "escalated"]
            over = lines[incident.pk, level, "superseded"]
            found["expected"] += 1
            found["told"] += told > 0
            found["superseded"] += over > 0
            found["missed"] += told + over == 0
            found["doubled"] += max(0, told + over - 1)
            found["unsaid"] += bool(told) and not said[incident.number, level]
            found["said_twice"] += sum(n - 1 for n in said[incident.number, level].values())
    return Levels(**found)


def lateness(incidents) -> list[float]:
    """For each told level the seconds from its due time to its line, sorted."""
    from failures.models import IncidentEvent

    by_id = {incident.pk: incident for incident in incidents}
    events = IncidentEvent.objects.filter(incident__in=incidents, kind="escalated").order_by()
    late = []
    for pk, level, at in events.values_list("incident_id", "level", "at"):
        incident = by_id[pk]
        since = (at - (incident.stall_since or incident.opened_at)).total_seconds()
        if str(level) in incident.ladder:
            late.append(since - incident.ladder[str(level)])
    return sorted(late)
