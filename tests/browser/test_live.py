"""The page lives: it changes when something happens, says when it can't, and comes back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from agents.clock import db_now
from failures.models import Incident
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind
from tests.monitoring.world import World

FINE = re.compile(r"^✓ Nothing needs you")


def ask(page) -> int:
    """Let five seconds go by, after which the page asks; returns what it hears, once it knows."""
    at = page.evaluate("document.querySelector('.live time')?.dateTime")
    with page.expect_response("**/fragment*") as answer:
        page.clock.run_for(5_000)
    page.wait_for_function("at => document.querySelector('.live time')?.dateTime !== at", arg=at)
    return answer.value.status


def trouble(key: str = "x", title: str = "EVOX's sweeper stands still") -> Incident:
    new = NewIncident(kind=IncidentKind.SELF, title=title, dedup_key=key)
    return open_incident(new, now=db_now()).incident


def standing_clock(visit):
    """A page whose clock moves only when it is told to, however slow the machine is."""
    page = visit("/healthz")
    page.clock.install()
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    page.goto("/")
    return page


def headline(page):
    return page.locator("#evox-needs")


def test_an_incident_appears_by_itself_and_in_the_tabs_title(visit):
    page = visit()
    expect(headline(page)).to_have_text(FINE)
    expect(page.locator(".live")).to_contain_text("● Live · updated")

    trouble()

    expect(headline(page)).to_have_text("✕ 1 incident needs you.")
    expect(page).to_have_title("✕ 1 · EVOX health")
    expect(page.locator(".needs .what time")).to_have_text(re.compile(r"^for \d+ (s|min)$"))


def test_ages_tick_while_nothing_changes(visit):
    World(db_now()).seen("SAM")
    page = visit()
    seen = page.get_by_role("row", name="SAM").locator("td[data-label=Seen] time")
    expect(seen).to_have_text(re.compile(r"^\d+ (s|min) ago$"))
    first = seen.inner_text()
    expect(seen).not_to_have_text(first)


def test_without_a_server_it_is_stale_within_25_seconds_and_recovers(visit, server):
    page = standing_clock(visit)
    expect(page.locator(".live")).to_contain_text("● Live")
    server.stop()
    try:
        for _ in range(4):
            expect(page.locator(".live.stale")).to_have_count(0)
            with page.expect_event("requestfailed"):
                page.clock.run_for(5_000)
        page.clock.run_for(2_000)
        expect(page.locator(".live.stale")).to_contain_text("▲ Stale: EVOX doesn't answer")
        expect(page).to_have_title("▲ Stale · EVOX health")
        expect(headline(page)).to_have_text(FINE)
    finally:
        server.start()
    page.clock.resume()
    expect(page.locator(".live")).to_contain_text("● Live")
    expect(page.locator(".live.stale")).to_have_count(0)


def test_after_two_minutes_of_silence_the_numbers_go_grey(visit):
    page = standing_clock(visit)
    number = page.locator(".figures dd").first
    muted = page.evaluate("getComputedStyle(document.querySelector('.figures dt')).color")
    page.route("**/fragment*", lambda route: route.abort())
    trouble()

    page.clock.fast_forward(119_000)
    expect(page.locator(".live.stale")).to_have_count(1)
    expect(page.locator("#evox-fragment.dead")).to_have_count(0)
    page.clock.fast_forward(3_000)
    expect(page.locator("#evox-fragment.dead")).to_have_count(1)
    expect(number).to_have_css("color", muted)

    page.unroute("**/fragment*")
    page.clock.resume()
    expect(page.locator("#evox-fragment.dead")).to_have_count(0)
    expect(headline(page)).to_have_text("✕ 1 incident needs you.")


def test_a_page_that_nobody_sees_asks_once_a_minute_and_at_once_when_it_is_seen(visit):
    page = standing_clock(visit)
    asked = []
    page.on(
        "request", lambda request: asked.append(request.url) if "fragment" in request.url else 0
    )
    ask(page)
    assert len(asked) == 1
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => window.unseen, configurable: true})"
    )
    page.evaluate("window.unseen = true")
    ask(page)
    page.clock.run_for(50_000)
    assert len(asked) == 2

    page.evaluate("window.unseen = false")
    with page.expect_request("**/fragment*"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_nothing_is_sent_twice_while_nothing_changes(visit):
    page = standing_clock(visit)
    heard = [ask(page)]
    # A quarter of a minute may end between two of them, but not between each two.
    while heard[-1] != 304:
        heard.append(ask(page))
        assert len(heard) < 20
    assert set(heard) == {200, 304}


def test_what_its_reader_types_opens_and_focuses_stays_when_the_page_changes(visit, admin):
    incident = trouble()
    page = visit(user=admin)
    page.get_by_text("Snooze or resolve…").click()
    reason = page.get_by_label("Why, or how it ended")
    reason.fill("Disk is on its way")
    reason.focus()

    trouble("y", "EVOX's sender stands still")

    expect(headline(page)).to_have_text("✕ 2 incidents need you.")
    expect(page.locator(f"input[name=reason-{incident.pk}]")).to_have_value("Disk is on its way")
    expect(page.locator(f"input[name=reason-{incident.pk}]")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_period_is_chosen_by_a_link(visit, scripts):
    page = visit(java_script_enabled=scripts)
    page.get_by_role("link", name="7 d").click()
    expect(page.locator(".periods strong")).to_have_text("7 d")
    expect(page.locator(".figures")).to_contain_text("failed of finished attempts, 7 d")
