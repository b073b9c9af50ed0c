"""The pages behind the page: readable by viewers, with links into the admin for staff only."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.clock import db_now
from agents.models import Agent, Dispatch
from failures.models import Incident
from learnings.models import Learning
from learnings.services.submissions import NewLearning, submit_learning
from learnings.states import LearningOrigin
from monitoring.services.watch import watch
from tests.monitoring.test_page import words
from tests.monitoring.world import World, busy_day

pytestmark = pytest.mark.django_db
EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@pytest.fixture
def now():
    return db_now()


@pytest.fixture
def world(now):
    made = busy_day(now)
    watch(now=now)
    return made


def links(html: str) -> set[str]:
    return {link.partition("#")[0] for link in re.findall(r'href="(/[^"]*)"', html)}


def test_every_page_that_a_viewer_can_reach_from_the_page_opens(client, world):
    seen: set[str] = set()
    new = {"/"}
    while new:
        path = new.pop()
        seen.add(path)
        answer = client.get(path)
        assert answer.status_code == 200, path
        html = answer.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", html), path
        new |= {
            link
            for link in links(html) - seen
            if not link.startswith(("/admin", "/static", "/api"))
        }
    assert {"/work", "/definitions", "/agents/SAM"} <= seen
    assert any(path.startswith("/incidents/") for path in seen)
    assert any(path.startswith("/dispatches/") for path in seen)
    assert any(path.startswith("/learnings/") for path in seen) == Learning.objects.exists()


def test_links_into_the_admin_are_for_staff(client, world):
    pages = (
        f"/incidents/{Incident.objects.first().pk}",
        f"/dispatches/{Dispatch.objects.first().pk}",
        "/agents/SAM",
    )
    for path in pages:
        inside = {link for link in links(client.get(path).content.decode()) if "/admin" in link}
        assert inside <= {"/admin/", "/admin/login/?next=" + path}
    client.force_login(User.objects.create_superuser("ann"))
    for path in pages:
        assert "In the admin" in words(client.get(path))


def test_the_cause_is_three_clicks_away(client, world):
    """The page names the incident, the incident its work, and the work the failure."""
    incident = Incident.objects.get(kind="exhausted")
    assert f"/incidents/{incident.pk}" in links(client.get("/").content.decode())
    assert f"/dispatches/{incident.dispatch_id}" in links(
        client.get(f"/incidents/{incident.pk}").content.decode()
    )
    said = words(client.get(f"/dispatches/{incident.dispatch_id}"))
    assert "No module named" in said
    assert said.count("Failed") == 4


def test_an_incidents_page_tells_its_story_in_sentences(client, world):
    incident = Incident.objects.get(kind="blocked")
    said = words(client.get(f"/incidents/{incident.pk}"))
    at = r"(\d\d \w{3} )?\d\d:\d\d"  # With its day when that is another one.
    assert re.search(rf"MAX was told {at} .*, no answer ?\. Next: the CEO channel hears", said)
    assert re.search(rf"Timeline {at} EVOX opened it {at} EVOX told MAX \(the lead\)", said)


def test_an_agents_page_says_what_it_did(client, world):
    said = words(client.get("/agents/alex"))
    assert "ALEX worker" in said
    assert "Blocked" in said
    assert "Import the payment client" in said
    assert "No module named" in said


def test_a_learnings_page_says_what_was_learned_and_whether_it_helped(client, now):
    new = NewLearning(category="build", content="Pin the compiler.")
    made = submit_learning(new, author="SAM", origin=LearningOrigin.AGENT, now=now)
    said = words(client.get(f"/learnings/{made.pk}"))
    assert "Pin the compiler." in said
    assert "written by SAM" in said
    assert "Nothing was measured yet." in said


@pytest.mark.parametrize(
    "path", ["/agents/NOBODY", "/agents/%00", "/incidents/999", "/dispatches/999", "/learnings/999"]
)
def test_what_never_was_is_said_as_a_page(client, path, db):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is no" in words(answer)


def test_hostile_text_stays_text_everywhere(client, now):
    world = World(now)
    work = world.queue(EVIL, ago=5, ticket_id="<b>T</b>")
    world.fail("SAM", work, EVIL, ago=4)
    blocked = world.queue(EVIL, ago=3)
    world.block("SAM", blocked, EVIL, ago=2)
    incident = Incident.objects.get(kind="blocked")
    for path in (
        *("/", "/work", "/agents/SAM", f"/incidents/{incident.pk}"),
        *(f"/dispatches/{work.pk}", f"/dispatches/{blocked.pk}"),
    ):
        html = client.get(path).content.decode()
        assert "<script>alert" not in html, path
        assert "<img" not in html, path
        assert "<b>T" not in html, path


@pytest.mark.parametrize("path", ["/agents/SAM", "/work", "/dispatches/{work}", "/incidents/{inc}"])
def test_the_number_of_queries_does_not_grow_with_the_rows(client, now, path):
    world = busy_day(now)
    ids = {"work": Dispatch.objects.first().pk, "inc": Incident.objects.first().pk}

    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path.format(**ids)).status_code == 200
        return len(asked)

    few = count()
    for n in range(12):
        Agent.objects.create(name=f"EXTRA-{n}", created_at=now, last_seen_at=now)
        world.complete("SAM", world.queue(f"More {n}", ago=60 - n), ago=50 - n)
    assert count() <= few <= 24


@pytest.mark.parametrize("path", ["/work", "/definitions", "/agents/SAM", "/act"])
def test_where_keys_are_required_these_pages_want_a_login(client, settings, world, path):
    settings.EVOX_REQUIRE_KEY = True
    answer = client.post(path, {}) if path == "/act" else client.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/?next=/")
    if path != "/act":
        assert client.post(path).status_code == 405


def test_each_number_on_the_page_leads_to_its_definition(client, world):
    html = client.get("/").content.decode()
    wanted = set(re.findall(r'href="/definitions#([\w-]+)"', html))
    known = set(re.findall(r'<div id="([\w-]+)"', client.get("/definitions").content.decode()))
    assert wanted
    assert wanted <= known
    figures = re.findall(r"<dt>(.*?)</dt>", html)
    assert figures
    assert all("/definitions#" in one for one in figures)
