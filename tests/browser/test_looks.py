"""Every page holds on a phone, in the dark, for screen readers, and under the strict policy."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib import admin as django_admin
from django.urls import reverse
from playwright.sync_api import expect

from agents.clock import db_now
from agents.models import Dispatch
from agents.services import pauses
from benchmarks.screenshots.worlds import heard, lived
from failures.models import Incident
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind
from learnings.services.submissions import NewLearning, submit_learning
from learnings.states import LearningOrigin
from monitoring.services.watch import watch
from tests.monitoring.world import busy_day

PHONE, DESK = {"width": 360, "height": 780}, {"width": 1280, "height": 900}
LOOKS = (("light", DESK), ("dark", PHONE), ("dark", DESK), ("light", PHONE))
GRAVE = {"serious", "critical"}


@pytest.fixture
def addresses(transactional_db) -> dict[str, str]:
    """A busy day of a team that was silent now and then, and where its pages are."""
    now = db_now()
    world = busy_day(now)
    watch(now=now)
    for name in ("SAM", "ALEX", "MAX"):
        lived(world.agent(name), (30, 14.5), (12.9, -0.05), now=now)
    heard(now)
    loop = NewIncident(
        kind=IncidentKind.ERROR_LOOP,
        title="SAM meets the same failure again and again on AGT-355",
        dedup_key="loop",
        agent=world.agent("SAM"),
    )
    open_incident(loop, now=world.at(741))
    pauses.pause(world.agent("QUINN"), until=world.at(-60), reason="Disk", actor="MAX", now=now)
    new = NewLearning(category="build", content="Pin the compiler. " * 12)
    learning = submit_learning(new, author="SAM", origin=LearningOrigin.AGENT, now=now)
    incident = Incident.objects.get(kind="exhausted")
    return {
        "page": "/",
        "work": "/work",
        "definitions": "/definitions",
        "agent": "/agents/LEO",
        "incident": f"/incidents/{incident.pk}",
        "dispatch": f"/dispatches/{incident.dispatch_id}",
        "learning": f"/learnings/{learning.pk}",
        "unknown": "/incidents/999999",
        "health": "/admin/health/",
        "admin": "/admin/",
    }


# The admin's links fade into a new scheme's colour; judged half-way, they lack contrast.
SETTLED = """async () => {
    const fades = document.getAnimations().filter(fade => fade instanceof CSSTransition);
    await Promise.allSettled(fades.map(fade => fade.finished));
}"""


def faults(page) -> list[str]:
    """What axe finds grave, each with where."""
    page.evaluate(SETTLED)
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"][:3]
    ]


def width(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth")


def test_nothing_grave_for_axe_and_no_sideways_scroll_on_any_page(visit, admin, addresses):
    page = visit("/healthz", user=admin)
    for name, address in addresses.items():
        page.goto(address)
        for scheme, size in LOOKS if name in {"page", "incident"} else LOOKS[:2]:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            where = (name, scheme, size["width"])
            assert width(page) <= size["width"], where
            assert faults(page) == [], where


@pytest.mark.parametrize("address", ["/", "/admin/login/"])
def test_an_empty_house_and_the_login_hold_too(visit, address):
    page = visit(address, viewport=PHONE, color_scheme="dark")
    assert width(page) <= PHONE["width"]
    assert faults(page) == []


def test_without_scripts_the_page_says_everything_and_reloads_itself(visit, addresses):
    page = visit(java_script_enabled=False)
    expect(page.locator("#evox-needs")).to_contain_text("incidents need you.")
    expect(page.locator(".needs .what time").first).to_have_text(re.compile(r"^since \d\d \w{3} "))
    expect(page.locator(".figures")).to_contain_text("Error rate")
    refresh = page.locator("meta[http-equiv=refresh]")
    expect(refresh).to_have_attribute("content", "30")
    page.get_by_text("The strips as a table").click()
    expect(page.locator(".twin table")).to_be_visible()


def test_the_page_weighs_at_most_60_kb_gzipped_with_all_that_it_needs(visit, addresses):
    weighed = {}

    def weigh(response):
        if response.status == 200:
            weighed[response.url] = response.request.sizes()["responseBodySize"]

    page = visit("/healthz")
    page.on("requestfinished", lambda request: weigh(request.response()))
    page.goto("/", wait_until="networkidle")
    assert len(weighed) >= 3
    assert sum(weighed.values()) <= 60_000, weighed


def lists() -> list[str]:
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in django_admin.site._registry
    ]


def test_no_list_and_no_form_of_the_admin_breaks_the_policy_or_asks_elsewhere(
    visit, admin, addresses
):
    """What broke it is asserted when the test ends."""
    page = visit("/healthz", user=admin)
    page.goto("/admin/agents/pause/all/")
    for address in lists():
        assert page.goto(address).status == 200, address
        row = page.locator("#result_list tbody th a").first
        links = [row] if row.count() else []
        for target in [link.get_attribute("href") for link in links]:
            assert page.goto(target).status == 200, target
        added = page.goto(f"{address}add/")
        assert added.status in {200, 403}, address


def test_the_documentation_of_the_api_holds_the_policy(visit):
    page = visit("/api/docs/")
    expect(page.get_by_text("/api/v1/dispatches/claim").first).to_be_visible()


def test_a_leads_verbs_work_in_the_admin_under_the_policy(visit, admin, addresses):
    dispatch = Dispatch.objects.get(status="blocked")
    page = visit(reverse("admin:agents_dispatch_change", args=[dispatch.pk]), user=admin)
    page.get_by_role("button", name="Unblock").click()
    expect(page.locator(".messagelist")).to_contain_text("unblocked")
