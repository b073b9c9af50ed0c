"""The addresses that need no login: alive, ready, and the client file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError

from agents.clock import db_now
from agents.services.records import beat
from monitoring import health


def test_the_process_is_alive_without_asking_the_database(client):
    response = client.get("/healthz")  # Without the django_db mark, a query would fail this test.
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_when_database_broker_and_sweeps_are(client, settings):
    settings.EVOX_REQUIRE_KEY = True
    beat("sweeper", now=db_now())
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "broker": "ok", "sweeps": "ok"}


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "state"), [(50, "ok"), (70, "stale")])
def test_sweeps_older_than_a_minute_are_stale(client, age, state):
    beat("sweeper", now=db_now() - timedelta(seconds=age))
    response = client.get("/readyz")
    assert response.json()["sweeps"] == state
    assert response.status_code == (200 if state == "ok" else 503)


@pytest.mark.django_db
def test_slow_sweeps_are_given_six_rounds(client, settings):
    settings.EVOX_SWEEP = timedelta(seconds=20)
    beat("sweeper", now=db_now() - timedelta(seconds=110))
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_not_ready_before_the_first_sweep(client):
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["sweeps"] == "stale"


@pytest.mark.django_db
def test_a_broker_that_is_away_is_named(client, settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}}
    beat("sweeper", now=db_now())
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["broker"] == "unreachable"
    page = client.get("/")
    assert page.status_code == 200
    assert "Broker doesn't answer" in page.content.decode()


def test_a_database_that_is_away_is_named(client, monkeypatch):
    def away():
        raise OperationalError("no connection")

    monkeypatch.setattr(health, "db_now", away)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["database"] == "unreachable"


def test_the_client_is_served_as_it_lies_there(client, settings, tmp_path):
    settings.BASE_DIR = tmp_path
    assert client.get("/evoxctl.py").status_code == 404
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "evoxctl.py").write_text("print('hello')\n")
    response = client.get("/evoxctl.py")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/x-python")
    assert response.content == b"print('hello')\n"
