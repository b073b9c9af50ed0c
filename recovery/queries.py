"""Reading work as a claim would see it."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from agents.models import Agent, Dispatch
from agents.states import DispatchStatus


def next_for(agent: Agent, *, now: datetime) -> Dispatch | None:
    """What a claim by `agent` would give at `now`, without claiming it; due retries included."""
    waiting = Q(status=DispatchStatus.PENDING.value) | Q(
        status=DispatchStatus.RETRYING.value, run_at__lte=now
    )
    runs = Dispatch.objects.filter(
        unique_key=OuterRef("unique_key"), status=DispatchStatus.RUNNING.value
    )
    kept_for_others = Q(agent__isnull=False) & ~Q(agent_until__lte=now)
    mine = Q(agent=agent) | (
        ~kept_for_others
        & Q(required_skills__contained_by=agent.skills)
        & ~Q(excluded_agents__contains=[agent.pk])
    )
    found = Dispatch.objects.filter(waiting, mine).exclude(Exists(runs))
    return found.order_by("rank_at", "id").first()
