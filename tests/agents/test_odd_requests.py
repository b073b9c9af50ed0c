"""Requests that the layers below would drop or choke on are refused in the one error shape."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from agents.models import Agent
from failures.models import Failure


def refused(response: Any) -> tuple[int, str]:
    return response.status_code, json.loads(response.content)["error"]["code"]


@pytest.mark.django_db
def test_a_body_of_unknown_length_is_refused_rather_than_lost(client):
    response = client.generic(
        "POST",
        "/logFailure?agentName=SAM&errorType=build&errorMessage=x",
        HTTP_TRANSFER_ENCODING="chunked",
    )

    assert refused(response) == (411, "length_required")
    assert not Failure.objects.exists()


@pytest.mark.django_db
def test_a_cookie_with_a_nul_is_refused(client, settings):
    response = client.get(
        "/api/v1/agents", HTTP_COOKIE=f'{settings.SESSION_COOKIE_NAME}="abc\\000"'
    )

    assert refused(response) == (400, "invalid")


@pytest.mark.django_db
def test_the_documentation_page_takes_no_other_verbs(client):
    assert client.options("/api/docs/").status_code == 405


@pytest.mark.django_db
def test_a_payload_of_a_megabyte_is_refused_with_its_field(client):
    body = {"title": "t", "command": "c", "payload": {"x": "y" * 200_000}}
    response = client.post("/api/v1/dispatches", body, content_type="application/json")

    assert refused(response) == (400, "invalid")
    assert "payload" in response.json()["error"]["fields"]


@pytest.mark.django_db
def test_long_idempotency_keys_that_differ_at_their_end_make_two_incidents(client):
    body = {"message": "m", "kind": "build_failed_root", "agentName": "SAM"}
    ids = {
        client.post(
            "/api/v1/incidents",
            {**body, "idempotencyKey": "k" * 210 + end},
            content_type="application/json",
        ).json()["id"]
        for end in "AB"
    }

    assert len(ids) == 2


@pytest.mark.django_db(transaction=True)
def test_bulks_that_name_the_same_new_agents_in_another_order_do_not_lock_each_other():
    names = [f"W{number}" for number in range(30)]

    def send(order: list[str], key: int) -> int:
        items = [{"agentName": n, "errorType": "build", "errorMessage": "x"} for n in order]
        try:
            response = APIClient(headers={"Idempotency-Key": f"k{key}"}).post(
                "/api/v1/failures", items, format="json"
            )
            return response.status_code
        finally:
            connection.close()

    orders = [names, names[::-1]] * 4
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(send, orders, range(8)))

    assert codes == [207] * 8
    assert Agent.objects.filter(name__in=names).count() == 30
