"""Uptime of what the services wrote: against brute force, live and added up by the hour."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from agents.models import Agent, Attempt
from agents.services import life, pauses
from agents.services.agents import (
    record_heartbeat,
    register_agent,
    retire_agent,
    seed_team,
    touch_agent,
)
from agents.states import AgentStatus
from failures.models import Incident
from monitoring.policy_uptime import SecondKind, Seconds, percent
from monitoring.queries_uptime import stretches_by_agent, uptime_by_agent
from monitoring.services import rollups
from recovery.services.sweeps import sweep
from tests.monitoring.world import World
from tests.wire import T0

pytestmark = pytest.mark.django_db
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY = timedelta(days=1)


def agent_with_proof(seconds: int, *, now: datetime = T0) -> Agent:
    agent = register_agent("SAM", now=now)
    agent.heartbeat_seconds, agent.heartbeat_grace_seconds = seconds - seconds // 2, seconds // 2
    agent.save()
    return agent


def listen_through(since: datetime, until: datetime) -> None:
    """EVOX heard all the while."""
    at = since
    while at <= until:
        life.listen(now=at)
        at += 30 * SECOND


def uptime(agent: Agent, *, now: datetime, window: timedelta) -> Seconds:
    agent.refresh_from_db()
    return uptime_by_agent([agent], now=now, window=window)[agent.pk]


@pytest.mark.parametrize("session", [None, uuid4()], ids=["without session", "in a session"])
@pytest.mark.parametrize("rolled", [False, True], ids=["live", "rolled up"])
def test_the_constructed_day_shows_8_68_percent(session: UUID | None, rolled: bool) -> None:
    sam, end = agent_with_proof(300), T0 + DAY
    listen_through(T0 - HOUR, end)
    for minute in range(0, 116, 5):  # The last life ends at 02:00.
        record_heartbeat(sam, status=None, session=session, now=T0 + minute * MINUTE)
    record_heartbeat(sam, status=None, session=session, now=end - 10 * MINUTE)
    if rolled:
        assert rollups.roll_up(now=end + 2 * MINUTE).hours == 24

    found = uptime(sam, now=end, window=DAY)

    assert found == Seconds(up=125 * 60, down=1315 * 60)
    assert percent(found.uptime) == "8.68 %"


@dataclass
class Life:
    """What happened, by the second, and what each second therefore was."""

    length: int
    proof: int
    listens: list[int] = field(default_factory=list)
    beats: list[tuple[int, str]] = field(default_factory=list)
    """Second and what it said: session, alone, touch, offline."""
    rests: list[tuple[int, int]] = field(default_factory=list)

    def truth(self) -> list[str]:
        return [self._kind(second) for second in range(self.length)]

    def prepare(self) -> None:
        size = self.length
        self.alive, self.away, self.meant = [False] * size, [False] * size, [False] * size
        self.rested, self.heard = [False] * size, [False] * (size + self.proof)
        for at in self.listens:
            end = min(at + 30, size) + self.proof
            self.heard[at + self.proof : end] = [True] * max(end - at - self.proof, 0)
        for begin, end in self.rests:
            self.rested[begin:end] = [True] * (min(end, size) - begin)
        away, session, promise = False, False, 0
        proven = 0
        said: dict[int, list[str]] = {}
        for at, what in self.beats:
            said.setdefault(at, []).append(what)
        for second in range(size):
            for what in said.get(second, []):
                if what == "offline":
                    away, session, proven, promise = True, False, second, 0
                elif what == "touch":
                    proven = proven if away else second + self.proof
                else:
                    away, proven = False, second + self.proof
                    session = session or what == "session"
                    promise = 10**9 if what == "alone" else promise
            self.alive[second] = second < proven
            self.away[second] = away
            self.meant[second] = session or second < promise

    def _kind(self, second: int) -> str:
        if self.rested[second] or self.away[second]:
            return "excluded"
        if self.alive[second] and self.meant[second]:
            return "up"
        if not all(self.heard[second : second + self.proof + 1]):
            return "unknown"
        return "down" if self.meant[second] else "excluded"


def random_story(chance: random.Random) -> Life:
    story = Life(length=int(3.4 * 3600), proof=chance.choice([60, 180, 600]))
    at = 0
    while at < story.length:
        story.listens.append(at)
        at += 30 if chance.random() < 0.993 else chance.randrange(31, 2000)
    at = chance.randrange(100)
    while at < story.length:
        what = chance.choices(["session", "alone", "touch", "offline"], [8, 1, 2, 0.6])[0]
        story.beats.append((at, what))
        at += chance.choice([story.proof // 2, story.proof, chance.randrange(2, 4 * story.proof)])
    for _ in range(chance.randrange(3)):
        begin = chance.randrange(story.length)
        story.rests.append((begin, begin + chance.randrange(60, 4000)))
    return story


def play(story: Life, agent: Agent) -> None:
    """The same by the real services, in the order of time."""
    session = uuid4()

    def beat(at: int, what: str) -> None:
        now = T0 + at * SECOND
        if what == "touch":
            touch_agent(agent, now=now)
        else:
            status = AgentStatus.OFFLINE if what == "offline" else None
            own = None if what == "alone" else session
            record_heartbeat(agent, status=status, session=own, now=now)

    acts = [(at, 0, lambda at=at: life.listen(now=T0 + at * SECOND)) for at in story.listens]
    acts += [(at, 1, lambda at=at, what=what: beat(at, what)) for at, what in story.beats]
    for begin, end in story.rests:
        acts.append((begin, 2, lambda b=begin, e=end: rest(agent, b, e)))
    for _, _, act in sorted(acts, key=lambda act: act[:2]):
        act()


def rest(agent: Agent, begin: int, end: int) -> None:
    span = {"until": T0 + end * SECOND, "reason": "Disk.", "actor": "ann"}
    pauses.pause(agent, **span, now=T0 + begin * SECOND)


def count(kinds: list[str]) -> Seconds:
    return Seconds(**{kind.value: kinds.count(kind.value) for kind in SecondKind})


@pytest.mark.parametrize("seed", range(60))
def test_uptime_of_random_days_equals_brute_force_live_and_rolled_up(seed: int) -> None:
    chance = random.Random(seed)
    story = random_story(chance)
    # A second pause replaces the first, which then ends: keep those that don't meet.
    story.rests = [r for n, r in enumerate(sorted(story.rests)) if n == 0]
    agent = agent_with_proof(story.proof, now=T0 - HOUR)
    play(story, agent)
    story.prepare()
    truth = story.truth()

    for rolled in (False, True):
        if rolled:
            rollups.roll_up(now=T0 + story.length * SECOND)
        for _ in range(4):
            begin, end = sorted(chance.sample(range(story.length), 2))
            found = uptime(agent, now=T0 + end * SECOND, window=(end - begin) * SECOND)
            assert (found.up, found.down, found.excluded, found.unknown) == (
                *(truth[begin:end].count(kind.value) for kind in SecondKind),
            ), (rolled, begin, end)
        for begin, end in (
            (0, 9000),
            *(sorted(chance.sample(range(story.length), 2)) for _ in range(2)),
        ):
            now, window = T0 + end * SECOND, (end - begin) * SECOND
            strip = stretches_by_agent([agent], now=now, window=window)[agent.pk]
            drawn = [s.kind.value for s in strip for _ in range((s.end - s.start) // SECOND)]
            assert drawn == truth[begin:end], (rolled, begin, end)


def test_a_new_agents_window_begins_when_it_was_made() -> None:
    sam = agent_with_proof(180, now=T0)
    listen_through(T0 - DAY, T0 + 5 * HOUR)
    record_heartbeat(sam, status=None, session=uuid4(), now=T0 + 2 * HOUR + 30 * MINUTE)
    Agent.objects.update(created_at=T0 + 2 * HOUR + 20 * MINUTE)

    for _ in range(2):
        found = uptime(sam, now=T0 + 5 * HOUR, window=30 * DAY)
        assert found.window == (2 * HOUR + 40 * MINUTE) // SECOND
        assert (found.up, found.down, found.excluded) == (180, 150 * 60 - 180, 600)
        rollups.roll_up(now=T0 + 5 * HOUR)


def test_an_agent_that_never_came_has_no_data(django_assert_num_queries) -> None:
    seed_team(now=T0 - DAY)
    listen_through(T0 - HOUR, T0)
    team = list(Agent.objects.all())
    found = uptime_by_agent(team, now=T0, window=HOUR)
    assert {percent(seconds.uptime) for seconds in found.values()} == {"no data"}
    with django_assert_num_queries(2):
        uptime_by_agent(team, now=T0, window=HOUR)


def test_a_retired_agent_stops_counting_and_the_kill_switch_excludes_everybody() -> None:
    sam, leo = agent_with_proof(180), register_agent("LEO", now=T0)
    listen_through(T0 - HOUR, T0 + 2 * HOUR)
    for agent in (sam, leo):
        record_heartbeat(agent, status=None, session=uuid4(), now=T0)
    span = {"until": T0 + 2 * HOUR, "reason": "Maintenance.", "actor": "ann"}
    pauses.pause(None, **span, now=T0 + HOUR)
    pauses.resume(None, actor="ann", now=T0 + 90 * MINUTE)
    retire_agent(leo, now=T0 + 30 * MINUTE)

    assert uptime(sam, now=T0 + 2 * HOUR, window=2 * HOUR).excluded == 30 * 60
    assert uptime(leo, now=T0 + 2 * HOUR, window=2 * HOUR) == Seconds(180, 27 * 60, 90 * 60)


def test_a_lost_claim_is_expected_until_its_lease_and_grace_are_over() -> None:
    world = World(T0)
    listen_through(T0 - 2 * HOUR, T0)
    agent = world.agent("SAM")
    work = world.queue("Compile", ago=70)
    world.claim("SAM", work, ago=60)  # The lease lasts 30 min, life 3.
    running = uptime(agent, now=world.at(20), window=HOUR)
    assert running == Seconds(180, 29 * 60, 28 * 60, productive=180)  # Grace: 2 min.

    sweep(now=world.at(30))
    assert Attempt.objects.get(dispatch=work).outcome == "lost"
    assert uptime(agent, now=world.at(20), window=HOUR) == running


def test_a_beat_outside_of_a_session_is_held_to_for_a_day() -> None:
    sam = agent_with_proof(180)
    listen_through(T0 - HOUR, T0 + HOUR)
    life.listen(now=T0 + HOUR)
    record_heartbeat(sam, status=None, session=None, now=T0)
    listen_through(T0 + HOUR, T0 + 26 * HOUR)
    found = uptime(sam, now=T0 + 26 * HOUR, window=26 * HOUR)
    assert found == Seconds(up=180, down=DAY // SECOND, excluded=2 * 3600 - 180)


def test_stuck_work_is_alive_and_not_productive() -> None:
    world = World(T0)
    listen_through(T0 - HOUR, T0)
    world.claim("SAM", world.queue("Compile", ago=60), ago=50)
    for ago in range(48, 0, -2):
        world.seen("SAM", ago=ago)
    sam = world.agent("SAM")
    assert uptime(sam, now=world.at(20), window=HOUR).productive == 30 * 60
    Incident.objects.create(
        kind="stalled",
        severity="error",
        title="Stuck",
        dedup_key="stalled:1",
        agent=sam,
        opened_at=world.at(30),
        stall_since=world.at(45),
    )
    found = uptime(sam, now=world.at(20), window=HOUR)
    assert (found.up, found.down, found.productive) == (30 * 60, 0, 5 * 60)
