"""What a lead does with incidents in the admin."""

from __future__ import annotations

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from failures.models import Incident
from failures.services import incidents
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind, IncidentStatus
from tests.recovery.world import T0, hire

LIST = reverse("admin:failures_incident_changelist")


@pytest.fixture
def lead(client, db):
    """A logged-in administrator."""
    client.force_login(get_user_model().objects.create_superuser("ann", password="x"))
    return client


@pytest.fixture
def incident(db) -> Incident:
    sam = hire("SAM")
    new = NewIncident(
        kind=IncidentKind.BLOCKED,
        title="SAM is blocked",
        dedup_key="k",
        agent=sam,
        message="No key.",
    )
    return open_incident(new, now=T0).incident


def act(client, incident: Incident, action: str, **fields):
    data = {"action": action, ACTION_CHECKBOX_NAME: [incident.pk], **fields}
    return client.post(LIST, data, follow=True)


def test_an_incident_is_found_by_its_number(lead, incident):
    other = open_incident(
        NewIncident(kind=IncidentKind.SELF, title="Other", dedup_key="o"), now=T0
    ).incident

    page = lead.get(LIST, {"q": incident.number}).content.decode()

    assert "SAM is blocked" in page
    assert other.title not in page
    assert "SAM is blocked" in lead.get(LIST, {"q": incident.number.lower()}).content.decode()


def test_what_is_not_over_yet_is_one_filter_away(lead, incident):
    over = open_incident(
        NewIncident(kind=IncidentKind.FIXED_FORWARD, title="Past", dedup_key="p"), now=T0
    ).incident

    page = lead.get(LIST, {"state": "standing"}).content.decode()

    assert incident.title in page
    assert over.title not in page


def test_acknowledging_says_who_and_when(lead, incident):
    page = act(lead, incident, "acknowledge").content.decode()

    incident.refresh_from_db()
    assert (incident.status, incident.acknowledged_by) == (IncidentStatus.ACKNOWLEDGED, "ann")
    assert "acknowledged for 30 minutes" in page


def test_snoozing_asks_for_how_long_and_why(lead, incident):
    asked = act(lead, incident, "snooze").content.decode()
    assert 'name="reason"' in asked
    incident.refresh_from_db()
    assert incident.snoozed_until is None

    act(lead, incident, "snooze", hours="4", reason="Known, the vendor is at it.")

    incident.refresh_from_db()
    assert incident.snoozed_until is not None
    assert incident.events.get(kind="snoozed").data["reason"] == "Known, the vendor is at it."


def test_resolving_asks_how_it_ended(lead, incident):
    assert 'name="resolution"' in act(lead, incident, "resolve").content.decode()

    act(lead, incident, "resolve", resolution="Made a key.")

    incident.refresh_from_db()
    assert (incident.resolution, incident.resolved_by) == ("Made a key.", "ann")


@pytest.mark.parametrize("verb", ["acknowledge", "resolve", "snooze"])
def test_an_action_on_an_old_view_is_refused(lead, incident, verb):
    seen = incident.version
    incidents.acknowledge(incident.pk, actor="MAX", now=T0)
    before = Incident.objects.values().get(pk=incident.pk)

    fields = {"resolution": "Done.", "hours": "1", "reason": "Later."}
    page = act(lead, incident, verb, **fields, **{f"version-{incident.pk}": seen})

    assert "has changed since; look at it again" in page.content.decode()
    assert Incident.objects.values().get(pk=incident.pk) == before


def test_its_page_has_the_verbs_of_its_state_and_its_timeline(lead, incident):
    path = reverse("admin:failures_incident_change", args=[incident.pk])

    page = lead.get(path).content.decode()
    assert [verb in page for verb in ("Acknowledge", "Snooze…", "Resolve…")] == [True] * 3
    assert "opened" in page

    incidents.resolve(incident.pk, resolution="Done.", actor="MAX", now=T0)
    page = lead.get(path).content.decode()
    assert 'value="resolve"' not in page
    assert "resolution Done." in page


def test_who_may_only_look_has_no_verbs(client, incident):
    viewer = get_user_model().objects.create_user("vic", password="x", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_incident"))
    client.force_login(viewer)

    page = client.get(reverse("admin:failures_incident_change", args=[incident.pk]))

    assert 'value="acknowledge"' not in page.content.decode()
    act(client, incident, "acknowledge")
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.OPEN


def test_the_list_asks_as_many_queries_for_many_as_for_one(
    lead, incident, django_assert_max_num_queries
):
    for n in range(30):
        new = NewIncident(
            kind=IncidentKind.BLOCKED, title=f"t{n}", dedup_key=f"k{n}", agent=incident.agent
        )
        open_incident(new, now=T0)

    with django_assert_max_num_queries(10):
        lead.get(LIST)
