"""Reading work as a claim would see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from agents.models import Agent, Attempt, Dispatch, Pause
from agents.queries import active_agents
from agents.states import AgentRole, AgentStatus, AttemptOutcome, DispatchStatus
from failures.models import Failure

MEMORY = timedelta(days=7)
"""How far back it is asked whether others have a failure, or got past it."""


def next_for(agent: Agent, *, now: datetime) -> Dispatch | None:
    """What a claim by `agent` would give at `now`, without claiming it; due retries included.

    Nothing while the agent is paused.
    """
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
    paused = Pause.objects.running(now=now).holding(agent)
    return found.exclude(Exists(paused)).order_by("rank_at", "id").first()


def able_agents(skills: Sequence[str], *, now: datetime) -> list[Agent]:
    """Workers that could take work of these skills: not offline or paused, and no breaker open.

    A pause of everybody bars nobody here: it says nothing of who should have the work after it.
    """
    paused = Pause.objects.running(now=now).filter(agent=OuterRef("pk"))
    workers = active_agents().filter(role=AgentRole.WORKER.value, skills__contains=list(skills))
    return list(
        workers.exclude(status=AgentStatus.OFFLINE.value)
        .exclude(breaker__open_until__gt=now)
        .exclude(Exists(paused))
    )


def others_for(dispatch: Dispatch, agent: Agent, *, now: datetime) -> bool:
    """Whether an agent other than this one, and not excluded, could take the dispatch."""
    barred = {agent.pk, *dispatch.excluded_agents}
    return any(a.pk not in barred for a in able_agents(dispatch.required_skills, now=now))


def online_others_for(dispatch: Dispatch, agent: Agent, *, now: datetime) -> bool:
    """As `others_for`, counting only agents that show life."""
    barred = {agent.pk, *dispatch.excluded_agents}
    able = able_agents(dispatch.required_skills, now=now)
    return any(a.pk not in barred and a.is_online(now=now) for a in able)


def others_have(fingerprint: str, agent: Agent, *, now: datetime) -> bool:
    """Whether another agent met the same failure in the last seven days."""
    met = Failure.objects.filter(fingerprint=fingerprint, created_at__gte=now - MEMORY)
    return met.exclude(agent=agent).exists()


def others_got_past(fingerprint: str, agent: Agent, *, now: datetime) -> bool:
    """Whether another agent completed, within seven days, work that this failure had held up."""
    done = Attempt.objects.filter(
        outcome=AttemptOutcome.SUCCEEDED.value,
        dispatch__status=DispatchStatus.COMPLETED.value,
        dispatch__finished_at__gte=now - MEMORY,
        dispatch__last_fingerprint=fingerprint,
    )
    return done.exclude(agent=agent).exists()
