"""What a lead finds in the admin: why a learning exists, who was told, whether it came back."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import AuditEntry
from failures.services.guidance import log_and_answer
from failures.services.log import NewFailure
from failures.states import ErrorType
from learnings.models import InjectionSwitch, Learning, LearningRevision, Measurement
from learnings.services import effects, switch
from learnings.services.analysis import analyse, sweep
from learnings.services.briefing import brief, record_told
from learnings.states import Trigger

HOUR = timedelta(hours=1)


def text_of(response) -> str:
    """What a reader sees, in one line."""
    body = re.sub(r"<(script|style).*?</\1>", "", response.content.decode(), flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


@pytest.fixture
def learning(world):
    world.fail(times=3, ticket_id="AGT-7")
    analyse(Trigger.COMMAND, now=world.now)
    return Learning.objects.get()


def page_of(client, learning):
    return client.get(f"/admin/learnings/learning/{learning.pk}/change/")


def test_three_clicks_from_the_index_lead_to_the_failure_behind_a_learning(admin_client, learning):
    index = admin_client.get("/admin/").content.decode()
    assert 'href="/admin/learnings/learning/"' in index
    listed = admin_client.get("/admin/learnings/learning/").content.decode()
    assert f'href="/admin/learnings/learning/{learning.pk}/change/"' in listed
    page = page_of(admin_client, learning).content.decode()
    for pk in learning.evidence:
        assert f'href="/admin/failures/failure/{pk}/change/"' in page
        assert admin_client.get(f"/admin/failures/failure/{pk}/change/").status_code == 200
    assert f'href="/admin/failures/failuregroup/{learning.group_id}/change/"' in page


def test_the_page_says_why_it_exists(admin_client, learning):
    text = text_of(page_of(admin_client, learning))
    assert "3 failures of SAM since" in text
    assert "of SAM on AGT-7: Missing import" in text
    assert "Proposed by SYSTEM, approved by EVOX." in text


def test_the_page_says_who_was_told_how_and_when(admin_client, learning, world):
    assert "Nobody so far." in text_of(page_of(admin_client, learning))
    record_told(brief(world.agent("LEO"), None), now=world.now + HOUR)
    log_and_answer(
        NewFailure(agent=world.agent("SAM"), error_type=ErrorType.BUILD, message="Missing import"),
        now=world.now + 2 * HOUR,
    )
    text = text_of(page_of(admin_client, learning))

    assert "2 agents, 2 times." in text
    assert "SAM in the answer to its failure" in text
    assert "LEO in a briefing" in text


def test_the_page_says_to_whom_it_came_back(admin_client, learning, world):
    record_told(brief(world.agent("LEO"), None), now=world.now + HOUR)
    world.fail(by="LEO", at=world.now + 2 * HOUR)
    world.fail(by="SAM", at=world.now + 3 * HOUR)
    sweep(now=world.now + 4 * HOUR)
    text = text_of(page_of(admin_client, learning))

    assert "1 time to agents that had been told, 1 to agents that had not." in text
    assert re.search(r"Failure \d+ of LEO , which had been told", text)
    assert re.search(r"Failure \d+ of SAM , which had not been told", text)


def test_the_page_says_what_was_measured_in_words(admin_client, learning, world):
    Measurement.objects.all().delete()
    assert "Nothing was measured yet." in text_of(page_of(admin_client, learning))
    effects.measure(now=world.now + 24 * HOUR)
    text = text_of(page_of(admin_client, learning))

    assert "In the 28 days before it was told: 3 times in 0 attempts." in text
    assert "Unproven: it is judged when the 28 days are over." in text


def test_a_page_full_of_history_takes_as_many_queries_as_an_empty_one(
    admin_client, learning, world
):
    page_of(admin_client, learning)
    with CaptureQueriesContext(connection) as empty:
        page_of(admin_client, learning)
    for n in range(8):
        world.fail(by="LEO", at=world.now + n * HOUR)
        record_told(brief(world.agent("LEO"), None), now=world.now + HOUR)
    sweep(now=world.now + 9 * HOUR)
    effects.measure(now=world.now + 9 * HOUR)
    with CaptureQueriesContext(connection) as full:
        page_of(admin_client, learning)

    assert len(full) == len(empty) <= 22


def test_what_agents_wrote_is_shown_as_text(admin_client, world):
    world.fail("<b>bold</b> import", times=3)
    analyse(Trigger.COMMAND, now=world.now)
    page = page_of(admin_client, Learning.objects.get()).content.decode()

    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page


def test_a_verb_from_the_page_keeps_its_reason(admin_client, learning):
    admin_client.post(
        "/admin/learnings/learning/",
        {"_selected_action": learning.pk, "action": "retire", "reason": "  Wrong now. "},
    )
    learning.refresh_from_db()

    assert learning.status == "retired"
    assert AuditEntry.objects.get(verb="retire").reason == "Wrong now."
    assert "admin: retire Wrong now." in text_of(page_of(admin_client, learning))


def test_the_page_offers_only_what_its_state_allows(admin_client, learning):
    offered = page_of(admin_client, learning).content.decode()
    assert 'value="retire"' in offered
    assert 'value="approve"' not in offered
    Learning.objects.update(status="proposed", published_at=None, announced_at=None, approved_by="")
    offered = page_of(admin_client, learning).content.decode()
    assert 'value="retire"' not in offered
    assert 'value="approve"' in offered


def revision_of(learning, world, **fields):
    return LearningRevision.objects.create(
        learning=learning,
        version=1,
        rule="Import it first.",
        why="It is missing.",
        source="resolution",
        author="SAM",
        at=world.now,
        **fields,
    )


def test_words_that_wait_are_let_through_or_kept_away(admin_client, learning, world):
    first = revision_of(learning, world)
    assert "Import it first." in text_of(page_of(admin_client, learning))
    admin_client.post(
        "/admin/learnings/learningrevision/",
        {"_selected_action": first.pk, "action": "approve", "reason": "Read it."},
    )
    learning.refresh_from_db()
    assert (learning.rule, learning.version) == ("Import it first.", 2)

    second = revision_of(learning, world)
    answer = admin_client.post(
        "/admin/learnings/learningrevision/",
        {"_selected_action": second.pk, "action": "reject"},
        follow=True,
    )
    second.refresh_from_db()
    assert (second.status, f"#{second.pk}: rejected." in text_of(answer)) == ("rejected", True)


def test_the_switch_is_turned_off_and_on_with_a_reason(admin_client, learning):
    url = "/admin/learnings/learning/switch/"
    assert "Tell agents nothing" in text_of(admin_client.get(url))
    admin_client.post(url, {"to": "off", "reason": ""})
    assert switch.is_on()
    admin_client.post(url, {"to": "off", "reason": "They go astray."})
    listed = text_of(admin_client.get("/admin/learnings/learning/"))
    learning.group.refresh_from_db()

    assert not switch.is_on()
    assert "Agents are told nothing since admin turned it off" in listed
    assert "They go astray." in listed
    assert learning.group.guidance == ""

    # Somebody else's stale page turns nothing back.
    admin_client.post(url, {"to": "off", "reason": "Again."})
    assert not switch.is_on()
    admin_client.post(url, {"to": "on", "reason": "All well."})
    learning.group.refresh_from_db()
    assert switch.is_on()
    assert learning.group.guidance == learning.rule
    assert InjectionSwitch.objects.count() == 1


def test_all_that_came_of_an_agent_is_taken_back(admin_client, learning, world):
    url = "/admin/learnings/learning/take-back/"
    page = admin_client.get(url).content.decode()
    assert 'name="agent"' in page
    data = {"agent": world.agent("SAM").pk, "days": 3650, "reason": "It was taken over."}
    assert admin_client.post(url, {**data, "agent": ""}).status_code == 200
    learning.refresh_from_db()
    assert learning.status == "active"
    answer = admin_client.post(url, data, follow=True)
    learning.refresh_from_db()

    assert learning.status == "retired"
    assert "Taken back: what came of SAM." in text_of(answer)


@pytest.mark.parametrize("page", ["switch", "take-back"])
def test_who_only_looks_may_not_act(client, django_user_model, learning, page):
    viewer = django_user_model.objects.create_user("eve", password="x", is_staff=True)
    viewer.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)

    assert client.get(f"/admin/learnings/learning/{page}/").status_code == 403
    assert client.post(f"/admin/learnings/learning/{page}/", {"reason": "x"}).status_code == 403
    listed = client.get("/admin/learnings/learning/").content.decode()
    assert "Tell agents nothing" not in listed
    assert 'class="verbs"' not in page_of(client, learning).content.decode()
