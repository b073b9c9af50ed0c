"""A list of the admin opens as fast with many rows as with few: it reads by an index what it shows.

Each table is filled with made-up rows, and PostgreSQL is asked how it would answer what the list
really asks for. How many rows there are, it counts; a search, and a sort by another column than the
first, may read the table: they are asked for by a person, once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import AuditEntry

pytestmark = pytest.mark.django_db

ROWS = 20_000
"""Enough that reading or sorting them all is never the cheaper plan."""
FEW = 1_000
"""Rows that a list may sort, or read past."""
HOUSE = {"agents", "failures", "recovery", "learnings", "monitoring"}
SMALL = {
    "agents.agent": "a team",
    "agents.agentkey": "two an agent",
    "agents.channel": "a handful",
    "agents.sink": "a handful",
    "agents.systembeat": "one a part of EVOX",
    "recovery.agentbreaker": "one an agent",
    "recovery.repository": "as many as a team has",
}
"""Lists that stay short, and why."""
OURS = [model for model in admin.site._registry if model._meta.app_label in HOUSE]
BIG = [model for model in OURS if model._meta.label_lower not in SMALL]


def value_of(field: models.Field[Any, Any], *, unique: bool) -> str:
    """SQL for the n-th row."""
    column = {
        models.ForeignKey: "n" if unique else "1 + n % 10",
        models.UUIDField: "gen_random_uuid()",
        models.DateTimeField: "'2026-01-01Z'::timestamptz + n * interval '7 min'",
        models.DurationField: "n * interval '1 s'",
        models.JSONField: "'{}'",
        models.BooleanField: "n % 2 = 0",
        ArrayField: "'{}'",
        models.IntegerField: "n" if unique else "n % 100",
        models.FloatField: "n % 100",
    }
    for kind, sql in column.items():
        if isinstance(field, kind):
            return sql
    choices = [f"'{key}'" for key, _ in field.flatchoices]
    if choices and not unique:
        return f"(ARRAY[{', '.join(choices)}])[1 + n % {len(choices)}]"
    return "to_hex(n)" if unique else "'word ' || n % 100"


def uniques(model: type[models.Model]) -> set[str]:
    """The fields that are unique, or part of what is."""
    found = {field.name for field in model._meta.local_fields if field.unique}
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint) and constraint.condition is None:
            found |= set(constraint.fields)
    return found


def fill(model: type[models.Model]) -> None:
    """ROWS rows of it, ten if it stays small, and none of its rules but its indexes."""
    opts, unique, values = model._meta, uniques(model), {}
    for field in opts.local_fields:
        empty = field.null and (field.related_model in {None, model})
        if not field.generated:
            values[connection.ops.quote_name(field.column)] = (
                "NULL"
                if empty and not isinstance(field, models.DateTimeField)
                else value_of(field, unique=field.name in unique)
            )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass"
            " AND contype IN ('c', 'x', 'f')",
            [opts.db_table],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {opts.db_table} DROP CONSTRAINT "{name}"')
        cursor.execute(f"ALTER TABLE {opts.db_table} DISABLE TRIGGER USER")
        rows = ROWS if model in BIG else 10
        cursor.execute(
            f"INSERT INTO {opts.db_table} ({', '.join(values)}) OVERRIDING SYSTEM VALUE"
            f" SELECT {', '.join(values.values())} FROM generate_series(1, {rows}) n"
            " ON CONFLICT DO NOTHING"
        )
        cursor.execute(f"ANALYZE {opts.db_table}")


@pytest.fixture(scope="module")
def crowd(django_db_setup, django_db_blocker) -> Iterator[None]:
    """Every table full."""
    with django_db_blocker.unblock():
        with transaction.atomic():
            for model in OURS:
                fill(model)
            yield
            transaction.set_rollback(True)
        with connection.cursor() as cursor:  # Other tests shall not walk over the dead rows.
            cursor.execute(f"VACUUM {', '.join(model._meta.db_table for model in OURS)}")


@pytest.fixture
def staff(crowd, client):
    client.force_login(User.objects.create_superuser("ann"))
    return client


def address(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's node and all below it."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def complaints(client, path: str) -> list[str]:
    """What is dear of the statements that the list at `path` sends."""
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200, path
    found = []
    for sql in [query["sql"] for query in asked.captured_queries]:
        if not sql.startswith("SELECT") or sql.startswith("SELECT COUNT(*)"):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            plan = cursor.fetchone()[0]
        for node in nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]):
            kind, table = node["Node Type"], node.get("Relation Name", "")
            if kind in {"Seq Scan", "Sort"} and node["Plan Rows"] > FEW:
                found.append(f"{kind} {table} {node['Plan Rows']}: {sql}")
    return found


@pytest.mark.parametrize("model", BIG, ids=lambda model: model._meta.label_lower)
def test_a_list_reads_what_it_shows_by_an_index(staff, model):
    assert complaints(staff, address(model)) == []


def test_a_list_that_reads_or_sorts_its_table_is_noticed(staff):
    found = complaints(staff, f"{address(AuditEntry)}?o=6")
    assert [line.split(":")[0] for line in found] == [
        f"Sort  {ROWS}",
        f"Seq Scan agents_auditentry {ROWS}",
    ]


def calendar(client, query: str = "") -> list[str]:
    """What the calendar of the audit offers."""
    html = client.get(address(AuditEntry) + query).content.decode()
    links = html.partition('<nav class="toplinks">')[2].partition("</nav>")[0]
    return re.findall("<a [^>]*>([^<]*)</a>", links)


def test_the_calendar_offers_each_period_between_the_first_row_and_the_last(staff):
    """2026-01-01 and twenty thousand times seven minutes: until the 8th of April."""
    months = ["January 2026", "February 2026", "March 2026", "April 2026"]
    back, *offered = calendar(staff)
    assert (back, offered) == ("&lsaquo; All dates", months)
    back, *offered = calendar(staff, "?at__year=2026&at__month=4")
    assert (back, offered) == ("&lsaquo; 2026", [f"{day} April" for day in range(1, 9)])
    assert calendar(staff, "?at__year=2026&at__month=2")[-1] == "28 February"
    assert calendar(staff, "?at__year=2025") == ["&lsaquo; All dates"]
