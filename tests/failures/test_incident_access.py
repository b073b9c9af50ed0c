"""Which agents may take an incident on, or call it over."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from agents.services.agents import create_key
from agents.states import AgentRole
from failures.models import Incident
from failures.services.opening import NewIncident, open_incident
from failures.services.timeline import ESCALATED, Line, add_lines
from failures.states import IncidentKind
from tests.recovery.world import T0, hire


@pytest.fixture
def keys(db, settings):
    """Keys of the lead, of whom it is about, of who was told, and of a bystander."""
    settings.EVOX_REQUIRE_KEY = True
    team = {
        "MAX": hire("MAX", role=AgentRole.LEAD),
        "SAM": hire("SAM"),
        "LEO": hire("LEO"),
        "ALEX": hire("ALEX"),
    }
    return {name: create_key(agent) for name, agent in team.items()} | {"agents": team}


def opened(keys, kind: IncidentKind) -> Incident:
    """An incident of SAM's that LEO was told of."""
    sam = keys["agents"]["SAM"]
    new = NewIncident(kind=kind, title="t", dedup_key=kind.value, agent=sam, reported_by="SAM")
    incident = open_incident(new, now=T0).incident
    told = Line(incident=incident, kind=ESCALATED, level=1, actor="SYSTEM", data={"to": "LEO"})
    add_lines([told], now=T0)
    return incident


def call(keys, name: str, incident: Incident, verb: str) -> int:
    body = {"resolution": "Done."} if verb == "resolve" else {}
    auth = {"HTTP_AUTHORIZATION": f"Bearer {keys[name]}"}
    path = f"/api/v1/incidents/{incident.pk}/{verb}"
    return APIClient().post(path, body, format="json", **auth).status_code


@pytest.mark.parametrize(
    ("kind", "verb", "allowed"),
    [
        (IncidentKind.STALLED, "acknowledge", {"MAX", "LEO"}),
        (IncidentKind.STALLED, "resolve", {"MAX"}),
        (IncidentKind.SILENT, "resolve", {"MAX"}),
        (IncidentKind.BLOCKED, "acknowledge", {"MAX", "LEO"}),
        (IncidentKind.BLOCKED, "resolve", {"MAX", "SAM"}),
        (IncidentKind.EXHAUSTED, "resolve", {"MAX"}),
    ],
)
def test_the_lead_and_who_was_told_may_act_and_nobody_silences_their_own_stall(
    keys, kind, verb, allowed
):
    heard = {}
    for name in ("MAX", "SAM", "LEO", "ALEX"):
        incident = opened(keys, kind)
        heard[name] = call(keys, name, incident, verb)
        Incident.objects.filter(pk=incident.pk).update(dedup_key=f"{kind.value}:{name}")

    assert heard == {name: 200 if name in allowed else 403 for name in heard}


def test_the_lead_may_not_call_its_own_stall_over(keys):
    lead = keys["agents"]["MAX"]
    new = NewIncident(kind=IncidentKind.STALLED, title="t", dedup_key="k", agent=lead)
    incident = open_incident(new, now=T0).incident

    assert call(keys, "MAX", incident, "acknowledge") == 403
    assert call(keys, "MAX", incident, "resolve") == 403


def test_an_unknown_incident_is_404_for_an_agent_too(keys):
    incident = opened(keys, IncidentKind.STALLED)
    incident.pk = 999_999

    assert call(keys, "MAX", incident, "acknowledge") == 404
