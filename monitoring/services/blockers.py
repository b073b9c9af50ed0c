"""What an agent can't get past by itself."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from agents.models import Agent
from failures.models import Incident
from failures.services.log import NewFailure, log_failure
from failures.services.opening import NewIncident, open_incident
from failures.states import ErrorType, IncidentKind


def report_blocked(agent: Agent, *, reason: str, ticket_id: str = "", now: datetime) -> Incident:
    """Open the agent's blocked incident on that ticket; the lead hears of it at once.

    Said again while it is open, it lands on that incident's timeline. The blocker is logged as a
    failure too, so that learning sees it.
    """
    where = f" on {ticket_id}" if ticket_id else ""
    new = NewIncident(
        kind=IncidentKind.BLOCKED,
        title=f"{agent.name} is blocked{where}",
        message=reason,
        dedup_key=f"blocked:{agent.name}:{ticket_id}",
        agent=agent,
        metadata={"ticketId": ticket_id} if ticket_id else {},
        reported_by=agent.name,
    )
    with transaction.atomic():
        opened = open_incident(new, now=now)
        if opened.created:
            log_failure(
                NewFailure(
                    agent=agent,
                    error_type=ErrorType.OTHER,
                    message=reason,
                    ticket_id=ticket_id,
                    context={"blocked": True},
                    by_evox=True,
                ),
                now=now,
            )
    return opened.incident
