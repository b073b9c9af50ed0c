"""GitHub's webhook at its door: who is believed, and what is read."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.test import Client

from agents.models import Dispatch, Message
from agents.states import AgentRole
from recovery import webhooks
from recovery.models import PullRequest, WebhookDelivery
from recovery.services import deliveries
from recovery.signatures import is_signed, secrets_in, sign
from recovery.states import DELIVERY_MOVES, DeliveryStatus
from tests.recovery.github import (
    FLAT,
    OTHER_FLAT,
    REST,
    SECRET,
    deliver,
    pull_event,
)
from tests.recovery.world import hire


@pytest.fixture(autouse=True)
def secret(settings):
    settings.GITHUB_WEBHOOK_SECRET = SECRET


@pytest.fixture
def quinn(team):
    return hire("QUINN", role=AgentRole.REVIEWER)


def stored() -> list[tuple[str, int]]:
    return list(WebhookDelivery.objects.order_by("id").values_list("status", "tries"))


def test_the_signature_is_the_one_that_github_publishes():
    published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert sign(b"Hello, World!", "It's a Secret to Everybody") == published
    assert is_signed(b"Hello, World!", published, ["It's a Secret to Everybody"])
    assert not is_signed(b"Hello, World?", published, ["It's a Secret to Everybody"])
    assert not is_signed(b"Hello, World!", published.upper(), ["It's a Secret to Everybody"])


def test_a_setting_holds_one_secret_or_two():
    assert secrets_in("") == secrets_in(" , ") == []
    assert secrets_in("old, new") == ["old", "new"]


def test_every_status_of_a_delivery_has_its_moves():
    assert set(DELIVERY_MOVES) == set(DeliveryStatus)


@pytest.mark.parametrize("path", [REST, FLAT, OTHER_FLAT])
def test_an_opened_pull_request_is_dispatched_to_the_reviewer(quinn, path):
    response = deliver(pull_event(), path=path)

    dispatch = Dispatch.objects.get()
    assert (response.status_code, response.json()) == (
        200,
        {
            "processed": True,
            "event": "pull_request",
            "action": "opened",
            "prNumber": 7,
            "dispatchedToQuinn": True,
            "dispatchId": dispatch.pk,
            "note": f"Queued as #{dispatch.pk}.",
        },
    )
    assert dispatch.agent == quinn
    assert stored() == [("processed", 1)]


def test_keys_are_not_needed_but_the_signature_is(quinn, settings):
    settings.EVOX_REQUIRE_KEY = True

    assert deliver(pull_event()).status_code == 200
    assert deliver(pull_event(), secret="guessed").status_code == 401


@pytest.mark.parametrize(
    "header",
    [None, "", "sha256=", "sha256=" + "0" * 64, "sha1=" + "0" * 40, "sha256=é", sign(b"x", SECRET)],
)
def test_a_bad_signature_stores_nothing_and_is_counted(quinn, header):
    cache.clear()

    response = deliver(pull_event(), **{"X-Hub-Signature-256": header})

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "bad_signature"
    assert not WebhookDelivery.objects.exists()
    assert not PullRequest.objects.exists()
    assert deliveries.refusals("unsigned") + deliveries.refusals("bad_signature") == 1


def test_without_a_secret_nobody_is_believed(quinn, settings):
    settings.GITHUB_WEBHOOK_SECRET = ""

    response = deliver(pull_event(), secret="")

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "webhook_not_configured"
    assert not WebhookDelivery.objects.exists()


def test_two_secrets_hold_while_one_replaces_the_other(quinn, settings):
    settings.GITHUB_WEBHOOK_SECRET = "old,new"

    assert [deliver(pull_event(), secret=s).status_code for s in ("old", "new", "old,new")] == [
        200,
        200,
        401,
    ]


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_only_post_is_answered(db, method):
    response = getattr(Client(), method)(FLAT)

    assert response.status_code == 405
    assert response.json()["error"]["code"] == "method_not_allowed"
    assert response["Allow"] == "POST"


def test_a_form_is_read_as_json_is(quinn):
    response = deliver(pull_event(title="50% & more; ünï"), form=True)

    assert response.json()["dispatchedToQuinn"] is True
    assert PullRequest.objects.get().title == "50% & more; ünï"


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a": NaN}', b"[" * 50 + b"]" * 50, b"\xff"])
def test_what_is_not_json_is_refused(quinn, raw):
    response = deliver(raw)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "parse_error")
    assert not WebhookDelivery.objects.exists()


def test_a_form_without_a_payload_is_refused(quinn):
    raw = b"other=1"
    headers = {"X-Hub-Signature-256": sign(raw, SECRET), "X-GitHub-Event": "ping"}

    response = Client().post(
        REST, raw, content_type="application/x-www-form-urlencoded", headers=headers
    )

    assert response.status_code == 400


@pytest.mark.parametrize("length", ["26214401", "99999999999999999999"])
def test_what_is_announced_as_too_large_is_not_read(quinn, length):
    response = deliver(pull_event(), **{"Content-Length": length})

    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize(("length", "fits"), [(100, True), (101, False)])
def test_a_body_of_unknown_length_is_read_up_to_the_limit_only(monkeypatch, length, fits):
    monkeypatch.setattr(webhooks, "BODY_LIMIT", 100)
    monkeypatch.setattr(webhooks, "CHUNK", 8)
    stream = io.BytesIO(b"x" * length + b"y" * 1_000 * (not fits))
    request = SimpleNamespace(META={}, read=stream.read)

    if fits:
        assert webhooks._read(request) == b"x" * 100
    else:
        with pytest.raises(webhooks.PayloadTooLargeError):
            webhooks._read(request)
        assert stream.tell() <= 100 + 8


def test_a_body_beyond_djangos_own_limit_is_taken(quinn):
    response = deliver(pull_event(body="x" * 3_000_000))

    assert response.status_code == 200
    assert len(Dispatch.objects.get().payload["prBody"]) <= 20_000


def test_nul_and_lone_surrogates_are_replaced(quinn):
    raw = json.dumps(pull_event(title="a\x00b\ud800")).encode()

    assert deliver(raw).status_code == 200
    assert PullRequest.objects.get().title == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("payload", "event"),
    [([1, 2], "pull_request"), ("text", "ping"), (None, "push"), ({"action": "x"}, "star")],
)
def test_what_asks_for_nothing_is_written_down_and_ignored(quinn, payload, event):
    response = deliver(payload, event=event)

    assert response.status_code == 200
    assert response.json()["processed"] is False
    assert stored() == [("ignored", 1)]


def test_a_ping_of_a_hook_without_pull_requests_warns_the_lead(quinn):
    deliver({"hook": {"events": ["push"]}}, event="ping")
    deliver({"hook": {"events": ["push", "pull_request"]}}, event="ping")
    deliver({"hook": {"events": ["*"]}}, event="ping")

    assert "won't send pull requests" in Message.objects.get(to_agent__name="MAX").text


def test_a_request_without_an_event_is_refused(quinn):
    assert deliver(pull_event(), **{"X-GitHub-Event": None}).status_code == 400
    assert deliver(pull_event(), guid="g" * 101).status_code == 400


def test_without_a_delivery_id_the_same_body_is_the_same_delivery(quinn):
    first, second = [deliver(pull_event(), **{"X-GitHub-Delivery": None}) for _ in range(2)]

    assert "duplicate" not in first.json()
    assert second.json()["duplicate"] is True
