"""The page says what the rows say, to whoever may look, in a bounded number of queries."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from agents.clock import db_now
from agents.models import Agent, Dispatch
from agents.services.agents import seed_team
from agents.states import AgentStatus
from monitoring import page as pages
from monitoring import queries, views
from recovery.services.sweeps import sweep
from tests.monitoring.world import ASSERTION, World, busy_day

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return db_now()


def words(response) -> str:
    """The text of a page, without its tags."""
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", text)


def test_a_busy_day_is_told_with_people_verbs_and_counts(client, now):
    busy_day(now)
    response = client.get("/")
    said = re.sub(r"#\d+ ", "", words(response))
    assert "3 things need you." in said
    assert "LEO has gone silent while it holds Rebuild the search index" in said
    assert "ALEX is blocked on Deploy to staging" in said
    assert "The staging password has expired." in said
    assert "EVOX gave up on Import the payment client" in said
    assert "MAX was told" in said
    assert "31.6 % (12 of 38)" in said
    assert "25 in 24 h" in said
    assert "6 of 7" in said
    assert "No module named" in said
    assert len(response.content) < 60_000


def test_an_empty_house_shows_the_lines_that_make_the_first_thing_happen(client):
    said = words(client.get("/"))
    assert "Nothing needs you. No agent has come yet." in said
    assert "http://testserver/api/v1/dispatches/claim" in said
    assert '"title": "Say hello"' in said
    assert "0 no attempt ended yet" in said
    assert "No failure came three times in 7 days." in said


def test_a_quiet_team_needs_nobody(client, now):
    world = World(now)
    world.seen("SAM")
    said = words(client.get("/"))
    assert "Nothing needs you. No agent is working." in said
    assert "Idle" in said
    assert "Never connected" in said


def test_hostile_text_of_agents_stays_text(client, now):
    world = World(now)
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    work = world.queue(evil, ago=5, ticket_id="<b>T</b>")
    world.block("SAM", work, evil, ago=3)
    html = client.get("/").content.decode()
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "<b>T" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_nothing_on_the_page_needs_inline_script_or_style(client, now):
    busy_day(now)
    response = client.get("/")
    html = response.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", html)
    assert "unsafe-inline" not in response["Content-Security-Policy"]


def test_the_fragment_is_sent_once_and_then_not_modified(client, now):
    busy_day(now)
    first = client.get("/fragment")
    assert first.status_code == 200
    assert b"<html" not in first.content
    again = client.get("/fragment", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert int(again["X-Evox-Now"]) >= int(first["X-Evox-Now"])
    World(now).seen("QUINN")
    changed = client.get("/fragment", headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_rows(client, now):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries_run:
            assert client.get("/").status_code == 200
        return len(queries_run)

    world = busy_day(now)
    few = count()
    for n in range(40):
        Agent.objects.create(name=f"EXTRA-{n}", created_at=now, last_seen_at=now)
        work = world.queue(f"More {n}", ago=300 - n)
        world.fail(f"EXTRA-{n}", work, f"{ASSERTION} {n}", ago=290 - n)
    assert count() <= few <= 22


def test_where_keys_are_required_the_page_wants_a_login(client, settings, now):
    settings.EVOX_REQUIRE_KEY = True
    for path in ("/", "/fragment"):
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/?next=/")
    client.force_login(User.objects.create_user("ceo"))
    assert client.get("/").status_code == 200


def test_a_viewer_without_staff_rights_can_log_in_and_look(client, settings):
    settings.EVOX_REQUIRE_KEY = True
    User.objects.create_user("ceo", password="a long password")
    answer = client.post(
        "/admin/login/?next=/", {"username": "ceo", "password": "a long password", "next": "/"}
    )
    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert client.get("/").status_code == 200
    assert client.get("/admin/").status_code == 302


def test_a_proxy_makes_nobody_local(client):
    assert client.get("/", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 302


def test_the_page_is_read_only(client):
    assert client.post("/").status_code == 405


def test_a_database_that_is_away_is_said_not_a_traceback(client, monkeypatch):
    def away():
        raise OperationalError("no connection")

    monkeypatch.setattr(views, "db_now", away)
    response = client.get("/")
    assert response.status_code == 503
    assert "reach its database" in response.content.decode()


def test_under_twenty_events_only_counts_are_shown():
    assert pages.Share(3, 19).percent == ""
    assert pages.Share(3, 20).percent == "15.0 %"
    assert pages.Share(0, 0).percent == ""


def test_the_error_rate_leaves_out_running_cancelled_and_lost(now):
    world = World(now)
    world.fail("SAM", world.queue("a", ago=9), ASSERTION, ago=8)
    world.complete("SAM", world.queue("b", ago=9), ago=8)
    world.claim("SAM", world.queue("c", ago=9), ago=2)
    lost = world.queue("d", ago=90)
    world.claim("LEO", lost, ago=80)
    sweep(now=now)
    figures = queries.attempt_figures(now=now, window=queries.DAY)
    assert (figures.failed, figures.finished, figures.dispatches_done) == (1, 2, 1)


def test_a_retry_counts_when_its_first_failure_fell_in_the_window(now):
    world = World(now)
    old = world.queue("old", ago=3000)
    world.fail("SAM", old, ASSERTION, ago=2900)
    world.fail("SAM", old, ASSERTION, ago=60)
    worked = world.queue("worked", ago=60)
    world.fail("SAM", worked, ASSERTION, ago=59)
    world.complete("SAM", worked, ago=50)
    under_way = world.queue("under way", ago=40)
    world.fail("LEO", under_way, ASSERTION, ago=39)
    world.claim("ALEX", under_way, ago=30)
    never_retried = world.queue("never retried", ago=5)
    world.fail("ALEX", never_retried, ASSERTION, ago=2)
    found = queries.retry_success(now=now, window=queries.DAY)
    assert found == queries.RetrySuccess(completed=1, ended=1, under_way=1)


@pytest.mark.parametrize(
    ("status", "ago", "holds", "expected"),
    [
        ("idle", None, False, pages.NEVER),
        ("idle", 1, False, pages.IDLE),
        ("idle", 60, False, pages.AWAY),
        ("offline", 1, False, pages.OFFLINE),
        ("busy", 1, True, pages.WORKING),
        ("busy", 60, True, pages.SILENT),
        ("offline", 1, True, pages.SILENT),
        ("idle", None, True, pages.SILENT),
    ],
)
def test_how_an_agent_stands(now, status, ago, holds, expected):
    seen = None if ago is None else now - timedelta(minutes=ago)
    agent = Agent(name="SAM", status=AgentStatus(status).value, last_seen_at=seen)
    assert pages.mark_of(agent, holds_work=holds, now=now) is expected


def test_agents_are_listed_worst_first(now):
    busy_day(now)
    rows = pages.agent_rows({}, now=now, window=queries.DAY)
    assert [row.agent.name for row in rows] == ["LEO", "SAM", "ALEX", "QUINN", "MAX"]


def test_retired_agents_are_not_shown(client, now):
    seed_team(now=now)
    Agent.objects.filter(name="QUINN").update(retired_at=now)
    assert "QUINN" not in words(client.get("/"))


def test_work_that_gave_up_long_ago_no_longer_asks(now):
    world = World(now)
    work = world.queue("a", ago=9)
    world.fail("SAM", work, ASSERTION, ago=8, retryable=False)
    assert queries.needs(now=now, window=queries.WEEK).total == 1
    Dispatch.objects.update(finished_at=now - timedelta(days=8))
    assert queries.needs(now=now, window=queries.WEEK).total == 0
