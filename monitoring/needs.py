"""What waits for a person, as sentences: who, what, since when, who was told, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents.models import Agent, Dispatch
from agents.states import DispatchStatus
from failures.kinds import CEO
from failures.models import Incident
from failures.states import IncidentKind
from monitoring import page_rows, queries
from monitoring.policy_words import LEVEL_WORDS

ADVICE = {
    IncidentKind.STALLED: "Look at what it did last; then help it, or give the work to another.",
    IncidentKind.BLOCKED: "Give what is missing, then unblock the work.",
    IncidentKind.ERROR_LOOP: "Read the failure; help, or give the work to another.",
}
"""What to do where the incident's own message doesn't say it."""


@dataclass(frozen=True)
class Need:
    """One thing that waits for a person."""

    what: str
    """The sentence, such as `SAM is stuck on #12 Fix the login`."""
    page: str
    """The name of the address that shows it."""
    key: str
    since: datetime | None
    said: str
    """What is known beyond the sentence."""
    advice: str
    number: str = ""
    version: int = 0
    pk: int = 0
    told: page_rows.Told | None = None
    next: str = ""
    """Who hears of it when nobody acts."""
    next_at: datetime | None = None


@dataclass(frozen=True)
class Needs:
    """The first of what needs somebody, the worst first."""

    rows: Sequence[Need]
    total: int
    incidents: int
    """How many of them all are incidents."""

    @property
    def more(self) -> int:
        """How many are not among `rows`."""
        return self.total - len(self.rows)


@dataclass(frozen=True)
class Silent:
    """An agent that gives no sign of life, and what it holds."""

    agent: Agent
    work: queries.Held


def needs_of(silent: Sequence[Silent], *, now: datetime) -> Needs:
    """What needs somebody: incidents, then silence and work that no incident speaks of yet."""
    incidents, open_in_all = page_rows.asking(now=now)
    dispatches, work_in_all = page_rows.forgotten_work(now=now)
    told = page_rows.told(incidents)
    known = page_rows.known_as_silent() if silent else set()
    fresh = [one for one in silent if one.agent.pk not in known]
    rows = [
        *(_of_incident(row, told.get(row.pk)) for row in incidents),
        *(_of_silence(one) for one in fresh),
        *(_of_work(row) for row in dispatches),
    ]
    return Needs(
        rows=rows[: page_rows.NEEDS_SHOWN],
        total=open_in_all + len(fresh) + work_in_all,
        incidents=open_in_all,
    )


def next_words(incident: Incident) -> str:
    """Who hears of it at `next_step_at` while nobody acts; empty when nobody does."""
    if incident.next_step_at is None:
        return ""
    levels = sorted(int(level) for level in incident.ladder)
    higher = next((level for level in levels if level > incident.escalation_level), None)
    if higher is not None:
        return f"{LEVEL_WORDS[higher]} hears of it"
    return f"{LEVEL_WORDS[CEO]} is reminded" if CEO in levels else "it is looked at again"


def _of_incident(incident: Incident, told: page_rows.Told | None) -> Need:
    said = " ".join(incident.message.split())
    return Need(
        what=incident.title,
        page="incident",
        key=str(incident.pk),
        since=incident.stall_since or incident.opened_at,
        said="" if said == incident.title else said,
        advice=ADVICE.get(IncidentKind(incident.kind), ""),
        number=incident.number,
        version=incident.version,
        pk=incident.pk,
        told=told,
        next=next_words(incident),
        next_at=incident.next_step_at,
    )


def _of_silence(one: Silent) -> Need:
    return Need(
        what=f"{one.agent.name} has gone silent while it holds #{one.work.pk} {one.work.title}",
        page="dispatch",
        key=str(one.work.pk),
        since=one.agent.last_seen_at,
        said="",
        advice="EVOX gives the work to another when its lease ends. Look whether it still runs.",
    )


def _of_work(dispatch: Dispatch) -> Need:
    name = f"#{dispatch.pk} {dispatch.title}"
    if dispatch.status == DispatchStatus.BLOCKED:
        who = dispatch.agent.name if dispatch.agent else "An agent"
        what, since = f"{who} is blocked on {name}", dispatch.updated_at
        advice = "Unblock it when that is there, give it to another, or cancel it."
    else:
        what, since = f"EVOX gave up on {name}", dispatch.finished_at or dispatch.updated_at
        advice = "Look at its tries, then retry it."
    return Need(
        what=what,
        page="dispatch",
        key=str(dispatch.pk),
        since=since,
        said=dispatch.reason,
        advice=advice,
    )
