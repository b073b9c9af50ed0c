"""What staff do from the page: acknowledge, snooze, resolve, against the version that they saw."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from agents.clock import db_now
from failures.models import Incident
from failures.services import incidents
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind
from tests.monitoring.test_page import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident() -> Incident:
    new = NewIncident(kind=IncidentKind.SELF, title="EVOX's sweeper stands still", dedup_key="x")
    return open_incident(new, now=db_now()).incident


@pytest.fixture
def lead(client):
    """A person who may change incidents, and nothing more."""
    user = User.objects.create_user("ann", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_incident"))
    client.force_login(user)
    return client


def press(client, verb, incident, *, version=None, **said):
    do = f"{verb}.{incident.pk}.{incident.version if version is None else version}"
    return client.post("/act", {"do": do, "next": "/?period=7d", **said}, follow=True)


def test_acknowledging_is_one_press_and_shows_the_same_page_again(lead, incident):
    answer = press(lead, "acknowledge", incident)

    incident.refresh_from_db()
    assert (incident.status, incident.acknowledged_by) == ("acknowledged", "ann")
    assert answer.redirect_chain == [("/?period=7d", 303)]
    said = words(answer)
    assert f"{incident.number} is yours for 30 minutes; then it asks again." in said
    assert "Nothing needs you." in said
    assert "by ann until" in said


def test_an_incident_that_changed_meanwhile_is_left_and_said(lead, incident):
    seen = incident.version
    incidents.acknowledge(incident.pk, actor="MAX", now=db_now())

    answer = press(lead, "resolve", incident, version=seen, **{f"reason-{incident.pk}": "Done"})

    incident.refresh_from_db()
    assert incident.status == "acknowledged"
    assert "has changed since; look at it again. Nothing was done." in words(answer)


@pytest.mark.parametrize("verb", ["snooze", "resolve"])
def test_without_words_nothing_is_done_and_the_incidents_page_asks_for_them(lead, incident, verb):
    answer = press(lead, verb, incident, **{f"reason-{incident.pk}": "  "})

    incident.refresh_from_db()
    assert (incident.status, incident.snoozed_until) == ("open", None)
    assert answer.redirect_chain == [(f"/incidents/{incident.pk}", 303)]
    assert "in a few words; it is kept on record." in words(answer)


@pytest.mark.parametrize(("hours", "expected"), [("4", 4), ("", 1), ("9999", 1), ("-1", 1)])
def test_a_snooze_lasts_one_of_the_offered_times(lead, incident, hours, expected):
    before = db_now()
    said = {f"reason-{incident.pk}": "Disk is on its way", f"hours-{incident.pk}": hours}

    answer = press(lead, "snooze", incident, **said)

    incident.refresh_from_db()
    assert abs(incident.snoozed_until - before - timedelta(hours=expected)).total_seconds() < 60
    assert "Snoozed" in words(answer)
    assert incident.events.last().data["reason"] == "Disk is on its way"


def test_resolving_keeps_the_words(lead, incident):
    press(lead, "resolve", incident, **{f"reason-{incident.pk}": "Restarted"})

    incident.refresh_from_db()
    assert (incident.status, incident.resolution, incident.resolved_by) == (
        "resolved",
        "Restarted",
        "ann",
    )


def test_what_is_over_can_not_be_acted_on_again(lead, incident):
    incidents.resolve(incident.pk, resolution="Done", actor="MAX", now=db_now())
    incident.refresh_from_db()

    answer = press(lead, "acknowledge", incident)

    assert f"{incident.number}: This incident is resolved" in words(answer)


@pytest.mark.parametrize("who", ["nobody", "viewer", "staff without the right"])
def test_others_change_nothing_and_see_no_button(client, incident, who):
    if who != "nobody":
        client.force_login(User.objects.create_user("ceo", is_staff=who.startswith("staff")))

    assert b"evox-act" not in client.get("/").content
    page = client.get(f"/incidents/{incident.pk}").content
    assert b"<button" not in page
    answer = press(client, "acknowledge", incident)

    if who == "nobody":
        assert answer.redirect_chain[0][0].startswith("/admin/login/?next=")
    else:
        assert answer.status_code == 403
    incident.refresh_from_db()
    assert incident.status == "open"


def test_a_press_without_the_token_is_refused(lead, incident):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())

    assert press(strict, "acknowledge", incident).status_code == 403
    incident.refresh_from_db()
    assert incident.status == "open"


def test_the_form_and_its_token_stand_outside_what_is_polled(lead, incident):
    assert b"csrfmiddlewaretoken" in lead.get("/").content
    fragment = lead.get("/fragment").content
    assert b"csrfmiddlewaretoken" not in fragment
    assert b'form="evox-act"' in fragment


def test_acting_by_a_link_is_not_possible(lead, incident):
    assert lead.get(f"/act?do=acknowledge.{incident.pk}.1").status_code == 405


@pytest.mark.parametrize("back", ["https://example.org/", "//example.org", "javascript:1", ""])
def test_nobody_is_sent_elsewhere_afterwards(lead, incident, back):
    said = {"do": f"acknowledge.{incident.pk}.{incident.version}", "next": back}
    assert lead.post("/act", said)["Location"] == "/"


@pytest.mark.parametrize("do", ["", "delete.1.1", "acknowledge.x.1", "acknowledge.1", "snooze.²"])
def test_what_no_button_says_is_refused(lead, incident, do):
    assert lead.post("/act", {"do": do}).status_code == 400


def test_an_incident_that_never_was_is_said(lead, db):
    answer = lead.post("/act", {"do": "acknowledge.999.1", "next": "/"}, follow=True)
    assert "There is no incident 999." in words(answer)
