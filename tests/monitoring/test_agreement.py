"""The API, the metrics and SQL written by hand say the same of random databases."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitoring.services import rollups
from tests.monitoring.by_hand import PROMISES, SECONDS, rows
from tests.monitoring.random_house import build, in_hand
from tests.monitoring.random_promises import build_promises
from tests.wire import T0, get

pytestmark = pytest.mark.django_db
WINDOWS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
TARGETS = {
    "retry_success": 0.8,
    "rollback": 120,
    "escalation": 1800,
    "reviews": 1,
    "ceo_interventions": 1,
    "same_mistake": 2,
}
FIELDS = ("up", "down", "excluded", "unknown")

BY_HAND = {
    "attempts": """
        SELECT a.name, count(*) FILTER (WHERE t.outcome = 'failed'), count(*)
        FROM agents_attempt t JOIN agents_agent a ON a.id = t.agent_id
        WHERE t.outcome IN ('failed', 'succeeded') AND t.ended_at > %(since)s
          AND t.ended_at <= %(now)s GROUP BY a.name""",
    "types": """
        SELECT coalesce(f.error_type, 'other'), count(*)
        FROM agents_attempt t LEFT JOIN failures_failure f ON f.attempt_id = t.id
        WHERE t.outcome = 'failed' AND t.ended_at > %(since)s AND t.ended_at <= %(now)s
        GROUP BY 1""",
    "retries": """
        WITH firsts AS (
            SELECT DISTINCT ON (dispatch_id) dispatch_id, ended_at, lease_epoch
            FROM agents_attempt WHERE outcome = 'failed' ORDER BY dispatch_id, lease_epoch)
        SELECT count(*) FILTER (WHERE d.status = 'completed'),
               count(*) FILTER (WHERE d.status IN ('completed', 'exhausted', 'cancelled')),
               count(*) FILTER (WHERE d.status NOT IN ('completed', 'exhausted', 'cancelled'))
        FROM firsts f JOIN agents_dispatch d ON d.id = f.dispatch_id
        WHERE f.ended_at > %(since)s AND f.ended_at <= %(now)s AND (
            SELECT count(*) FROM agents_attempt l
            WHERE l.dispatch_id = d.id AND l.lease_epoch > f.lease_epoch) > 0""",
    "resolved": """
        SELECT count(*), count(*) FILTER (WHERE resolved_by = 'SYSTEM' AND NOT EXISTS (
                   SELECT 1 FROM failures_incidentevent e
                   WHERE e.incident_id = i.id AND e.actor <> 'SYSTEM')),
               percentile_cont(0.5) WITHIN GROUP (
                   ORDER BY extract(epoch FROM resolved_at - opened_at)),
               percentile_cont(0.9) WITHIN GROUP (
                   ORDER BY extract(epoch FROM resolved_at - opened_at))
        FROM failures_incident i WHERE resolved_at > %(since)s AND resolved_at <= %(now)s
          AND resolved_at <> opened_at""",
    "acknowledged": """
        WITH acts AS (
            SELECT i.id, extract(epoch FROM min(e.at) - i.opened_at) AS took
            FROM failures_incident i JOIN failures_incidentevent e ON e.incident_id = i.id
            WHERE i.opened_at > %(since)s AND i.opened_at <= %(now)s AND e.actor <> 'SYSTEM'
            GROUP BY i.id)
        SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY took),
               percentile_cont(0.9) WITHIN GROUP (ORDER BY took) FROM acts""",
    "called": """
        SELECT (SELECT count(*) FROM failures_incidentevent
                WHERE level = 3 AND at > %(since)s AND at <= %(now)s),
               (SELECT count(*) FROM agents_auditentry WHERE upper(actor) IN ('EVA', 'CEO')
                AND at > %(since)s AND at <= %(now)s)
               + (SELECT count(*) FROM failures_incidentevent
                  WHERE actor = 'EVA' AND at > %(since)s AND at <= %(now)s)""",
    "opened": """
        SELECT count(*) FROM failures_incident WHERE opened_at > %(since)s
          AND opened_at <= %(now)s AND resolved_at IS DISTINCT FROM opened_at""",
}


def by_hand(name: str, now: datetime, window: timedelta) -> list[tuple[Any, ...]]:
    return rows(BY_HAND[name], now, window)


def near(seconds: Any) -> Any:
    return None if seconds is None else pytest.approx(float(seconds), abs=1e-4)


def agree_with_sql(told: dict[str, Any], now: datetime, window: timedelta) -> None:
    hand = {name: (failed, total) for name, failed, total in by_hand("attempts", now, window)}
    rate = told["errorRate"]
    for own in rate["byAgent"]:
        assert (own["part"], own["whole"]) == hand.get(own["agentName"], (0, 0))
    assert rate["part"] == sum(failed for failed, _ in hand.values())
    assert rate["whole"] == sum(total for _, total in hand.values())
    types = {kind: count for kind, count in rate["byType"].items() if count}
    assert types == dict(by_hand("types", now, window))
    retried = told["retrySuccess"]
    [(completed, ended, under_way)] = by_hand("retries", now, window)
    assert (retried["part"], retried["whole"], retried["underWay"]) == (
        *(completed, ended, under_way),
    )
    course = told["incidentCourse"]
    [(over, healed, median, p90)] = by_hand("resolved", now, window)
    assert (course["resolved"], course["selfHealed"]["part"]) == (over, healed)
    assert course["toResolve"]["medianSeconds"] == near(median)
    assert course["toResolve"]["p90Seconds"] == near(p90)
    [(acted, median, p90)] = by_hand("acknowledged", now, window)
    assert course["toAcknowledge"]["count"] == acted
    assert course["toAcknowledge"]["medianSeconds"] == near(median)
    assert course["toAcknowledge"]["p90Seconds"] == near(p90)
    calls = told["ceoInterventions"]
    assert (calls["messages"], calls["acts"]) == by_hand("called", now, window)[0]
    assert course["opened"] == by_hand("opened", now, window)[0][0]
    seconds = {name: tuple(counts) for name, *counts in rows(SECONDS, now, window)}
    for own in told["uptime"]["agents"]:
        found = tuple(own[f"{field}Seconds"] for field in (*FIELDS, "productive"))
        assert found == seconds.pop(own["agentName"]), own["agentName"]
    assert not seconds
    promises = {key: tuple(said) for key, *said in rows(PROMISES, now, window)}
    for one in told["promises"]:
        value, count, met = promises.pop(one["key"])
        assert (one["value"], one["count"]) == (near(value), count), one["key"]
        assert (one["met"], one["target"]) == (met, TARGETS[one["key"]]), one["key"]
    assert not promises
    for field in FIELDS:
        total = sum(own[f"{field}Seconds"] for own in told["uptime"]["agents"])
        assert told["uptime"][f"{field}Seconds"] == total


def agree_with_metrics(told: dict[str, Any], month: dict[str, Any], text: str) -> None:
    found: dict[tuple[str, ...], float] = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    for own in told["uptime"]["agents"]:
        for field in FIELDS:
            key = ("evox_agent_seconds", own["agentName"], field)
            assert found[key] == own[f"{field}Seconds"]
        key = ("evox_agent_productive_seconds", own["agentName"])
        assert found[key] == own["productiveSeconds"]
    for own in told["errorRate"]["byAgent"]:
        name = own["agentName"]
        assert found.get(("evox_attempts_failed", name), 0) == own["part"]
        assert found.get(("evox_attempts_finished", name), 0) == own["whole"]
    for kind, count in told["errorRate"]["byType"].items():
        assert found[("evox_attempts_failed_by_type", kind)] == count
    assert found[("evox_agents_working",)] == told["agents"]["working"]
    retried = told["retrySuccess"]
    assert found[("evox_retries", "completed")] == retried["part"]
    assert found[("evox_retries", "failed")] == retried["whole"] - retried["part"]
    assert found[("evox_retries", "under_way")] == retried["underWay"]
    course = told["incidentCourse"]
    assert found[("evox_incidents", "opened")] == course["opened"]
    assert found[("evox_incidents", "self_healed")] == course["selfHealed"]["part"]
    middle = found.get(("evox_time_to_resolve_seconds", "0.5"))
    assert middle == near(course["toResolve"]["medianSeconds"])
    for promise in month["promises"]:
        key = promise["key"]
        assert found[("evox_promise_target", key)] == promise["target"]
        assert found.get(("evox_promise", key)) == near(promise["value"])
        met = found.get(("evox_promise_met", key))
        assert (None if met is None else bool(met)) == promise["met"]
    standing = {k: n for k, n in told["incidents"].items() if k != "open"}
    for severity, count in standing.items():
        assert found[("evox_incidents_open", severity)] == count


@pytest.mark.parametrize("seed", range(8))
def test_api_metrics_and_sql_by_hand_agree(seed: int, monkeypatch, client) -> None:
    chance = random.Random(seed)
    now = T0 + timedelta(seconds=chance.uniform(0, 7200))
    build(seed, now=now)
    in_hand(seed, now=now)
    build_promises(seed, now=now)
    for module in ("health", "metrics"):
        monkeypatch.setattr(f"monitoring.api.{module}.db_now", lambda: now)

    for rounds in (0, 1, 9):
        for _ in range(rounds):
            rollups.roll_up(now=now)
        told = {period: get(f"health?period={period}").json() for period in WINDOWS}
        for period, window in WINDOWS.items():
            agree_with_sql(told[period], now, window)
        assert client.get("/systemHealth").json() == told["24h"]
        agree_with_metrics(told["24h"], told["30d"], client.get("/metrics").content.decode())
