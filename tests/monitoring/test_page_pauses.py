"""The page says who rests, through whom and until when, and that the kill switch is on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.clock import db_now
from agents.services import pauses
from agents.services.agents import register_agent
from monitoring import marks, queries
from monitoring.page import page
from monitoring.page_agents import agent_rows
from monitoring.queries_health import figures
from monitoring.templatetags.evox import until
from tests.monitoring.test_page import words
from tests.monitoring.world import World, busy_day

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def now():
    return db_now()


def hold(agent, now, *, lasts=HOUR, reason="Disk swap", actor="MAX"):
    return pauses.pause(agent, until=now + lasts, reason=reason, actor=actor, now=now)


def row_of(name, now):
    rows = agent_rows(queries.pauses(now=now), figures(now=now, window=queries.DAY))
    return next(row for row in rows if row.agent.name == name)


def silent(shown):
    return {need.what.split()[0] for need in shown.needs.rows if "gone silent" in need.what}


def test_a_paused_agents_row_says_by_whom_until_when_and_why(client, now):
    world = World(now)
    row = hold(world.agent("QUINN"), now)

    response = client.get("/fragment")

    clock = rf"{row.until:%H:%M}"
    assert re.search(rf"QUINN reviewer ‖ Paused by MAX until (\d\d \w+ )?{clock} ", words(response))
    assert b'title="Disk swap"' in response.content
    assert words(response).count("Paused by") == 1
    assert "Everybody" not in words(response)


def test_a_pause_that_is_over_leaves_the_page(client, now):
    world = World(now)
    hold(world.agent("QUINN"), now - 2 * HOUR)

    assert "Paused" not in words(client.get("/fragment"))


def test_with_the_kill_switch_on_the_headline_and_every_row_say_so(client, now):
    world = World(now)
    world.seen("SAM")
    hold(None, now, reason="Freeze <b>before</b> the release", actor="ann")

    response = client.get("/fragment")

    said = words(response)
    assert re.search(r"‖ Everybody is paused by ann until .* \. Nothing needs you\.", said)
    assert "Freeze &lt;b&gt;before&lt;/b&gt; the release" in said
    assert said.count("Paused by ann") == 5
    assert "Everybody is paused" in words(client.get("/"))

    pauses.resume(None, actor="ann", now=db_now())
    assert "aused" not in words(client.get("/fragment"))


def test_of_two_pauses_the_one_that_ends_last_is_shown(now):
    world = World(now)
    own = hold(world.agent("SAM"), now, lasts=2 * HOUR)
    everybodys = hold(None, now)

    assert row_of("SAM", now).pause == own
    assert row_of("LEO", now).pause == everybodys


def test_paused_work_that_goes_on_counts_as_working_and_silence_asks_nobody(now):
    busy_day(now)
    before = page(now=now)
    assert before.working == 1
    assert "LEO" in silent(before)
    hold(None, now)

    after = page(now=now)

    assert after.working == 1
    assert "LEO" not in silent(after)
    assert {row.mark for row in after.agents} == {marks.PAUSED}


def test_pauses_cost_the_page_no_query_each(client, now):
    world = World(now)

    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get("/fragment")
        return len(asked)

    few = count()
    for n in range(10):
        hold(register_agent(f"A{n}", now=now), now)
    hold(world.agent("SAM"), now)
    assert count() <= few


def test_an_end_on_another_day_is_shown_with_its_day():
    noon = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    with timezone.override(UTC):
        assert ">14:00<" in until(noon + 2 * HOUR, noon)
        assert ">22 Nov 12:00<" in until(noon + 24 * HOUR, noon)
