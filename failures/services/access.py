"""What agents may read and do; people, and operators' keys, may all."""

from __future__ import annotations

from agents.callers import Caller, CallerKind
from agents.errors import NotFoundError, NotYoursError
from agents.states import AgentRole
from failures import policy
from failures.models import Incident
from failures.states import IncidentKind


def reads_words(caller: Caller, *, author: str) -> bool:
    """Whether the caller may read what the agent `author` wrote; "" is several, or unknown."""
    agent = caller.agent if caller.kind is CallerKind.AGENT else None
    if agent is None:
        return True
    return policy.may_read_words(agent.name, AgentRole(agent.role), author=author)


def check_may_acknowledge(caller: Caller, pk: int) -> None:
    """Raise NotYoursError unless the caller may take this incident on; NotFoundError."""
    agent = caller.agent if caller.kind is CallerKind.AGENT else None
    if agent is None:
        return
    incident = _incident(pk)
    told = incident.events.filter(data__has_key="to").values_list("data__to", flat=True)
    if not policy.may_acknowledge(
        agent.name, AgentRole(agent.role), about=_about(incident), told=set(told)
    ):
        raise NotYoursError(
            f"{incident.number} is for the lead, or for who was told, to acknowledge."
        )


def check_may_resolve(caller: Caller, pk: int) -> None:
    """Raise NotYoursError unless the caller may call this incident over; NotFoundError."""
    agent = caller.agent if caller.kind is CallerKind.AGENT else None
    if agent is None:
        return
    incident = _incident(pk)
    if not policy.may_resolve(
        agent.name,
        AgentRole(agent.role),
        kind=IncidentKind(incident.kind),
        about=_about(incident),
        reported_by=incident.reported_by,
    ):
        raise NotYoursError(f"{incident.number} is for the lead to resolve.")


def _incident(pk: int) -> Incident:
    incident = Incident.objects.select_related("agent").filter(pk=pk).first()
    if incident is None:
        raise NotFoundError(f"There is no incident {pk}.")
    return incident


def _about(incident: Incident) -> str:
    return incident.agent.name if incident.agent else ""
