"""Signs of life as stretches: what moves, what closes, what the database refuses."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, AgentSession, LifeSegment, ListeningSegment
from agents.services import life
from agents.services.agents import record_heartbeat, register_agent, touch_agent
from agents.states import AgentStatus, LifeState
from tests.wire import T0

pytestmark = pytest.mark.django_db
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
PROOF = 3 * MINUTE


@pytest.fixture
def sam() -> Agent:
    agent = register_agent("SAM", now=T0)
    Agent.objects.update(heartbeat_seconds=60, heartbeat_grace_seconds=120)
    return agent


def beat(agent: Agent, after: timedelta, status: AgentStatus | None = None) -> None:
    record_heartbeat(agent, status=status, session=None, now=T0 + after)


def segments(agent: Agent) -> list[tuple[str, timedelta, timedelta | None, timedelta | None]]:
    """State, start, proof and end of each, from T0 on."""

    def ago(at: datetime | None) -> timedelta | None:
        return None if at is None else at - T0

    return [
        (row.state, row.started_at - T0, ago(row.alive_until), ago(row.ended_at))
        for row in LifeSegment.objects.filter(agent=agent).order_by("started_at", "id")
    ]


def test_a_month_of_beats_is_one_row(sam: Agent) -> None:
    for number in range(30 * 24):
        beat(sam, number * 2 * MINUTE)

    assert segments(sam) == [("alive", timedelta(0), 719 * 2 * MINUTE + PROOF, None)]


def test_a_beat_after_the_proof_ran_out_keeps_the_gap_without_any_sweep(sam: Agent) -> None:
    beat(sam, timedelta(0))
    beat(sam, PROOF + SECOND)

    assert segments(sam) == [
        ("alive", timedelta(0), PROOF, PROOF),
        ("alive", PROOF + SECOND, 2 * PROOF + SECOND, None),
    ]


def test_a_beat_at_the_last_instant_of_the_proof_leaves_no_gap(sam: Agent) -> None:
    beat(sam, timedelta(0))
    beat(sam, PROOF)
    assert segments(sam) == [("alive", timedelta(0), 2 * PROOF, None)]


def test_a_beat_that_arrives_late_in_order_moves_nothing_back(sam: Agent) -> None:
    beat(sam, MINUTE)
    beat(sam, timedelta(0))
    assert segments(sam) == [("alive", MINUTE, MINUTE + PROOF, None)]


def test_offline_ends_the_life_at_once_and_the_next_heartbeat_ends_the_absence(
    sam: Agent,
) -> None:
    beat(sam, timedelta(0))
    beat(sam, MINUTE, AgentStatus.OFFLINE)
    beat(sam, 2 * MINUTE, AgentStatus.OFFLINE)
    beat(sam, DAY)

    assert segments(sam) == [
        ("alive", timedelta(0), MINUTE, MINUTE),
        ("offline", MINUTE, None, DAY),
        ("alive", DAY, DAY + PROOF, None),
    ]


def test_offline_that_is_said_after_the_proof_ran_out_leaves_the_gap(sam: Agent) -> None:
    beat(sam, timedelta(0))
    beat(sam, 2 * PROOF, AgentStatus.OFFLINE)
    assert segments(sam) == [
        ("alive", timedelta(0), PROOF, PROOF),
        ("offline", 2 * PROOF, None, None),
    ]


def test_a_message_of_an_agent_that_is_offline_does_not_call_it_back(sam: Agent) -> None:
    beat(sam, timedelta(0), AgentStatus.OFFLINE)
    touch_agent(sam, now=T0 + MINUTE)
    assert segments(sam) == [("offline", timedelta(0), None, None)]


def test_any_sign_of_life_proves_life_and_only_a_heartbeat_promises_more(sam: Agent) -> None:
    touch_agent(sam, now=T0)
    assert LifeSegment.objects.get().promised_at is None
    record_heartbeat(sam, status=None, session=uuid4(), now=T0 + MINUTE)
    assert LifeSegment.objects.get().promised_at is None
    beat(sam, 2 * MINUTE)
    row = LifeSegment.objects.get()
    assert (row.promised_at, row.alive_until) == (T0 + 2 * MINUTE, T0 + 2 * MINUTE + PROOF)


def test_an_ended_session_goes_on_when_its_heartbeat_comes_back(sam: Agent) -> None:
    session = uuid4()
    record_heartbeat(sam, status=None, session=session, now=T0)
    record_heartbeat(sam, status=AgentStatus.OFFLINE, session=session, now=T0 + MINUTE)
    assert AgentSession.objects.get().ended_at == T0 + MINUTE
    record_heartbeat(sam, status=None, session=session, now=T0 + 5 * MINUTE)
    assert AgentSession.objects.get().ended_at is None


def test_a_longer_interval_counts_from_the_next_beat_on(sam: Agent) -> None:
    beat(sam, timedelta(0))
    Agent.objects.update(heartbeat_seconds=600)
    assert LifeSegment.objects.get().alive_until == T0 + PROOF
    beat(sam, MINUTE)
    assert LifeSegment.objects.get().alive_until == T0 + MINUTE + 12 * MINUTE


@pytest.mark.parametrize("session", [None, uuid4()])
def test_a_heartbeat_is_one_statement_and_moves_no_index(sam: Agent, session) -> None:
    record_heartbeat(sam, status=None, session=session, now=T0)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        record_heartbeat(sam, status=AgentStatus.BUSY, session=session, now=T0 + MINUTE)
    assert len(asked) == 1

    indexed = {"agent_id", "started_at", "ended_at", "id"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'agents_lifesegment'")
        for (definition,) in cursor.fetchall():
            assert "alive_until" not in definition
            assert "promised" not in definition
            assert any(column in definition for column in indexed)


@pytest.mark.parametrize(
    ("start", "end"), [(0, 60), (10, 20), (59, 61), (-5, 1), (-5, None), (30, None)]
)
def test_the_database_refuses_stretches_that_overlap(sam: Agent, start, end) -> None:
    row(sam, 0, 60)
    with pytest.raises(IntegrityError, match="lifesegment_no_overlap"), transaction.atomic():
        row(sam, start, end)
    row(register_agent("LEO", now=T0), start, end)  # Another's may.
    row(sam, 60, None)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"state": "asleep", "alive_until": None}, "lifesegment_state_known"),
        ({"alive_until": None}, "lifesegment_alive_has_proof"),
        ({"alive_until": T0 - SECOND}, "lifesegment_proof_after_start"),
        ({"ended_at": T0 + 30 * SECOND}, "lifesegment_ends_with_its_proof"),
        ({"state": "offline"}, "lifesegment_alive_has_proof"),
    ],
)
def test_the_database_refuses_a_stretch_that_makes_no_sense(sam: Agent, fields, constraint) -> None:
    sense = {"state": "alive", "started_at": T0, "alive_until": T0 + MINUTE}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        LifeSegment.objects.create(agent=sam, **{**sense, **fields})


def row(agent: Agent, start: float, end: float | None) -> LifeSegment:
    until = T0 + timedelta(seconds=start + 1 if end is None else end)
    return LifeSegment.objects.create(
        agent=agent,
        state=LifeState.ALIVE.value,
        started_at=T0 + timedelta(seconds=start),
        alive_until=until,
        ended_at=None if end is None else until,
    )


def test_listening_is_one_row_until_there_is_a_gap() -> None:
    for seconds in (0, 10, 20, 50):
        life.listen(now=T0 + seconds * SECOND)
    life.listen(now=T0 + 81 * SECOND)

    found = ListeningSegment.objects.order_by("started_at")
    assert [(r.started_at - T0, r.alive_until - T0, r.ended_at) for r in found] == [
        (0 * SECOND, 80 * SECOND, T0 + 80 * SECOND),
        (81 * SECOND, 111 * SECOND, None),
    ]


@pytest.mark.django_db(transaction=True)
def test_many_beats_at_once_leave_one_open_stretch_and_no_error() -> None:
    names = [register_agent(name, now=T0) for name in ("SAM", "LEO")]
    start, errors = Barrier(8), []

    def beats(number: int) -> None:
        try:
            start.wait()
            for turn in range(25):
                agent = names[(number + turn) % 2]
                now = T0 + turn * 20 * MINUTE + number * SECOND
                status = AgentStatus.OFFLINE if (number, turn % 5) == (3, 4) else None
                record_heartbeat(agent, status=status, session=None, now=now)
                life.listen(now=now)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test names it
            errors.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=beats, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    for agent in names:
        assert LifeSegment.objects.filter(agent=agent, ended_at=None).count() == 1
        assert LifeSegment.objects.filter(agent=agent).count() > 5
    assert ListeningSegment.objects.filter(ended_at=None).count() == 1
