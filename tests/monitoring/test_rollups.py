"""Hours that are added up: what the database refuses, and that they say what the rows say."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connections, transaction

from agents.models import Agent, Attempt, Dispatch
from agents.services.agents import record_heartbeat
from failures.models import Failure
from failures.states import ErrorType
from monitoring.models import HourlyFigures, RolledHour
from monitoring.queries_health import figures
from monitoring.queries_rolled import cut
from monitoring.queries_work import Work, retry_success, work_by_agent
from monitoring.services import rollups
from tests.monitoring.test_uptime import listen_through
from tests.monitoring.world import World, busy_day
from tests.wire import T0

pytestmark = pytest.mark.django_db
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86_400))


def rows() -> list[tuple]:
    fields = [f.attname for f in HourlyFigures._meta.concrete_fields if f.attname != "id"]
    return sorted(HourlyFigures.objects.values_list(*fields))


def said(now: datetime, window: timedelta) -> tuple:
    """All that rollups stand for."""
    found = figures(now=now, window=window)
    work = {pk: one for pk, one in found.work.items() if one.finished}
    return found.uptime, work, found.retries


def until_done(now: datetime) -> int:
    """Rounds until nothing is missing."""
    for number in range(1, 40):
        done = rollups.roll_up(now=now)
        if done.hours <= rollups.AGAIN // HOUR:
            return number
    raise AssertionError("It never ends.")


def test_hours_say_what_the_rows_say_for_any_window() -> None:
    now = T0 + 17 * MINUTE
    busy_day(now)
    listen_through(now - 3 * HOUR, now)
    windows = [
        (now, DAY),
        (now, 7 * DAY),
        (now - 47 * MINUTE, 5 * HOUR),
        (now, 20 * MINUTE),
        (T0, 9 * HOUR),
        (T0 - 2 * HOUR, 3 * HOUR + SECOND),
    ]
    before = [said(*window) for window in windows]
    assert before[0][2].ended
    assert sum(work.succeeded for work in before[0][1].values()) > 20

    rounds = until_done(now)

    assert rounds > 2
    assert cut(since=now - 7 * DAY, until=now).rolled is not None
    assert [said(*window) for window in windows] == before


def test_making_an_hour_twice_changes_nothing() -> None:
    busy_day(T0)
    until_done(T0)
    first, marks = rows(), list(RolledHour.objects.values_list("hour", "retries_ended"))
    assert first

    assert rollups.make(since=T0 - DAY, until=T0 - HOUR, now=T0 + HOUR) == 0
    until_done(T0)

    assert (rows(), list(RolledHour.objects.values_list("hour", "retries_ended"))) == (first, marks)


def test_a_round_is_bounded_and_goes_backwards_from_the_last_hour() -> None:
    World(T0)  # Nine days.
    first = rollups.roll_up(now=T0)
    assert first.hours == rollups.CHUNK * rollups.CHUNKS + 6
    assert RolledHour.objects.count() == first.hours
    assert RolledHour.objects.latest("hour").hour == T0 - 2 * HOUR
    assert cut(since=T0 - 9 * DAY, until=T0).rolled.until == T0 - HOUR


def test_after_an_outage_the_hours_in_between_are_made_up_for() -> None:
    World(T0)
    until_done(T0)
    later = T0 + 3 * DAY + 5 * MINUTE
    assert cut(since=T0 - 7 * DAY, until=later).rolled.until == T0 - HOUR

    until_done(later)

    found = cut(since=T0 - DAY, until=later).rolled
    assert (found.since, found.until) == (T0 - DAY, T0 + 3 * DAY)
    assert RolledHour.objects.count() == (12 * DAY) // HOUR


def test_while_a_hole_is_open_only_the_hours_after_it_are_summed() -> None:
    busy_day(T0)
    until_done(T0)
    before = said(T0, DAY)
    RolledHour.objects.filter(hour=T0 - 10 * HOUR).delete()
    assert cut(since=T0 - DAY, until=T0).rolled.since == T0 - 9 * HOUR
    assert said(T0, DAY) == before


def test_a_late_closing_is_counted_in_the_hour_that_it_belongs_to() -> None:
    """A claim whose loss was found hours later, and a retry that ended days later."""
    world = World(T0)
    work = world.queue("Compile", ago=55 * 60)
    world.fail("SAM", work, "AssertionError: one", ago=50 * 60)
    world.claim("LEO", work, ago=49 * 60)
    until_done(T0)
    hour = RolledHour.objects.get(retries_under_way=1)
    assert hour.hour == T0 - 50 * HOUR

    attempt = Attempt.objects.get(outcome="running")
    Attempt.objects.filter(pk=attempt.pk).update(outcome="succeeded", ended_at=T0 - MINUTE)
    Dispatch.objects.filter(pk=work.pk).update(
        status="completed",
        finished_at=T0 - MINUTE,
        lease_expires_at=None,
        deadline_at=None,
        lease_seconds=None,
    )
    rollups.roll_up(now=T0)

    hour.refresh_from_db()
    assert (hour.retries_completed, hour.retries_under_way) == (1, 0)
    assert retry_success(now=T0, window=7 * DAY).completed == 1


def test_work_that_was_given_up_and_is_tried_again_by_hand_is_under_way_again() -> None:
    world = World(T0)
    work = world.queue("Compile", ago=55 * 60, max_attempts=2)
    world.fail("SAM", work, "AssertionError: one", ago=50 * 60)
    world.fail("LEO", work, "AssertionError: two", ago=40 * 60, retryable=False)
    until_done(T0)
    assert retry_success(now=T0, window=7 * DAY).ended == 1
    Dispatch.objects.filter(pk=work.pk).update(
        status="pending", finished_at=None, attempt=1, updated_at=T0
    )

    rollups.roll_up(now=T0)

    found = retry_success(now=T0, window=7 * DAY)
    assert (found.ended, found.under_way) == (0, 1)


def test_a_young_hour_is_made_anew_and_an_old_one_is_left() -> None:
    world = World(T0)
    world.complete("SAM", world.queue("Compile", ago=200), ago=190)
    world.complete("SAM", world.queue("Test", ago=800), ago=790)
    until_done(T0)
    Attempt.objects.update(outcome="cancelled")

    assert rollups.roll_up(now=T0).changed == 1

    assert sum(HourlyFigures.objects.values_list("succeeded", flat=True)) == 1


def test_sums_that_are_kept_are_made_anew_when_one_of_their_hours_changes() -> None:
    world = World(T0)
    world.complete("SAM", world.queue("Compile", ago=200), ago=190)
    sam = world.agent("SAM").pk
    until_done(T0)
    for outcome, counts in (("succeeded", (1, 0)), ("failed", (0, 1)), ("succeeded", (1, 0))):
        Attempt.objects.update(outcome=outcome)
        rollups.roll_up(now=T0)
        for _ in range(2):
            found = work_by_agent(now=T0, window=DAY)[sam]
            assert (found.succeeded, found.failed) == counts


def test_without_a_cache_the_same_is_said(settings) -> None:
    busy_day(T0)
    until_done(T0)
    before = said(T0, DAY)
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}}
    assert said(T0, DAY) == before


def test_two_rounds_at_once_are_one() -> None:
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [rollups.ROLLUP_LOCK])
            assert rollups.roll_up(now=T0) is None
            cursor.execute("SELECT pg_advisory_unlock(%s)", [rollups.ROLLUP_LOCK])
    finally:
        other.close()


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"up_s": 3599}, "hourlyfigures_sum_to_the_hour"),
        ({"up_s": 3600, "down_s": 1}, "hourlyfigures_sum_to_the_hour"),
        ({"excluded_s": 3600, "productive_s": 1}, "hourlyfigures_productive_was_up"),
        ({"up_s": 3600, "hour": T0 + MINUTE}, "hourlyfigures_whole_hours"),
    ],
)
def test_the_database_refuses_an_hour_that_does_not_add_up(fields, constraint) -> None:
    sam = World(T0).agent("SAM")
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        HourlyFigures.objects.create(**{"agent": sam, "hour": T0, **fields})
    HourlyFigures.objects.create(
        agent=sam, hour=T0, up_s=3000, down_s=300, excluded_s=200, unknown_s=100
    )
    with pytest.raises(IntegrityError, match="hourlyfigures_once"), transaction.atomic():
        HourlyFigures.objects.create(agent=sam, hour=T0, up_s=3600)


def test_an_attempt_that_ends_at_the_full_hour_is_in_one_hour_and_one_window() -> None:
    world = World(T0)
    world.complete("SAM", world.queue("Compile", ago=100), ago=90)
    Attempt.objects.update(ended_at=T0 - HOUR)
    for _ in range(2):
        before = work_by_agent(now=T0 - HOUR, window=2 * HOUR)
        after = work_by_agent(now=T0, window=HOUR)
        sam = world.agent("SAM").pk
        assert before[sam].succeeded == 1
        assert sam not in after or after[sam] == Work(0, dict.fromkeys(ErrorType, 0))
        until_done(T0)
    assert HourlyFigures.objects.get(succeeded=1).hour == T0 - 2 * HOUR


def test_hours_before_an_agent_was_made_or_after_it_retired_have_no_row() -> None:
    world = World(T0)
    Agent.objects.filter(name="LEO").update(created_at=world.at(150))
    Agent.objects.filter(name="ALEX").update(retired_at=world.at(150))
    until_done(T0)
    hours = HourlyFigures.objects.filter(agent__name="LEO").order_by("hour")
    assert hours.first().hour == T0 - 3 * HOUR
    assert HourlyFigures.objects.filter(agent__name="ALEX").latest("hour").hour == T0 - 3 * HOUR


def test_how_many_statements_are_asked_does_not_grow_with_the_rows(
    django_assert_max_num_queries,
) -> None:
    busy_day(T0)
    until_done(T0)
    for turn in range(2):
        with django_assert_max_num_queries(16):
            figures(now=T0, window=7 * DAY)
        for number in range(20):
            agent = Agent.objects.create(name=f"A{turn}-{number}", created_at=T0 - DAY)
            record_heartbeat(agent, status=None, session=uuid4(), now=T0 - HOUR)
    assert Failure.objects.exists()
