"""GitHub's own example payloads, where they are at hand: they are not ours to keep here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.models import Dispatch, Message
from agents.states import AgentRole
from recovery.models import PullRequest, ReviewHead, WebhookDelivery
from tests.recovery.github import SECRET, deliver
from tests.recovery.world import hire

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "github"
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="GitHub's examples aren't at hand")


@pytest.fixture(autouse=True)
def secret(settings):
    settings.GITHUB_WEBHOOK_SECRET = SECRET


@pytest.fixture
def quinn(team):
    return hire("QUINN", role=AgentRole.REVIEWER)


@pytest.mark.parametrize(
    ("action", "after_opened", "alone"),
    [
        ("opened", "pending", "pending"),
        ("synchronize", "pending", "pending"),
        ("reopened", "pending", "pending"),
        ("ready_for_review", "pending", "pending"),
        ("converted_to_draft", "pending", None),
        ("closed", "cancelled", None),
        ("labeled", "pending", None),
        ("review_requested", "pending", None),
    ],
)
def test_githubs_own_payloads_do_what_the_table_says(quinn, action, after_opened, alone):
    def payload(name):
        return (FIXTURES / f"pull_request.{name}.json").read_bytes()

    assert deliver(payload(action)).status_code == 200
    assert list(Dispatch.objects.values_list("status", flat=True)) == [alone] * bool(alone)
    WebhookDelivery.objects.all().delete()
    ReviewHead.objects.all().delete()
    Dispatch.objects.all().delete()
    PullRequest.objects.all().delete()

    assert deliver(payload("opened")).status_code == 200
    assert deliver(payload(action), form=True).status_code == 200
    assert Dispatch.objects.get().status == after_opened


def test_githubs_own_ping_is_welcome(quinn):
    raw = (FIXTURES / "ping.json").read_bytes()
    assert json.loads(raw)["hook"]["events"] == ["*"]

    assert deliver(raw, event="ping").json()["note"] == "The webhook is set."
    assert not Message.objects.exists()
