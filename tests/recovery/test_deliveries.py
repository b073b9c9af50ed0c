"""Each delivery is done once: duplicates, failures, crashes, and the sweep that tries again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import OperationalError, connection

from agents.clock import db_now
from agents.models import Dispatch, Message
from agents.states import AgentRole
from recovery.models import PullRequest, WebhookDelivery
from recovery.services import deliveries, reviews
from recovery.tasks import retry_deliveries
from tests.recovery.github import (
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


def break_reviews(monkeypatch):
    """Let processing fail after it has written its dispatch."""
    real = reviews._create

    def create_and_fail(*args, **kwargs):
        real(*args, **kwargs)
        raise RuntimeError("the disk is full")

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


def test_what_a_redelivery_healed_meanwhile_is_left_alone(quinn, monkeypatch):
    with monkeypatch.context() as patch:
        break_reviews(patch)
        deliver(pull_event())
        deliver(pull_event(number=8), guid="two")
    real = deliveries.process

    def process_while_the_second_is_redelivered(delivery, *, now):
        monkeypatch.setattr(deliveries, "process", real)
        deliver(pull_event(number=8), guid="two")
        real(delivery, now=now)

    monkeypatch.setattr(deliveries, "process", process_while_the_second_is_redelivered)

    assert deliveries.retry_due(now=db_now() + timedelta(minutes=1)) == 1
    assert stored() == [("processed", 2), ("processed", 2)]


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
