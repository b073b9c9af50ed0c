"""Pull requests and deliveries in the admin: readable, and nothing else."""

from __future__ import annotations

import pytest

from recovery.models import PullRequest, WebhookDelivery
from tests.recovery.github import SECRET, deliver, pull_event


@pytest.fixture(autouse=True)
def one_pull_request(team, settings):
    settings.GITHUB_WEBHOOK_SECRET = SECRET
    deliver(pull_event(title="<b>bold</b>"))


def test_a_title_stays_text(admin_client):
    pulls = admin_client.get("/admin/recovery/pullrequest/").content.decode()

    assert "&lt;b&gt;bold&lt;/b&gt;" in pulls
    assert "<b>bold</b>" not in pulls


@pytest.mark.parametrize("model", [WebhookDelivery, PullRequest])
def test_rows_are_read_only(admin_client, model):
    page = f"/admin/recovery/{model._meta.model_name}/"
    row = f"{page}{model.objects.get().pk}/"

    assert admin_client.get(page).status_code == 200
    assert admin_client.get(f"{row}change/").status_code == 200
    assert admin_client.post(f"{row}change/", {}).status_code == 403
    assert admin_client.post(f"{row}delete/", {"post": "yes"}).status_code == 403
    assert admin_client.get(f"{page}add/").status_code == 403


def test_the_deliveries_of_one_pull_request_are_listed_without_their_bodies(admin_client):
    deliver(pull_event(number=8))

    page = admin_client.get("/admin/recovery/webhookdelivery/?repository_id=42&number=7")

    (row,) = page.context["cl"].result_list
    assert (row.number, row.get_deferred_fields()) == (7, {"body"})
