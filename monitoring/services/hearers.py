"""Who hears of a level: a peer who can help, the lead, the CEO channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from django.db.models import Max

from agents import queries as agent_queries
from agents.models import Agent, Channel
from agents.services import pauses
from agents.services.messages import ceo_channel, team_channel
from agents.states import AgentRole
from failures.kinds import CEO, PEER
from failures.models import Incident, IncidentEvent
from failures.services.timeline import ESCALATED
from failures.states import IncidentKind, IncidentStatus
from monitoring.policy import Peer, choose_peer

REMEMBERED = timedelta(days=7)
"""For how long it is remembered who was asked to help."""
STUCK = (
    IncidentKind.STALLED,
    IncidentKind.BLOCKED,
    IncidentKind.ERROR_LOOP,
    IncidentKind.SILENT,
)


@dataclass(frozen=True)
class Hearer:
    """Somebody, and whether a peer should have heard instead."""

    to: Agent | Channel
    instead_of_peer: bool = False


class Hearers:
    """Everybody who may hear of something, read once at need for a whole batch."""

    def __init__(self, *, now: datetime) -> None:
        self.now = now
        self._asks = 0
        self._asked: dict[str, datetime] = {}

    def of_level(self, incident: Incident, level: int) -> Hearer:
        """Who hears of that level of the incident.

        With nobody who could help the lead hears at once; nobody hears of themselves.
        """
        if level >= CEO:
            return Hearer(self._ceo)
        if level == PEER:
            peer = self._peer(incident)
            if peer is not None:
                return Hearer(peer)
        lead = self._lead
        if lead is not None and lead.pk == incident.agent_id:
            return Hearer(self._ceo, instead_of_peer=level == PEER)
        return Hearer(lead or self._team, instead_of_peer=level == PEER)

    def _peer(self, incident: Incident) -> Agent | None:
        stuck = incident.agent
        if stuck is None:
            return None
        peers = [replace(p, pinged_at=self._asked.get(p.name, p.pinged_at)) for p in self._peers]
        chosen = choose_peer(peers, stuck=stuck.name, skills=frozenset(stuck.skills))
        if chosen is None:
            return None
        # A batch asks at one instant; who was asked later in it still comes later in the row.
        self._asks += 1
        self._asked[chosen.name] = self.now + self._asks * timedelta(microseconds=1)
        return self._agents[chosen.name]

    @cached_property
    def _agents(self) -> dict[str, Agent]:
        """Workers and reviewers at work: online, not paused, not stuck themselves."""
        roles = (AgentRole.WORKER.value, AgentRole.REVIEWER.value)
        stuck = Incident.objects.exclude(status=IncidentStatus.RESOLVED.value).filter(
            kind__in=[kind.value for kind in STUCK], agent__isnull=False
        )
        able = agent_queries.active_agents().filter(role__in=roles)
        resting = pauses.paused_ids(now=self.now)
        return {
            agent.name: agent
            for agent in able.exclude(pk__in=stuck.values("agent_id")).order_by("name")
            if agent.is_online(now=self.now) and agent.pk not in resting
        }

    @cached_property
    def _peers(self) -> list[Peer]:
        pinged = IncidentEvent.objects.filter(
            kind=ESCALATED, level=PEER, at__gte=self.now - REMEMBERED
        )
        last = dict(pinged.order_by().values_list("data__to").annotate(Max("at")))
        return [
            Peer(name=name, skills=frozenset(agent.skills), pinged_at=last.get(name))
            for name, agent in self._agents.items()
        ]

    @cached_property
    def _lead(self) -> Agent | None:
        return agent_queries.lead(now=self.now)

    @cached_property
    def _ceo(self) -> Channel:
        return ceo_channel(now=self.now)

    @cached_property
    def _team(self) -> Channel:
        return team_channel(now=self.now)
