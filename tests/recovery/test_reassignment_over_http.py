"""An error that only SAM has, as agents live it over REST: elsewhere, and not back to SAM."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from agents.models import AuditEntry, Dispatch
from agents.services.agents import create_key

pytestmark = pytest.mark.django_db
API = "/api/v1"
NO_ACCESS = "HTTP 401 Unauthorized: invalid API key"


class Caller:
    """An agent with its own key; whatever it asks shows that it is alive."""

    def __init__(self, agent) -> None:
        self.name = agent.name
        self.client = APIClient()
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_key(agent)}")

    def post(self, path, **body):
        answer = self.client.post(f"{API}/{path}", body, format="json")
        assert answer.status_code < 300, answer.content
        return answer.json() if answer.content else None

    def alive(self):
        self.post(f"agents/{self.name}/heartbeat")

    def claim(self):
        """The id and the token of the work that it is given, else None."""
        got = self.post("dispatches/claim")
        return got and (got["dispatch"]["id"], got["attempt"]["claim"])

    def fail(self, work, message):
        pk, claim = work
        return self.post(
            f"dispatches/{pk}/fail", claim=claim, errorType="api", errorMessage=message
        )

    def complete(self, work):
        pk, claim = work
        return self.post(f"dispatches/{pk}/complete", claim=claim)


@pytest.fixture
def agents(team, settings):
    """SAM, LEO and ALEX, all alive; retries are due at once."""
    settings.EVOX_RETRY_BACKOFF = (timedelta(0),)
    callers = [Caller(agent) for agent in (team.sam, team.leo, team.alex)]
    for caller in callers:
        caller.alive()
    return callers


@pytest.fixture
def operator(db):
    return APIClient()


def make(operator, title, **fields):
    body = {"title": title, "command": "make", "maxAttempts": 8, **fields}
    answer = operator.post(f"{API}/dispatches", body, format="json")
    assert answer.status_code == 201, answer.content
    return answer.json()["id"]


def test_round_after_round_the_work_stays_away_from_the_one_whose_fault_it_was(agents, operator):
    sam, leo, alex = agents
    first = make(operator, "first")

    closed = sam.fail(sam.claim(), NO_ACCESS)
    assert "another agent gets it now" in closed["reason"]

    for message in ("HTTP 500 in a", "HTTP 500 in b"):
        assert sam.claim() is None
        work = leo.claim()
        assert work[0] == first
        leo.fail(work, message)

    # The third strategy is another view of the work: LEO's are over, and SAM still is kept away.
    assert (sam.claim(), leo.claim()) == (None, None)
    alex.complete(alex.claim())

    # ALEX got past what LEO could not: on other work SAM's own fault, though no word says so.
    second = make(operator, "second")
    closed = sam.fail(sam.claim(), "HTTP 500 in b")
    assert "another agent gets it now" in closed["reason"]
    assert sam.claim() is None
    work = leo.claim()
    assert work[0] == second
    leo.complete(work)

    attempts = {
        row.pk: [one.agent.name for one in row.attempts.order_by("lease_epoch")]
        for row in Dispatch.objects.all()
    }
    assert attempts == {first: ["SAM", "LEO", "LEO", "ALEX"], second: ["SAM", "LEO"]}
    assert set(Dispatch.objects.values_list("status", flat=True)) == {"completed"}


def test_with_everybody_else_gone_sam_gets_it_back_and_the_record_says_so(agents, operator):
    sam, leo, alex = agents
    make(operator, "only")
    sam.fail(sam.claim(), NO_ACCESS)
    assert sam.claim() is None

    for other in (leo, alex):
        other.post(f"agents/{other.name}/heartbeat", status="offline")
    pk, _ = sam.claim()

    lifted = AuditEntry.objects.get(verb="lift_exclusion", subject_id=pk)
    assert (lifted.actor, lifted.reason[:18]) == ("SYSTEM", "Nobody else came f")
