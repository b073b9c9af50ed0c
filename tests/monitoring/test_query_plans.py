"""The figures of a day read the incidents of that day, not those of two years."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from agents.services.agents import register_agent
from monitoring import page_rows
from monitoring.queries_incidents import course, interventions
from monitoring.queries_uptime import known
from tests.wire import T0

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
BIG = ("failures_incident", "failures_incidentevent")
ALL = 6_000
FEW = 200
"""Rows that a statement may read of each; ten incidents a day began."""

INCIDENTS = """
INSERT INTO failures_incident (id, kind, severity, status, title, message, metadata, dedup_key,
    agent_id, reported_by, opened_at, ladder, escalation_level, reminders, acknowledged_by,
    resolved_at, resolved_by, resolution, version)
SELECT n, CASE n % 2 WHEN 0 THEN 'stalled' ELSE 'blocked' END, 'error', 'resolved', 'T', '', '{}',
       'd' || n, %(agent)s, '', t, '{}', 0, 0, '', t + interval '20 min', 'SYSTEM', '', 1
FROM (SELECT n, %(now)s::timestamptz - n * interval '144 min' AS t
      FROM generate_series(1, %(all)s) n) AS times
"""
EVENTS = """
INSERT INTO failures_incidentevent (incident_id, seq, kind, level, actor, at, data)
SELECT id, seq, line, CASE WHEN line = 'escalated' THEN 1 + id % 3 END,
       CASE WHEN id % 50 = 0 THEN 'ann' ELSE 'SYSTEM' END, opened_at + interval '5 min', '{}'
FROM failures_incident, unnest(ARRAY['opened', 'escalated', 'acknowledged', 'resolved'])
     WITH ORDINALITY AS lines (line, seq)
"""


@pytest.fixture
def years() -> Iterator[Agent]:
    """Two years of incidents of one agent."""
    sam = register_agent("SAM", now=T0 - 800 * DAY)
    with connection.cursor() as cursor:
        values = {"agent": sam.pk, "now": T0, "all": ALL}
        cursor.execute(INCIDENTS.replace("% ", "%% "), values)
        cursor.execute(EVENTS)
        cursor.execute("ANALYZE failures_incident, failures_incidentevent")
    return sam


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def read(act: Callable[[], object]) -> dict[str, int]:
    """How many rows of each table the statements of `act` read at most."""
    with CaptureQueriesContext(connection) as asked:
        act()
    most: dict[str, int] = {}
    for one in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {one['sql']}")
            [found] = cursor.fetchone()
        plan = json.loads(found) if isinstance(found, str) else found
        for node in nodes(plan[0]["Plan"]):
            if node.get("Relation Name") in BIG:
                rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                rows = (rows + node.get("Rows Removed by Index Recheck", 0)) * node["Actual Loops"]
                most[node["Relation Name"]] = max(most.get(node["Relation Name"], 0), int(rows))
    return most


@pytest.mark.parametrize(
    ("act", "tables"),
    [
        (lambda _: course(now=T0, window=DAY), set(BIG)),
        (lambda _: interventions(now=T0, window=DAY), {BIG[1]}),
        (lambda sam: known([sam], since=T0 - timedelta(hours=1), until=T0, work=True), {BIG[0]}),
        (lambda _: page_rows.recent_incidents(since=T0 - DAY), {BIG[0]}),
        (lambda _: page_rows.recent_incidents(since=T0), {BIG[0]}),
        (lambda _: page_rows.troubled_agents(), {BIG[0]}),
        (lambda _: page_rows.asking(now=T0), {BIG[0]}),
    ],
    ids=["course", "interventions", "stuck", "recent", "none recent", "troubled", "asking"],
)
def test_a_days_figures_read_a_days_incidents(years, act, tables):
    found = read(lambda: act(years))
    assert set(found) == tables
    assert max(found.values()) <= FEW


def test_a_plan_that_reads_all_would_be_seen(years):
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX incident_resolved")
        cursor.execute("DROP INDEX incidentevent_to_ceo")
        cursor.execute("DROP INDEX incidentevent_by_actor")
    assert read(lambda: course(now=T0, window=DAY))[BIG[0]] >= ALL
    assert read(lambda: interventions(now=T0, window=DAY))[BIG[1]] >= ALL
    assert course(now=T0, window=DAY).resolved == 10
