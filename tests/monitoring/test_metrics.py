"""/metrics: both dialects, bounded series, nothing of the process."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from agents.models import Agent
from agents.services.agents import record_heartbeat
from monitoring import metrics
from tests.monitoring.world import busy_day
from tests.wire import T0

pytestmark = pytest.mark.django_db
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8,text/plain;q=0.5,*/*;q=0.1"


@pytest.mark.parametrize(
    ("accept", "parse", "told"),
    [
        ("", plain_families, "text/plain"),
        ("text/plain;version=0.0.4", plain_families, "text/plain"),
        ("image/png", plain_families, "text/plain"),
        (OPEN, open_families, "application/openmetrics-text"),
    ],
)
def test_the_reader_chooses_the_dialect_and_nobody_is_refused(client, accept, parse, told) -> None:
    busy_day(T0)
    answer = client.get("/metrics", headers={"accept": accept} if accept else {})

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith(told)
    families = {family.name: family for family in parse(answer.content.decode())}
    assert all(name.startswith("evox_") for name in families)
    assert families["evox_agents"].samples[0].value == 5
    assert all(family.documentation for family in families.values())


def test_agents_beyond_the_bound_have_no_series_of_their_own(client, monkeypatch) -> None:
    monkeypatch.setattr(metrics, "AGENTS_SHOWN", 3)
    now = T0
    for number in range(5):
        agent = Agent.objects.create(name=f"A{number}", created_at=now - timedelta(days=1))
        record_heartbeat(agent, status=None, session=uuid4(), now=now)

    text = client.get("/metrics").content.decode()

    names = {
        sample.labels["agent"]
        for family in plain_families(text)
        for sample in family.samples
        if "agent" in sample.labels
    }
    assert names == {"A0", "A1", "A2"}
    assert "evox_agents 5.0" in text


def test_a_write_is_refused_and_a_key_is_asked_for_where_keys_are(client, settings) -> None:
    assert client.post("/metrics").status_code == 405
    settings.EVOX_REQUIRE_KEY = True
    assert client.get("/metrics").status_code == 401
