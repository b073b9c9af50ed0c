"""Finished hours are not looked up again, second by second, unless late facts change them."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, Attempt, LifeSegment, ListeningSegment, Pause
from agents.services import pauses
from agents.services.agents import record_heartbeat, register_agent
from monitoring.models import HourlyFigures, RolledHour
from monitoring.page import page
from monitoring.page_words import Period
from monitoring.policy_runs import gaps_filled, pieces_of_text, text_of
from monitoring.policy_uptime import Piece, SecondKind, instant
from monitoring.queries_rolled import cut
from monitoring.queries_uptime import stretches_by_agent, uptime_by_agent
from monitoring.services import rollups
from tests.monitoring.test_rollups import until_done
from tests.monitoring.test_uptime import listen_through
from tests.monitoring.world import World, busy_day
from tests.wire import T0

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = T0 + 17 * MINUTE


def strips(now=NOW, window=DAY) -> dict[str, list]:
    agents = {agent.pk: agent.name for agent in Agent.objects.filter(retired_at=None)}
    found = stretches_by_agent(Agent.objects.filter(pk__in=agents), now=now, window=window)
    return {agents[pk]: stretches for pk, stretches in found.items()}


def lived() -> None:
    """A day of one who is alive in the first half of each hour."""
    sam = register_agent("SAM", now=NOW - 3 * DAY)
    listen_through(NOW - DAY - 2 * HOUR, NOW)
    session = uuid4()
    for hour in range(26, 0, -1):
        for minute in range(0, 30, 2):
            at = T0 - hour * HOUR + minute * MINUTE
            record_heartbeat(sam, status=None, session=session, now=at)


def test_strips_of_finished_hours_are_what_the_rows_say() -> None:
    lived()
    busy_day(NOW)
    before = strips()
    assert len(before["SAM"]) > 40
    until_done(NOW)
    assert cut(since=NOW - DAY, until=NOW).runs is not None
    assert strips() == before


def test_a_finished_hour_is_not_looked_up_again() -> None:
    lived()
    until_done(NOW)
    before = strips(), uptime_by_agent(Agent.objects.all(), now=NOW, window=DAY)
    LifeSegment.objects.filter(ended_at__lt=T0 - 2 * HOUR).delete()
    assert (strips(), uptime_by_agent(Agent.objects.all(), now=NOW, window=DAY)) == before


def test_an_hour_that_late_facts_change_is_drawn_anew() -> None:
    lived()
    until_done(NOW)
    before = strips()["SAM"]
    sam = Agent.objects.get(name="SAM")
    pauses.pause(sam, until=T0 + HOUR, reason="Disk.", actor="ann", now=T0 - 3 * HOUR)
    Pause.objects.update(started_at=T0 - 3 * HOUR)
    rollups.roll_up(now=NOW)
    after = strips()["SAM"]
    assert after != before
    assert after[-1].kind is SecondKind.EXCLUDED
    assert after[-1].start == T0 - 3 * HOUR


def test_seconds_that_only_change_places_are_drawn_anew_too() -> None:
    """The hour's sums stay the same."""
    lived()
    until_done(NOW)
    sums = HourlyFigures.objects.get(hour=T0 - 3 * HOUR)
    before = strips()["SAM"]
    segment = LifeSegment.objects.get(started_at=T0 - 3 * HOUR)
    other = LifeSegment.objects.get(started_at=T0 - 2 * HOUR)
    assert segment.ended_at < other.started_at
    shift = 10 * MINUTE
    LifeSegment.objects.filter(pk=segment.pk).update(
        started_at=segment.started_at + shift,
        alive_until=segment.alive_until + shift,
        ended_at=segment.ended_at + shift,
    )
    rollups.roll_up(now=NOW)
    again = HourlyFigures.objects.get(hour=T0 - 3 * HOUR)
    assert (again.up_s, again.down_s) == (sums.up_s, sums.down_s)
    assert again.runs != sums.runs
    assert strips()["SAM"] != before


def test_hours_from_before_runs_were_kept_are_looked_up_and_made_anew_by_and_by() -> None:
    lived()
    busy_day(NOW)
    before = strips()
    until_done(NOW)
    HourlyFigures.objects.update(runs="")
    RolledHour.objects.update(has_runs=False)
    assert cut(since=NOW - DAY, until=NOW).runs is None
    assert strips() == before
    until_done(NOW)
    assert not RolledHour.objects.filter(has_runs=False).exists()
    assert strips() == before


def test_counting_retries_again_does_not_pretend_that_runs_are_kept() -> None:
    world = World(T0)
    work = world.queue("Compile", ago=55 * 60)
    world.fail("SAM", work, "AssertionError: one", ago=50 * 60)
    world.claim("LEO", work, ago=49 * 60)
    until_done(T0)
    RolledHour.objects.update(has_runs=False)
    assert rollups._count_retries_again(now=T0) == 1
    assert not RolledHour.objects.filter(has_runs=True).exists()


def test_an_hour_in_which_somebody_was_not_there_is_drawn_as_excluded() -> None:
    lived()
    new = register_agent("NEW", now=NOW - 5 * HOUR)
    record_heartbeat(new, status=None, session=uuid4(), now=NOW - 5 * HOUR)
    before = strips()["NEW"]
    until_done(NOW)
    assert strips()["NEW"] == before
    assert before[0].kind is SecondKind.EXCLUDED
    assert before[0].end == NOW - 5 * HOUR


def test_the_page_looks_up_one_stretch_of_life_and_it_is_short() -> None:
    lived()
    busy_day(NOW)
    until_done(NOW)
    for period in Period:
        page(now=NOW, period=period)
        with CaptureQueriesContext(connection) as asked:
            page(now=NOW, period=period)
        looked_up = [one["sql"] for one in asked if "agents_lifesegment" in one["sql"]]
        assert len(looked_up) == 1, period


def test_attempts_without_a_session_of_finished_hours_are_not_read_for_a_strip() -> None:
    """Each of them makes an agent expected, so that there may be thousands a day."""
    world = World(NOW)
    for n in range(20):
        world.complete("SAM", world.queue(f"W{n}", ago=600), ago=590 - n * 10)
    before = strips()["SAM"]
    until_done(NOW)
    Attempt.objects.filter(ended_at__lt=T0 - 2 * HOUR).update(session=uuid4())
    assert strips()["SAM"] == before


@pytest.mark.parametrize("runs", ["x0", "u1", "u0d0", "u0d01", "U0", "u0,d5", "d"])
def test_the_database_refuses_runs_that_nobody_can_read(runs) -> None:
    sam = register_agent("SAM", now=T0)
    with (
        pytest.raises(IntegrityError, match="hourlyfigures_runs_known"),
        transaction.atomic(),
    ):
        HourlyFigures.objects.create(agent=sam, hour=T0, up_s=3600, runs=runs)
    HourlyFigures.objects.create(agent=sam, hour=T0, up_s=3600, runs="u0p900d1800n2000e3599")


def test_runs_are_read_as_they_were_written() -> None:
    hour = 3_600 * 400_000
    pieces = [
        Piece(SecondKind.UP, False, hour, hour + 10),
        Piece(SecondKind.UP, False, hour + 10, hour + 20),
        Piece(SecondKind.UP, True, hour + 20, hour + 900),
        Piece(SecondKind.UNKNOWN, False, hour + 900, hour + 3600),
    ]
    assert text_of(pieces) == "u0p20n900"
    found = list(pieces_of_text(hour, "u0p20n900"))
    assert found == [Piece(SecondKind.UP, False, hour, hour + 20), *pieces[2:]]
    assert list(pieces_of_text(hour, "")) == []


def test_what_is_missing_of_a_span_is_excluded() -> None:
    pieces = [Piece(SecondKind.UP, False, 100, 200), Piece(SecondKind.DOWN, False, 300, 400)]
    found = [*gaps_filled(pieces, since=instant(50), until=instant(350))]
    assert [(p.kind.value, p.start, p.end) for p in found] == [
        *(("excluded", 50, 100), ("up", 100, 200), ("excluded", 200, 300), ("down", 300, 350)),
    ]
    assert [(p.start, p.end) for p in gaps_filled([], since=instant(0), until=instant(9))] == [
        (0, 9)
    ]


def test_what_evox_heard_is_part_of_the_runs() -> None:
    lived()
    ListeningSegment.objects.filter(started_at__lt=NOW).delete()
    until_done(NOW)
    assert {s.kind for s in strips()["SAM"]} == {SecondKind.UP, SecondKind.UNKNOWN}
