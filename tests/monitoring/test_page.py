"""The page says what the rows say, to whoever may look, in a bounded number of queries."""

from __future__ import annotations

import gzip
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from agents.clock import db_now
from agents.models import Agent
from agents.services import pauses
from agents.services.agents import seed_team
from agents.states import AgentStatus
from failures.models import Incident
from failures.services import incidents
from monitoring import marks, page_cache, page_rows, queries, views
from monitoring.page_agents import agent_rows, mark_of
from monitoring.page_cache import BUCKET_SECONDS, FRAGMENTS, KEPT, Key
from monitoring.page_words import Share, change
from monitoring.queries_health import figures
from monitoring.queries_work import RetrySuccess
from recovery.services.sweeps import sweep
from tests.monitoring.clock import set_clock
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
    assert "Import the payment client is exhausted" in said
    assert re.search(
        r"MAX was told (\d\d \w{3} )?\d\d:\d\d \( \d\d \w+ [\d:]+ \) , no answer\.", said
    )
    assert re.search(r"Next: the CEO channel hears of it at (\d\d \w{3} )?\d\d:\d\d", said)
    assert "32.4 % (12 of 37)" in said
    assert "6 of 7" in said
    assert len(response.content) < 60_000


def test_an_empty_house_shows_the_lines_that_make_the_first_thing_happen(client):
    said = words(client.get("/"))
    assert "Nothing needs you. No agent has come yet." in said
    assert "http://testserver/api/v1/dispatches/claim" in said
    assert "0 no attempt ended yet" in said
    assert "No incidents in 24 h." in said
    assert "Last one" not in said


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


def get_fragment(client, monkeypatch, *, at, etag=""):
    set_clock(monkeypatch, at)
    return client.get("/fragment", headers={"If-None-Match": etag} if etag else {})


def test_a_sign_of_life_changes_nothing_for_a_quarter_of_a_minute_and_news_do_at_once(
    client, now, monkeypatch
):
    monkeypatch.setattr(page_cache, "BUCKET_SECONDS", BUCKET_SECONDS)
    world = busy_day(now)
    start = now.replace(second=30, microsecond=0) + timedelta(minutes=1)
    etag = get_fragment(client, monkeypatch, at=start)["ETag"]

    world.seen("QUINN")
    heard = get_fragment(client, monkeypatch, at=start + timedelta(seconds=14), etag=etag)
    assert heard.status_code == 304
    assert int(heard["X-Evox-Now"]) == int((start.timestamp() + 14) * 1000)
    later = get_fragment(client, monkeypatch, at=start + timedelta(seconds=15), etag=etag)
    assert later.status_code == 200

    for news in (
        lambda: world.queue("One more", ago=0),
        lambda: world.claim("ALEX", world.queue("And more", ago=0), ago=0),
        lambda: world.seen("QUINN", status=AgentStatus.OFFLINE),
        lambda: pauses.pause(
            None, until=now + timedelta(hours=1), reason="Freeze", actor="MAX", now=now
        ),
        lambda: incidents.acknowledge(Incident.objects.latest("id").pk, actor="MAX", now=now),
    ):
        etag = get_fragment(client, monkeypatch, at=start)["ETag"]
        news()
        assert get_fragment(client, monkeypatch, at=start, etag=etag).status_code == 200


def test_a_304_asks_the_database_once_and_renders_nothing(client, now, monkeypatch):
    busy_day(now)
    etag = get_fragment(client, monkeypatch, at=now)["ETag"]
    monkeypatch.setattr(views, "page", None)

    with CaptureQueriesContext(connection) as asked:
        assert get_fragment(client, monkeypatch, at=now, etag=etag).status_code == 304

    assert len(asked) == 1


def test_pages_are_gzipped_answers_of_the_api_are_not_and_the_etag_still_holds(client, now):
    busy_day(now)
    taking = {"Accept-Encoding": "gzip"}
    plain, packed = client.get("/fragment"), client.get("/fragment", headers=taking)
    assert packed["Content-Encoding"] == "gzip"
    assert int(packed["Content-Length"]) == len(packed.content) < len(plain.content) / 3
    assert gzip.decompress(packed.content) == plain.content
    again = client.get("/fragment", headers={**taking, "If-None-Match": packed["ETag"]})
    assert again.status_code == 304
    assert "Content-Encoding" not in client.get("/api/v1/agents", headers=taking)


def test_a_team_of_a_hundred_weighs_at_most_60_kb_in_all(client, now):
    world = busy_day(now)
    for n in range(110):
        agent = Agent.objects.create(name=f"WORKER-{n:03}", created_at=now - timedelta(days=2))
        work = world.queue(f"A piece of work with a name of some length {n}", ago=300)
        world.claim(agent.name, work, ago=20 + n / 10)
    page = client.get("/", headers={"Accept-Encoding": "gzip"})
    assert page["Content-Encoding"] == "gzip"
    files = [settings.BASE_DIR / "static" / "evox" / name for name in ("evox.css", "page.js")]
    rest = sum(file.stat().st_size for file in files)
    assert len(page.content) + rest <= 60_000
    said = words(client.get("/"))
    assert "100 more that stand no worse" in said or "85 more that stand no worse" in said


def test_many_who_look_at_once_share_one_rendering(now):
    key = Key(version="1", period="24h", role="looks", base="", bucket=1)
    made = []

    def make():
        made.append(key)
        time.sleep(0.05)
        return "the page"

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: FRAGMENTS.get(key, make, asked=now).body, range(8)))

    assert seen == [b"the page"] * 8
    assert len(made) == 1


def test_only_the_last_renderings_are_kept(now):
    for n in range(3 * KEPT):
        key = Key(version=str(n), period="24h", role="looks", base="", bucket=1)
        FRAGMENTS.get(key, str, asked=now)

    assert len(FRAGMENTS._made) == KEPT


@pytest.mark.parametrize(("asked", "shown"), [("7d", "7 d"), ("30d", "30 d"), ("x", "24 h")])
def test_the_figures_go_over_the_period_that_is_asked_for(client, now, asked, shown):
    world = World(now)
    world.complete("SAM", world.queue("old", ago=3000), ago=2990)
    said = words(client.get("/", {"period": asked}))
    assert f"failed of finished attempts, {shown}" in said
    assert ("0 of 1" in said) == (asked != "x")


def test_a_change_is_shown_when_both_stretches_say_something():
    before, after = Share(10, 100), Share(15, 100)
    moved = change(after, before, good_when_up=False)
    assert (moved.shape, moved.size, moved.tone) == ("▲", "5.0", "warn")
    assert change(before, after, good_when_up=False).tone == "ok"
    assert change(after, after, good_when_up=True) is None
    assert change(Share(3, 19), before, good_when_up=True) is None
    assert change(after, Share(0, 0), good_when_up=True) is None


def test_the_number_of_queries_does_not_grow_with_the_rows(client, now):
    def count() -> int:
        FRAGMENTS.forget()
        with CaptureQueriesContext(connection) as queries_run:
            assert client.get("/").status_code == 200
        return len(queries_run)

    world = busy_day(now)
    few = count()
    for n in range(40):
        Agent.objects.create(name=f"EXTRA-{n}", created_at=now, last_seen_at=now)
        work = world.queue(f"More {n}", ago=300 - n)
        world.fail(f"EXTRA-{n}", work, f"{ASSERTION} {n}", ago=290 - n)
    assert count() <= few <= 40


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

    monkeypatch.setattr(page_rows, "look", away)
    response = client.get("/")
    assert response.status_code == 503
    assert "reach its database" in response.content.decode()


def test_under_twenty_events_only_counts_are_shown():
    assert Share(3, 19).percent == ""
    assert Share(3, 20).percent == "15.0 %"
    assert Share(0, 0).percent == ""


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
    assert found == RetrySuccess(completed=1, ended=1, under_way=1)


@pytest.mark.parametrize(
    ("status", "ago", "holds", "expected"),
    [
        ("idle", None, False, marks.NEVER),
        ("idle", 1, False, marks.IDLE),
        ("idle", 60, False, marks.AWAY),
        ("offline", 1, False, marks.OFFLINE),
        ("busy", 1, True, marks.WORKING),
        ("busy", 60, True, marks.SILENT),
        ("offline", 1, True, marks.SILENT),
        ("idle", None, True, marks.SILENT),
    ],
)
def test_how_an_agent_stands(now, status, ago, holds, expected):
    seen = None if ago is None else now - timedelta(minutes=ago)
    agent = Agent(name="SAM", status=AgentStatus(status).value, last_seen_at=seen)
    assert mark_of(agent, holds_work=holds, now=now) is expected


def test_agents_are_listed_worst_first(now):
    busy_day(now)
    rows = agent_rows({}, figures(now=now, window=queries.DAY))
    assert [row.agent.name for row in rows] == ["LEO", "ALEX", "SAM", "QUINN", "MAX"]


def test_retired_agents_are_not_shown(client, now):
    seed_team(now=now)
    Agent.objects.filter(name="QUINN").update(retired_at=now)
    assert "QUINN" not in words(client.get("/"))
