"""On every page, in every state: no percentage without its counts, and none of 100 with silence."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from agents.clock import db_now
from agents.models import Agent, SystemBeat
from agents.services import life, pauses
from agents.services.agents import record_heartbeat, seed_team
from monitoring.page_cache import FRAGMENTS
from tests.monitoring import page_figures as shown
from tests.monitoring.random_house import build, in_hand
from tests.monitoring.world import World, busy_day
from tests.wire import get

pytestmark = pytest.mark.django_db
PERIODS = ("24h", "7d", "30d")
PLACES = ("/", "/admin/health/", "/agents/SAM", "/agents/LEO")
PERCENT = r"\d+(?:\.\d+)? %"
SPAN = r"\d+ (?:h|min)(?: \d+ min)?"
# Counts, or how long of how long.
WITH_COUNTS = re.compile(rf"{PERCENT} (?:\(\d+ of \d+\)|\(?(?:{SPAN} )?of {SPAN}\)?)")
TARGET = re.compile(r'<td data-label="Target">.*?</td>', re.DOTALL)


def bare(html: str) -> list[str]:
    """The percentages in a page's text that nothing stands beside; targets are no figures."""
    said = WITH_COUNTS.sub("", shown.text(TARGET.sub("", html)))
    return [said[max(0, at.start() - 40) : at.end() + 20] for at in re.finditer(PERCENT, said)]


def fine(now) -> None:
    World(now).seen("SAM")


def stale(now) -> None:
    busy_day(now)
    SystemBeat.objects.update(at=now - timedelta(hours=3))


def paused(now) -> None:
    busy_day(now)
    until = now + timedelta(hours=1)
    pauses.pause(None, until=until, reason="Freeze", actor="MAX", now=now)


def many(now) -> None:
    build(5, now=now)
    in_hand(5, now=now)


def nearly_always_alive(now) -> None:
    """Three hours of life with one gap of a few seconds more than a heartbeat lasts."""
    seed_team(now=now - timedelta(hours=4))
    sam = Agent.objects.get(name="SAM")
    proof = sam.heartbeat_seconds + sam.heartbeat_grace_seconds
    at, step = now - timedelta(hours=3), timedelta(seconds=20)
    gap = now - timedelta(hours=1)
    while at <= now:
        life.listen(now=at)
        if not gap <= at < gap + timedelta(seconds=proof):
            record_heartbeat(sam, status=None, session=None, now=at)
        at += step


STATES = {
    "empty": lambda now: None,
    "fine": fine,
    "busy": busy_day,
    "stale": stale,
    "paused": paused,
    "many": many,
    "nearly always alive": nearly_always_alive,
}


@pytest.mark.parametrize("state", STATES)
def test_no_percentage_stands_alone_and_none_is_full_with_silence(state, client) -> None:
    now = db_now()
    STATES[state](now)
    client.force_login(User.objects.create_superuser("lead"))
    silent = {}
    for period in PERIODS:
        told = get(f"health?period={period}").json()["uptime"]
        silent[period] = {one["agentName"] for one in told["agents"] if one["downSeconds"]}
        for place in PLACES:
            FRAGMENTS.forget()
            html = client.get(place, {"period": period}).content.decode()
            assert bare(html) == [], (place, period)
            if told["downSeconds"] and "uptime" in shown.figures(html):
                assert not shown.figures(html)["uptime"].startswith("100")
            for name, (up, _) in shown.agents(html).items():
                assert not (name in silent[period] and up.startswith("100")), (place, name)
    if state == "nearly always alive":
        assert "SAM" in silent["24h"]
        assert shown.agents(client.get("/").content.decode())["SAM"][0].startswith("99")
