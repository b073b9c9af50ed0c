"""The page, its fragment, the admin's widget and its health page show the API's very figures."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from monitoring.page_cache import FRAGMENTS
from monitoring.services import rollups
from tests.monitoring import page_figures as shown
from tests.monitoring.clock import set_clock
from tests.monitoring.random_house import build, in_hand
from tests.monitoring.random_promises import build_promises
from tests.wire import T0, get

pytestmark = pytest.mark.django_db
PERIODS = {"24h": "24 h", "7d": "7 d", "30d": "30 d"}
PLACES = ("/", "/fragment", "/admin/", "/admin/health/")
FEW = 20
SOME_INCIDENTS = 1
"""A seed of a house in which incidents ended and people answered."""
NOTHING = {
    "retry_success": "nothing was retried",
    "rollback": "nothing had to be rolled back",
    "escalation": "nothing had to be escalated",
    "reviews": "no pull request was seen",
    "same_mistake": "no learning is in force",
}


def share(part: int, whole: int, *, none: str = "") -> str:
    if not whole:
        return f"0 {none}"
    counts = f"{part} of {whole}"
    return counts if whole < FEW else f"{100 * part / whole:.1f} % ({counts})"


def hours(seconds: int) -> str:
    whole, rest = divmod(round(seconds / 60), 60)
    if whole >= 48 or (whole and not rest):
        return f"{whole} h"
    return f"{whole} h {rest} min" if whole else f"{rest} min"


def span(seconds: float) -> str:
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if whole >= 3600:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def availability(told: dict[str, Any]) -> tuple[str, str]:
    return told["percent"], hours(told["upSeconds"] + told["downSeconds"])


def expected_figures(told: dict[str, Any], words: str) -> dict[str, str]:
    agents, uptime, rate, retried = (
        told[key] for key in ("agents", "uptime", "errorRate", "retrySuccess")
    )
    percent, judged = availability(uptime)
    alive = f"{percent} ({hours(uptime['upSeconds'])} of {judged})"
    unheard = uptime["unknownSeconds"]
    deaf = (
        f"; unknown for {hours(unheard)}, since EVOX had not listened long enough"
        if unheard > 59
        else ""
    )
    under_way = f" · {retried['underWay']} under way" if retried["underWay"] else ""
    return {
        "working": f"{agents['working']} of {agents['total']} · hold work and show life",
        "uptime": f"{'– nobody was expected' if uptime['value'] is None else alive}"
        f" · alive of the time they were expected{deaf}",
        "error_rate": f"{share(rate['part'], rate['whole'], none='no attempt ended yet')}"
        f" · failed of finished attempts, {words}",
        "retry_success": f"{share(retried['part'], retried['whole'], none='nothing was retried')}"
        f" · completed of those that ended{under_way}",
    }


def expected_agents(told: dict[str, Any]) -> dict[str, tuple[str, str]]:
    rates = {own["agentName"]: own for own in told["errorRate"]["byAgent"]}
    found = {}
    for own in told["uptime"]["agents"]:
        rate, name = rates[own["agentName"]], own["agentName"]
        done = f"{rate['part']} of {rate['whole']}" if rate["whole"] else "0"
        up = "–" if own["value"] is None else " of ".join(availability(own))
        found[name] = (up, done)
    return found


def expected_course(told: dict[str, Any]) -> str:
    course, said = told["incidentCourse"], []
    ended, answered = course["resolved"], course["toAcknowledge"]
    if ended:
        took = course["toResolve"]
        median, p90 = span(took["medianSeconds"]), span(took["p90Seconds"])
        many = f"as a rule {median}, and for nine in ten at most {p90}"
        said.append(f"Healed by themselves : {course['selfHealed']['part']} of {ended} that ended.")
        said.append(f"It took {many if ended > 1 else median}.")
    if answered["count"]:
        rule = "as a rule " if answered["count"] > 1 else ""
        said.append(f"People answered {answered['count']} of {course['opened']} that began,")
        said.append(f"{rule}after {span(answered['medianSeconds'])}.")
    return " ".join(said)


def expected_promise(one: dict[str, Any], words: str) -> tuple[str, str]:
    kept = {None: "· No data yet", True: "✓ Kept", False: "✕ Missed"}[one["met"]]
    count, value = one["count"], one["value"]
    times = f"{count} time{'' if count == 1 else 's'}"
    if value is None:
        return NOTHING[one["key"]], kept
    if one["unit"] == "share":
        return share(one["part"], count), kept
    if one["unit"] == "seconds":
        of = "19 of 20 were faster" if count >= FEW else "the slowest"
        return f"{span(value)} {of}; {times}", kept
    if one["unit"] == "a day":
        return f"{value:.1f} a day {times} in {words}", kept
    return f"{value:.0f} the most of {count} learning{'' if count == 1 else 's'}", kept


@pytest.fixture
def lead(client):
    client.force_login(User.objects.create_superuser("lead"))
    return client


@pytest.mark.parametrize("seed", range(8))
def test_page_widget_and_api_agree(seed: int, monkeypatch, lead) -> None:
    chance = random.Random(seed)
    now = T0 + timedelta(seconds=chance.uniform(0, 7200))
    build(seed, now=now)
    in_hand(seed, now=now)
    build_promises(seed, now=now)
    monkeypatch.setattr("monitoring.api.health.db_now", lambda: now)
    set_clock(monkeypatch, now)

    for rounds in (0, 9):
        for _ in range(rounds):
            rollups.roll_up(now=now)
        for period, words in PERIODS.items():
            told = get(f"health?period={period}").json()
            for place in PLACES:
                FRAGMENTS.forget()
                html = lead.get(place, {"period": period}).content.decode()
                assert shown.figures(html) == expected_figures(told, words), place
                assert shown.agents(html) == expected_agents(told), place
                assert shown.course(html) == expected_course(told), place
                promises = {p["key"]: expected_promise(p, words) for p in told["promises"]}
                assert shown.promises(html) == promises, place
                said, system = shown.text(html), told["system"]
                assert f"30 days: {system['missedEscalations30d']} " in said
                assert f" {system['messagesWaiting']} message" in said


def test_each_number_leads_to_a_definition_that_exists(monkeypatch, lead) -> None:
    build(SOME_INCIDENTS, now=T0)
    set_clock(monkeypatch, T0)
    there = set(re.findall(r'<div id="([^"]+)"', lead.get("/definitions").content.decode()))

    for place in PLACES:
        FRAGMENTS.forget()
        html = lead.get(place, {"period": "30d"}).content.decode()
        linked = shown.links(html)
        assert linked <= there
        wanted = {*shown.figures(html), *shown.promises(html), "strip", "missed"}
        assert wanted | {"self_healed", "mttr", "mtta"} <= linked
        assert len(shown.figures(html)) == html.count("<dt>") == 4
        assert len(shown.promises(html)) == 6
