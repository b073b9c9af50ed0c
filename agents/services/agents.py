"""Making agents, and keeping track of their life."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from agents import queries
from agents.callers import Caller, CallerKind
from agents.errors import InvalidInputError, NotFoundError, NotYoursError
from agents.models import Agent, AgentKey, Channel
from agents.models.agent import NAME_PATTERN
from agents.services import life
from agents.states import AgentRole, AgentStatus

TEAM = (
    ("MAX", AgentRole.LEAD),
    ("SAM", AgentRole.WORKER),
    ("LEO", AgentRole.WORKER),
    ("ALEX", AgentRole.WORKER),
    ("QUINN", AgentRole.REVIEWER),
)
CHANNELS = (("dev", "What the whole team should know"), ("ceo", "What needs the CEO"))
RESERVED = {"SYSTEM", "ALL"}
LIVE_KEYS = 2


def clean_name(name: str, *, field: str = "agentName") -> str:
    """`name` in upper case; raises InvalidInputError when it can't be an agent's."""
    # ASCII first: upper() makes SS of ß and I of a dotless i.
    cleaned = name.strip().upper() if name.isascii() else ""
    if not re.fullmatch(NAME_PATTERN, cleaned) or cleaned in RESERVED:
        raise InvalidInputError(
            field, "An agent's name is 1–32 letters, digits, - or _, and begins with a letter."
        )
    return cleaned


def register_agent(
    name: str, *, role: AgentRole = AgentRole.WORKER, skills: list[str] | None = None, now: datetime
) -> Agent:
    """The agent of that name, made when there is none. Raises InvalidInputError."""
    agent, _ = Agent.objects.get_or_create(
        name=clean_name(name),
        defaults={
            "role": role.value,
            "skills": skills or [],
            "created_at": now,
            "heartbeat_seconds": int(settings.EVOX_HEARTBEAT.total_seconds()),
            "heartbeat_grace_seconds": int(settings.EVOX_HEARTBEAT_GRACE.total_seconds()),
        },
    )
    return agent


def author(
    caller: Caller, named: str | None, *, field: str = "agentName", now: datetime
) -> Agent | None:
    """As whom `caller` speaks when the body names `named` as its author.

    Returns None when nobody is named and the caller is no agent. Raises NotYoursError when an
    agent's key names another agent, InvalidInputError (of `field`) for a name that can't be one's,
    a retired agent's, or an unknown one's from an operator.
    """
    if caller.kind is CallerKind.AGENT and caller.agent is not None:
        if named and named.strip().upper() != caller.agent.name:
            raise NotYoursError(f"This key is {caller.agent.name}'s; it can't speak for others.")
        agent: Agent | None = caller.agent
    elif not named:
        agent = None
    elif caller.kind is CallerKind.LOCAL:
        register_agent(clean_name(named, field=field), now=now)
        agent = addressee(named, field=field)
    else:
        agent = addressee(named, field=field)
    if agent is not None:
        touch_agent(agent, now=now)
    return agent


def required_author(caller: Caller, named: str | None, *, now: datetime) -> Agent:
    """As `author`, but somebody must be named: else InvalidInputError."""
    agent = author(caller, named, now=now)
    if agent is None:
        raise InvalidInputError("agentName", "This field is required.")
    return agent


def addressee(name: str, *, field: str = "agentName") -> Agent:
    """The agent that work or a message is for; raises InvalidInputError when there is none."""
    try:
        agent = queries.agent_named(clean_name(name, field=field))
    except NotFoundError as error:
        raise InvalidInputError(field, str(error)) from None
    if agent.retired_at is not None:
        raise InvalidInputError(field, f"{agent.name} is retired.")
    return agent


def touch_agent(agent: Agent, *, now: datetime) -> None:
    """Record a sign of life; at most one write a second an agent."""
    life.touch(agent.pk, now=now)


def record_heartbeat(
    agent: Agent, *, status: AgentStatus | None, session: UUID | None, now: datetime
) -> None:
    """A sign of life with what the agent says of itself; an offline one ends its session.

    Raises NotYoursError when the session is another agent's.
    """
    if not life.heartbeat(agent.pk, status=status, session=session, now=now):
        raise NotYoursError("This session is another agent's.")


def retire_agent(agent: Agent, *, now: datetime) -> None:
    """Take the agent out of the team; its keys die with it, its history stays."""
    with transaction.atomic():
        Agent.objects.filter(pk=agent.pk, retired_at__isnull=True).update(retired_at=now)
        AgentKey.objects.filter(agent=agent).update(revoked=True)


def create_key(agent: Agent | None, *, label: str = "") -> str:
    """A new key for `agent`, or an operator's when None. It is shown this once.

    Raises InvalidInputError when the agent is retired or has two live keys already.
    """
    with transaction.atomic():
        if agent is not None:
            locked = Agent.objects.select_for_update().get(pk=agent.pk)
            if locked.retired_at is not None:
                raise InvalidInputError("agent", f"{agent.name} is retired.")
            if AgentKey.objects.filter(agent=agent, revoked=False).count() >= LIVE_KEYS:
                raise InvalidInputError(
                    "agent", f"{agent.name} has {LIVE_KEYS} live keys; revoke one first."
                )
        name = label or (agent.name if agent else "operator")
        _, key = AgentKey.objects.create_key(name=name[:50], agent=agent)
    return str(key)


def seed_team(*, now: datetime) -> list[str]:
    """The starting team and channels; returns the names of those that were made."""
    made = []
    with transaction.atomic():
        for name, role in TEAM:
            if not Agent.objects.filter(name=name).exists():
                register_agent(name, role=role, now=now)
                made.append(name)
        for name, description in CHANNELS:
            Channel.objects.get_or_create(
                name=name, defaults={"description": description, "created_at": now}
            )
    return made
