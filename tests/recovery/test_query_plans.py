"""No hot statement reads or sorts the whole queue: the plans of what the services really send."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, Attempt, Dispatch
from agents.services import leases
from agents.services.statements import numbered
from recovery import queries
from recovery.services import claims, completion, gate, outcomes, pushes, sweeps
from tests.recovery.world import HOUR, T0, complete, hire, take

pytestmark = pytest.mark.django_db

BIG = ("agents_dispatch", "agents_attempt")
FEW = 1_000
"""Rows that a statement may sort: a batch, or what a sweep's LIMIT lets through."""

FILL = """
INSERT INTO agents_dispatch (title, command, payload, ticket_id, priority, rank_at, status, reason,
    run_at, agent_id, agent_until, open_to_all, excluded_agents, required_skills, unique_key,
    attempt, crash_count, max_attempts, max_crashes, next_strategy, instructions, last_fingerprint,
    lease_epoch, lease_seconds, lease_expires_at, deadline_at, last_marker, unmarked_notes,
    created_at, created_by, updated_at, finished_at)
SELECT 'work ' || n, 'make', '{{}}', {ticket}, 2, t, %(status)s, 'why', {run_at}, {agent},
       {agent_until}, {agent} IS NULL, {excluded}, {skills}, {key},
       1, 0, 4, 3, 'first_try', '', {fingerprint},
       1, {lease}, t + ({lease}) * interval '1 s', t + ({lease}) * interval '1 s', '', 0,
       t, 'MAX', t, {finished}
FROM (SELECT n, %(start)s::timestamptz + n * interval '1 s' AS t
      FROM generate_series(1, %(rows)s) n) AS numbers
"""
NOTHING = {
    "ticket": "''",
    "fingerprint": "''",
    "run_at": "NULL::timestamptz",
    "agent": "NULL::bigint",
    "agent_until": "NULL::timestamptz",
    "excluded": "'{}'::bigint[]",
    "skills": "'{}'::varchar[]",
    "key": "NULL",
    "lease": "NULL::int",
    "finished": "NULL::timestamptz",
}


def fill(rows: int, status: str, *, start: Any = T0, **columns: str) -> None:
    """So many dispatches, a second apart from `start` on."""
    with connection.cursor() as cursor:
        values = {"status": status, "start": start, "rows": rows}
        cursor.execute(FILL.format(**NOTHING | columns), values)


@pytest.fixture(scope="module")
def crowd(django_db_setup, django_db_blocker) -> Iterator[Agent]:
    """SAM, in front of some 40,000 dispatches: half finished, most others not for SAM."""
    with django_db_blocker.unblock():
        with transaction.atomic():
            sam, away = hire("SAM", skills=["sql"]), hire("AWAY")
            early = T0 - timedelta(days=9)
            done = {"finished": "t", "ticket": "'AGT-' || n", "fingerprint": "'v1:' || n %% 1000"}
            fill(20_000, "completed", start=early, key="'done ' || n", **done)
            fill(10_000, "pending", start=early, agent=str(away.pk))
            fill(3_000, "pending", skills="'{sql}'::varchar[]")
            fill(500, "pending", excluded=f"ARRAY[{away.pk}]", key="'x ' || n")
            fill(500, "pending", agent=str(sam.pk), agent_until="t + interval '1 day'")
            fill(3_000, "retrying", run_at="t + interval '1 day'", key="'later ' || n")
            fill(2_000, "running", agent=str(away.pk), lease="40000 + n", key="'run ' || n")
            with connection.cursor() as cursor:
                cursor.execute(
                    """INSERT INTO agents_attempt (dispatch_id, lease_epoch, agent_id, strategy,
                           instructions, claim, started_at, ended_at, outcome, reason,
                           progress_note)
                       SELECT id, 1, %s, 'first_try', '', 'c' || id, created_at, finished_at,
                              CASE WHEN status = 'running' THEN 'running' ELSE 'succeeded' END,
                              '', ''
                       FROM agents_dispatch WHERE status IN ('running', 'completed')""",
                    [away.pk],
                )
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # Else no index can be dropped.
                cursor.execute("ANALYZE agents_dispatch, agents_attempt")
            yield sam
            transaction.set_rollback(True)
        with connection.cursor() as cursor:  # Other tests shall not walk over the dead rows.
            cursor.execute("VACUUM agents_dispatch, agents_attempt")


def sent_by(act: Callable[[], Any]) -> list[str]:
    """The statements about big tables that `act` sends; what it wrote is rolled back."""
    with transaction.atomic(), CaptureQueriesContext(connection) as caught:
        act()
        transaction.set_rollback(True)
    sent = [query["sql"] for query in caught.captured_queries]
    return [sql for sql in sent if any(table in sql for table in BIG) and "INTO" not in sql[:12]]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's node and all below it."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def plan_of(sql: str) -> list[dict[str, Any]]:
    """Every node of the statement's plan; of one with $1, the plan for whatever values come."""
    generic = "GENERIC_PLAN, " if "$1" in sql else ""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({generic}FORMAT JSON) {sql}")
        explained = cursor.fetchone()[0]
    if isinstance(explained, str):
        explained = json.loads(explained)
    return list(nodes(explained[0]["Plan"]))


def full_indexes() -> set[str]:
    """The indexes that hold every row, finished ones too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NULL"
            " AND indrelid = ANY (%s::regclass[])",
            [list(BIG)],
        )
        return {name for (name,) in cursor.fetchall()}


def complaints(statements: list[str], indexes: set[str]) -> list[str]:
    """What is wrong with the plans: a whole table read, a big sort, an index left unused."""
    found, used, full = [], set(), full_indexes()
    for sql in statements:
        for node in plan_of(sql):
            kind, table = node["Node Type"], node.get("Relation Name")
            used.add(node.get("Index Name"))
            if kind == "Seq Scan" and table in BIG:
                found.append(f"reads all of {table}: {sql}")
            if "Index Name" in node and "Index Cond" not in node and node["Index Name"] in full:
                found.append(f"walks all along {node['Index Name']}: {sql}")
            if kind.endswith("Sort") and node["Plan Rows"] > FEW:
                found.append(f"sorts {node['Plan Rows']} rows: {sql}")
    return found + [f"does not use {name}" for name in sorted(indexes - used)]


def claim(sam: Agent) -> None:
    claims.claim_work(sam, now=T0)


def claim_many(sam: Agent) -> None:
    claims.claim_work(sam, limit=50, now=T0)


def claim_that_one(sam: Agent) -> None:
    claims.claim_work(sam, only=7, now=T0)


def complete_one(sam: Agent) -> None:
    complete(take(sam))


def sweep(_sam: Agent) -> None:
    sweeps.sweep(limit=2, now=T0 + 25 * HOUR)


def sweep_a_little(_sam: Agent) -> None:
    sweeps.sweep_a_little(now=T0)


def look_for_a_follow_up(_sam: Agent) -> None:
    outcomes.waiting_follow_up(Dispatch(pk=7, unique_key="later 7"))


def look_up_a_claim(_sam: Agent) -> None:
    Attempt.objects.filter(claim="c7").first()


def link_a_push(_sam: Agent) -> None:
    assert pushes.apply_push({"commits": [{"message": "Closes agt-7"}]}, now=T0).note


def look_who_got_past(sam: Agent) -> None:
    assert queries.others_got_past("v1:7", sam, now=T0 - timedelta(days=5))


SWEPT = {"dispatch_due", "dispatch_lease", "dispatch_deadline", "dispatch_kept"}
HOT = {
    claim: {"dispatch_addressed", "dispatch_open", "dispatch_one_running_per_key"} | SWEPT,
    claim_many: {"dispatch_addressed", "dispatch_open", "dispatch_one_running_per_key"},
    claim_that_one: {"agents_dispatch_pkey"},
    complete_one: {"agents_dispatch_pkey"},
    sweep: {"dispatch_shutting_out"} | SWEPT,
    sweep_a_little: SWEPT,
    look_for_a_follow_up: {"dispatch_one_waiting_per_key"},
    look_up_a_claim: {"attempt_claim_unique"},
    link_a_push: {"dispatch_ticket"},
    look_who_got_past: {"dispatch_got_past"},
}


@pytest.mark.parametrize("act", HOT, ids=lambda act: act.__name__)
def test_it_goes_by_the_index_and_neither_reads_nor_sorts_the_queue(crowd, act):
    statements = sent_by(lambda: act(crowd))
    assert statements
    assert complaints(statements, HOT[act]) == []


@pytest.mark.parametrize("index", sorted(set().union(*HOT.values())))
def test_a_dropped_index_is_missed(crowd, index):
    act = next(act for act, names in HOT.items() if index in names)
    table = "agents_attempt" if index.startswith("attempt") else "agents_dispatch"
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {index} CASCADE")
            cursor.execute(f"DROP INDEX IF EXISTS {index}")
        found = complaints(sent_by(lambda: act(crowd)), HOT[act])
        transaction.set_rollback(True)
    assert f"does not use {index}" in found


@pytest.mark.parametrize(
    ("index", "act", "complaint"),
    [
        ("dispatch_open", claim, "sorts "),
        ("dispatch_shutting_out", sweep, "walks all along agents_dispatch_pkey"),
        ("dispatch_one_waiting_per_key", look_for_a_follow_up, "reads all of agents_dispatch"),
    ],
)
def test_reading_and_sorting_the_queue_is_noticed(crowd, index, act, complaint):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX {index}")
        found = complaints(sent_by(lambda: act(crowd)), set())
        transaction.set_rollback(True)
    assert found[0].startswith(complaint)


WRITES = {"attempt_claim_unique", "agents_dispatch_pkey", "agents_attempt_pkey"}
PREPARED = {
    "claim": (leases.claim_statement(1, one=False, condition=gate.WIDE_OPEN), HOT[claim]),
    "claim many": (leases.claim_statement(50, one=False, condition=gate.WIDE_OPEN), HOT[claim]),
    "claim by steps": (leases.claim_statement(1, one=False, condition="TRUE"), HOT[claim_many]),
    "look": (gate.ASKED, SWEPT),
    "complete": (completion.one_statement(), WRITES),
    "complete many": (completion.MANY, WRITES),
}


@pytest.mark.parametrize("name", PREPARED)
def test_a_plan_made_once_for_all_values_goes_by_the_same_indexes(crowd, name):
    sql, indexes = PREPARED[name]
    assert complaints([numbered(sql)[0]], indexes) == []


@pytest.mark.parametrize("name", PREPARED)
def test_a_plan_made_when_nothing_ran_is_no_walk_through_all_that_runs_later(crowd, name):
    """But for rows with a unique key: each may cost a look at all that runs."""
    sql, indexes = PREPARED[name]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE agents_attempt SET outcome = 'lost', ended_at = started_at")
            cursor.execute(
                """UPDATE agents_dispatch SET status = 'completed', finished_at = rank_at,
                       lease_seconds = NULL, lease_expires_at = NULL, deadline_at = NULL
                   WHERE status = 'running'"""
            )
            cursor.execute("ANALYZE agents_dispatch, agents_attempt")
        found = complaints([numbered(sql)[0]], indexes - {"dispatch_one_running_per_key"})
        transaction.set_rollback(True)
    assert found == []


@pytest.mark.parametrize("model", [Dispatch, Attempt])
def test_the_database_holds_every_index_and_constraint_that_the_model_names(model):
    """A migration may drop one beside the one that it means, and its state would not tell."""
    with connection.cursor() as cursor:
        held = connection.introspection.get_constraints(cursor, model._meta.db_table)
    assert {each.name for each in (*model._meta.indexes, *model._meta.constraints)} <= set(held)
