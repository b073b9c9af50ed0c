"""The states that are pictured, made by the real services at instants that they are told."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection, transaction

from agents.models import Agent, AgentSession, Dispatch, LifeSegment, ListeningSegment
from agents.services import pauses
from agents.services.agents import create_key, register_agent, touch_agent
from agents.services.records import beat
from agents.states import LifeState
from failures.models import Incident
from failures.services import incidents
from learnings.services.submissions import NewLearning, submit_learning
from learnings.states import LearningOrigin
from monitoring.services.watch import watch
from recovery.services import claims
from tests.monitoring.world import World, busy_day

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PARTS = ("sweeper", "watcher", "sender", "auditor")


def heard(now: datetime, *, days: float = 31) -> None:
    """EVOX has been listening for days."""
    with transaction.atomic(), connection.cursor() as cursor:
        # The web server says every few seconds that it listens.
        cursor.execute("LOCK TABLE agents_listeningsegment IN EXCLUSIVE MODE")
        ListeningSegment.objects.all().delete()
        ListeningSegment.objects.create(started_at=now - timedelta(days=days), alive_until=now)
    for name in PARTS:
        beat(name, now=now)


def lived(agent: Agent, *stretches: tuple[float, float], now: datetime) -> None:
    """An agent with a session of 30 hours that was alive in these, in hours before `now`."""
    LifeSegment.objects.filter(agent=agent).delete()
    began = now - 30 * HOUR
    Agent.objects.filter(pk=agent.pk).update(created_at=began - HOUR)
    AgentSession.objects.create(
        id=uuid.uuid4(), agent=agent, started_at=began, last_seen_at=now - 5 * MINUTE
    )
    for ago, until in stretches:
        end = now - until * HOUR
        over = None if until <= 0 else end
        LifeSegment.objects.create(
            agent=agent,
            state=LifeState.ALIVE.value,
            started_at=now - ago * HOUR,
            alive_until=end,
            ended_at=over,
        )
        agent.last_seen_at = min(end - 2 * MINUTE, now - timedelta(seconds=12))
    agent.save(update_fields=["last_seen_at"])


def alive(world: World, now: datetime) -> None:
    """The whole team was there all day."""
    for agent in Agent.objects.all():
        lived(agent, (30, -0.05), now=now)
    heard(now)


def empty(now: datetime) -> None:
    """Nobody has come."""
    heard(now)


def fine(now: datetime) -> None:
    """A day of work; what went wrong healed by itself."""
    world = World(now)
    for n in range(34):
        name = ("SAM", "LEO", "ALEX")[n % 3]
        work = world.queue(f"Compile package {n + 1}", ago=900 - n * 20, ticket_id=f"AGT-{300 + n}")
        if n % 5 == 2:
            world.fail(name, work, f"AssertionError: case {n}", ago=890 - n * 20)
            world.complete(("LEO", "ALEX", "SAM")[n % 3], work, ago=884 - n * 20)
        else:
            world.complete(name, work, ago=890 - n * 20)
    for name, title in (("SAM", "Lint the API"), ("ALEX", "Rebuild the search index")):
        world.claim(name, world.queue(title, ago=3), ago=2)
    alive(world, now)
    world.seen("SAM", ago=0.1)
    lived(world.agent("LEO"), (30, 11.4), (10.2, -0.04), now=now)


def one_incident(now: datetime) -> None:
    """SAM is stuck, the lead was told, and the CEO is next."""
    fine(now)
    world = World(now)
    sam = world.agent("SAM")
    work = world.queue("Fix the login", ago=70, ticket_id="AGT-310")
    Dispatch.objects.filter(pk=work.pk).update(agent=sam)
    claims.claim_work(sam, only=work.pk, lease=3 * HOUR, now=world.at(54))
    for ago in (38, 23):
        touch_agent(sam, now=world.at(ago))
        watch(now=world.at(ago))
    heard(now)
    claims.heartbeat(sam, now=now)
    pauses.pause(
        world.agent("QUINN"), until=now + 2 * HOUR, reason="Disk swap", actor="MAX", now=now
    )


def busy(now: datetime) -> None:
    """Several things at once, and one that somebody took on."""
    busy_day(now)
    watch(now=now)
    for agent in Agent.objects.exclude(name__in=("LEO", "MAX")):
        lived(agent, (30, 14.5), (12.9, -0.05), now=now)
    heard(now)
    incidents.acknowledge(Incident.objects.latest("id").pk, actor="MAX", now=now)
    new = NewLearning(category="build", content="Pin stripe to 7.2 before importing it.")
    submit_learning(new, author="SAM", origin=LearningOrigin.AGENT, now=now)
    create_key(Agent.objects.get(name="SAM"), label="laptop")


def many(now: datetime) -> None:
    """Sixty agents."""
    busy_day(now)
    watch(now=now)
    for n in range(60):
        agent = register_agent(f"WORKER-{n:02}", now=now - 40 * HOUR)
        gone = 20.0 - (n % 7) * 2.3
        lived(agent, (30, gone), (gone - (n % 5) * 0.4, -0.05 if n % 9 else 1.5), now=now)
    heard(now)


def paused(now: datetime) -> None:
    """The kill switch is on."""
    fine(now)
    pauses.pause(None, until=now + HOUR, reason="Freeze before the release", actor="ann", now=now)


STATES: dict[str, Callable[[datetime], None]] = {
    "empty": empty,
    "fine": fine,
    "one-incident": one_incident,
    "busy": busy,
    "many-agents": many,
    "paused": paused,
}
