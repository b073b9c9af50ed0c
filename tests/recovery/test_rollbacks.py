"""What the server does with the Git hook's reports."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from agents.clock import db_now
from agents.models import Agent, Message
from agents.states import AgentRole
from failures.models import Failure, Incident
from failures.states import IncidentStatus
from monitoring.queries_rollbacks import rollback_figures
from recovery.models import Rollback
from recovery.services import rollbacks
from tests.recovery.world import hire, queue, take

SHA, REVERT = "a" * 40, "b" * 40


@pytest.fixture
def team(db):
    """MAX leads, SAM works."""
    hire("MAX", role=AgentRole.LEAD)
    return hire("SAM")


def report(kind: str = "rolled_back", *, ago: float = 5, late: float = 0, **metadata):
    """The hook's report of a commit made `ago` seconds ago, `late` after its verdict."""
    now = db_now()
    body = {
        "agentName": "SAM",
        "level": "error",
        "message": f"{kind} of {SHA[:7]}",
        "kind": kind,
        "idempotencyKey": f"repo:{metadata.get('originalCommit', SHA)}:{kind}",
        "timestamp": int((now - timedelta(seconds=late)).timestamp() * 1000),
        "metadata": {
            "originalCommit": SHA,
            "revertCommit": REVERT,
            "branch": "main",
            "repo": "git@example.org:team/app.git",
            "buildError": "TypeError: x is undefined",
            "command": "npx next build",
            "exitCode": 1,
            "confirmed": True,
            "committedAt": (now - timedelta(seconds=ago)).isoformat(),
            **metadata,
        },
    }
    response = APIClient().post("/logIncident", body, format="json")
    assert response.status_code == 200, response.content
    return Incident.objects.get(pk=response.json()["incidentId"])


def test_a_rollback_is_an_incident_a_message_and_a_failure_in_one(team):
    incident = report()

    row = Rollback.objects.get()
    assert (row.incident, row.commit, row.revert_commit) == (incident, SHA, REVERT)
    assert (row.branch, row.command, row.exit_code) == ("main", "npx next build", 1)
    assert (row.confirmed, row.late) == (True, False)
    assert Message.objects.filter(channel__name="dev").count() == 1
    failure = Failure.objects.get()
    assert (failure.error_type, failure.message) == ("build", "TypeError: x is undefined")


def test_the_same_report_again_changes_nothing(team):
    first, again = report(), report()

    assert first == again
    counts = [model.objects.count() for model in (Incident, Rollback, Failure)]
    assert counts == [1, 1, 1]
    assert Message.objects.count() == 2, "one for #dev, one for the author"


def test_the_author_hears_of_it_and_how_to_get_it_back(team):
    queue("Checkout", agent=team)
    held = take(team)

    incident = report()

    message = Message.objects.get(to_agent=team)
    assert incident.dispatch == held.dispatch
    assert message.text == (
        f"{incident.number} Your commit aaaaaaaaaaaa broke the build and was reverted."
        f" It was made for #{held.dispatch.pk}. To get it back: git revert bbbbbbbbbbbb"
    )


def test_a_trailer_names_the_dispatch_unless_it_is_somebody_elses(team):
    leo = hire("LEO")
    mine, others = queue("Mine", agent=team), queue("Others", agent=leo)

    assert report(dispatchId=mine.pk, originalCommit="c" * 40).dispatch == mine
    assert report(dispatchId=others.pk, originalCommit="d" * 40).dispatch is None


def test_the_next_green_settles_what_was_red_on_the_branch(team):
    red = report("base_already_broken", originalCommit="c" * 40)
    elsewhere = report("base_already_broken", originalCommit="d" * 40, branch="other")
    assert red.status == IncidentStatus.OPEN

    report("fixed_forward", originalCommit="e" * 40)

    red.refresh_from_db()
    elsewhere.refresh_from_db()
    assert red.resolution == "The branch is green again after eeeeeeeeeeee."
    assert elsewhere.status == IncidentStatus.OPEN


def test_p95_runs_from_the_commit_to_the_received_incident_and_late_ones_count_apart(team):
    for n, ago in enumerate((10, 20, 30, 40)):
        report(ago=ago, originalCommit=f"{n}" * 40)
    report(ago=4000, late=3000, originalCommit="9" * 40)

    figures = rollback_figures(now=db_now(), window=timedelta(days=30))

    assert (figures.rolled_back, figures.late) == (4, 1)
    # Four values: the 95th percentile lies at 0.95 × 3 = 2.85, so 30 + 0.85 × 10 = 38.5 s.
    assert figures.p95 is not None
    assert 38.4 < figures.p95.total_seconds() < 40


def test_flaky_builds_are_counted_by_their_command(team):
    for n in range(2):
        report("build_flaky", originalCommit=f"{n}" * 40)
    report("build_flaky", originalCommit="5" * 40, command="pytest")

    figures = rollback_figures(now=db_now(), window=timedelta(days=30))

    assert figures.flaky == [("npx next build", 2), ("pytest", 1)]
    health = APIClient().get("/api/v1/health").json()["rollbacks"]
    assert health["flaky"][0] == {"command": "npx next build", "count": 2}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("originalCommit", 7),
        ("originalCommit", "x" * 40),
        ("originalCommit", None),
        ("committedAt", "yesterday"),
        ("committedAt", 10**30),
        ("committedAt", "2999-01-01T00:00:00Z"),
        ("exitCode", "one"),
        ("exitCode", 2**40),
        ("confirmed", "yes"),
        ("branch", ["main"]),
        ("repo", "r" * 5000),
        ("dispatchId", "12"),
        ("dispatchId", 2**70),
        ("buildError", {"a": 1}),
    ],
)
def test_nonsense_in_the_metadata_loses_no_report(team, name, value):
    incident = report(**{name: value})

    assert incident.title
    for row in Rollback.objects.all():
        assert row.committed_at is None or row.committed_at <= row.received_at


def test_the_pause_flag_is_set_by_operators_asked_by_hooks_and_ends_by_itself(team):
    client = APIClient()
    assert client.get("/api/v1/rollbacks/policy").json() == {
        "paused": False,
        "until": None,
        "reason": "",
    }
    body = {"minutes": 30, "reason": "Big migration"}
    assert client.post("/api/v1/rollbacks/pause", body, format="json").json()["paused"] is True
    assert client.post("/api/v1/rollbacks/pause", body, format="json").status_code == 200
    assert rollbacks.policy(now=db_now() + timedelta(minutes=31))["paused"] is False
    assert client.post("/api/v1/rollbacks/resume").json()["paused"] is False
    assert client.post("/api/v1/rollbacks/resume").status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"minutes": 0, "reason": "x"}, "minutes"),
        ({"minutes": 10081, "reason": "x"}, "minutes"),
        ({"minutes": 5}, "reason"),
        ({"minutes": 5, "reason": " "}, "reason"),
    ],
)
def test_a_bad_pause_says_which_field_and_changes_nothing(team, body, field):
    response = APIClient().post("/api/v1/rollbacks/pause", body, format="json")

    assert response.status_code == 400
    assert field in response.json()["error"]["fields"]
    assert rollbacks.policy(now=db_now())["paused"] is False


def test_the_author_of_a_rollback_counts_it_as_its_failure(team):
    report()

    assert Failure.objects.get().agent == Agent.objects.get(name="SAM")
