"""GitHub's webhook at its door: signatures, bodies, duplicates, crashes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client

from agents.clock import db_now
from agents.models import Dispatch, Message
from agents.states import AgentRole
from recovery import webhooks
from recovery.models import PullRequest, WebhookDelivery
from recovery.services import deliveries, reviews
from recovery.signatures import is_signed, secrets_in, sign
from recovery.states import DELIVERY_MOVES, DeliveryStatus
from recovery.tasks import retry_deliveries
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


def test_a_body_over_the_limit_is_refused_while_it_is_read(quinn, monkeypatch):
    monkeypatch.setattr(webhooks, "BODY_LIMIT", 100)
    monkeypatch.setattr(webhooks, "CHUNK", 64)

    assert deliver(pull_event(), **{"Content-Length": "99"}).status_code in {401, 413}
    assert deliver(pull_event()).status_code == 413


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


def test_a_redelivery_of_what_was_processed_is_a_duplicate(quinn):
    first = deliver(pull_event(), guid="one").json()
    again = deliver(pull_event(), guid="one").json()

    assert again == {"duplicate": True, **first}
    assert stored() == [("processed", 1)]
    assert Dispatch.objects.get().payload["revision"] == 1


def test_a_pull_request_event_without_its_parts_fails_visibly(quinn):
    response = deliver({"action": "opened", "pull_request": {"number": 7}})

    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid")
    assert WebhookDelivery.objects.get().status == "failed"


def break_reviews(monkeypatch, error=RuntimeError("the disk is full")):
    """Let processing fail after it has written its dispatch."""
    real = reviews._create

    def create_and_fail(*args, **kwargs):
        real(*args, **kwargs)
        raise error

    monkeypatch.setattr(reviews, "_create", create_and_fail)


def test_a_failure_is_visible_at_github_and_leaves_its_reason_only(quinn, monkeypatch):
    with monkeypatch.context() as patch:
        break_reviews(patch)
        response = deliver(pull_event(), guid="one")

    row = WebhookDelivery.objects.get()
    assert (response.status_code, response.json()["error"]["code"]) == (500, "processing_failed")
    assert (row.status, row.error) == ("failed", "RuntimeError: the disk is full")
    assert row.next_try_at == row.received_at + timedelta(seconds=10)
    assert not Dispatch.objects.exists()
    assert not PullRequest.objects.exists()

    assert deliver(pull_event(), guid="one").json()["processed"] is True
    assert stored() == [("processed", 2)]
    assert Dispatch.objects.count() == 1


def test_the_sweep_tries_what_failed_once_its_time_has_come(quinn, monkeypatch):
    with monkeypatch.context() as patch:
        break_reviews(patch)
        deliver(pull_event())

    retry_deliveries()
    assert stored() == [("failed", 1)]

    tried = deliveries.retry_due(now=db_now() + timedelta(seconds=11))

    assert tried == 1
    assert stored() == [("processed", 2)]
    assert Dispatch.objects.get().agent == quinn


def test_the_sweep_gives_up_after_a_day_and_tells_the_lead(quinn, monkeypatch):
    break_reviews(monkeypatch)
    deliver(pull_event(), guid="one")
    waits = []
    while (at := WebhookDelivery.objects.get().next_try_at) is not None:
        waits.append(at)
        deliveries.retry_due(now=at)

    start = WebhookDelivery.objects.get().received_at
    assert [at - start for at in waits[:4]] == [
        timedelta(seconds=10),
        timedelta(seconds=70),
        timedelta(seconds=370),
        timedelta(seconds=1270),
    ]
    assert timedelta(hours=22) < waits[-1] - start <= timedelta(hours=24)
    assert "delivery one" in Message.objects.get(to_agent__name="MAX").text
    assert deliveries.retry_due(now=start + timedelta(days=9)) == 0


def test_one_bad_delivery_does_not_strand_the_next(quinn, monkeypatch):
    with monkeypatch.context() as patch:
        break_reviews(patch)
        deliver(pull_event())
        deliver(pull_event(number=8))
    real = deliveries.process

    def refuse_the_first(delivery, *, now):
        if delivery.number == 7:
            raise OperationalError("gone")
        real(delivery, now=now)

    monkeypatch.setattr(deliveries, "process", refuse_the_first)

    assert deliveries.retry_due(now=db_now() + timedelta(minutes=1)) == 1
    assert stored() == [("failed", 1), ("processed", 2)]


def in_parallel(calls):
    def run(call):
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


@pytest.mark.django_db(transaction=True)
def test_twenty_identical_deliveries_in_parallel_make_one_dispatch(live_team):
    hire("QUINN", role=AgentRole.REVIEWER)

    answers = in_parallel([lambda: deliver(pull_event(), guid="one").json()] * 20)

    assert Dispatch.objects.count() == 1
    assert stored() == [("processed", 1)]
    assert sum("duplicate" not in answer for answer in answers) == 1
    assert {answer["dispatchId"] for answer in answers} == {Dispatch.objects.get().pk}


@pytest.mark.django_db(transaction=True)
def test_twenty_different_deliveries_of_one_pull_request_make_one_dispatch(live_team):
    hire("QUINN", role=AgentRole.REVIEWER)
    pushes = [
        lambda n=n: deliver(pull_event("synchronize", head=f"{n:02}"[0], at=n)) for n in range(20)
    ]

    answers = in_parallel(pushes)

    assert {answer.status_code for answer in answers} == {200}
    assert Dispatch.objects.get().payload["headSha"] == PullRequest.objects.get().head_sha
    assert PullRequest.objects.get().updated_at.second == 19


@pytest.mark.django_db(transaction=True)
def test_a_crash_before_the_commit_is_healed_by_a_redelivery(live_team, monkeypatch):
    hire("QUINN", role=AgentRole.REVIEWER)

    def die(delivery, effect, *, now):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "_finish", die)
        with pytest.raises(SystemExit):
            deliver(pull_event(), guid="one")
    assert not WebhookDelivery.objects.exists()
    assert not Dispatch.objects.exists()

    assert deliver(pull_event(), guid="one").json()["dispatchedToQuinn"] is True


def test_a_delivery_that_was_only_received_is_processed_when_it_comes_again(quinn):
    WebhookDelivery.objects.create(
        guid="one", event="pull_request", body=pull_event(), received_at=db_now()
    )

    answer = deliver(pull_event(), guid="one").json()

    assert answer["dispatchedToQuinn"] is True
    assert "duplicate" not in answer
