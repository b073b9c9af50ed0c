"""What leads need of the admin's lists: few queries, CSV, and times as their clocks show them."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.clock import db_now
from agents.models import Agent, AgentKey, Attempt, Dispatch
from agents.services.agents import create_key
from failures.models import Failure
from monitoring.admin_export import MOST_ROWS
from monitoring.services.watch import watch
from tests.monitoring.world import busy_day

pytestmark = pytest.mark.django_db
MOST_QUERIES = 10
MODELS = list(admin.site._registry)


def address(model, query=""):
    opts = model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist") + query


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("ann"))
    return client


@pytest.fixture
def world(db):
    now = db_now()
    made = busy_day(now)
    watch(now=now)
    for agent in Agent.objects.all():
        create_key(agent, label="of a test")
    return made


def queries_of(client, path):
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200, path
    return len(asked)


def test_no_list_asks_more_than_ten_queries(staff, world):
    """Not plain, not searched, not filtered by whatever its filters offer first, nor by date."""
    too_many = {}
    for model in MODELS:
        html = staff.get(address(model)).content.decode()
        ways = {"", *re.findall(r'<a href="(\?[^"]*)"', html)[:12]}
        if "searchbar" in html:
            ways.add("?q=sam")
        for way in ways:
            path = address(model, way.replace("&amp;", "&"))
            asked = queries_of(staff, path)
            if asked > MOST_QUERIES:
                too_many[path] = asked
    assert too_many == {}


@pytest.mark.parametrize("model", [Dispatch, Attempt, Failure, AgentKey])
def test_lists_with_rows_ask_as_much_as_lists_without(staff, model, world):
    many = queries_of(staff, address(model))
    nothing = queries_of(staff, address(model, "?q=nothing-is-called-so"))
    assert many - nothing <= 1


def export(client, model, queryset=None):
    rows = model.objects.all() if queryset is None else queryset
    return client.post(
        address(model),
        {"action": "export_csv", "_selected_action": [row.pk for row in rows]},
    )


def parsed(answer):
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_selected_rows_are_exported_with_the_columns_of_the_list(staff, world):
    answer = export(staff, Dispatch)
    head, *rows = parsed(answer)
    assert answer["Content-Disposition"] == 'attachment; filename="dispatch.csv"'
    assert head[:3] == ["dispatch", "status", "agent"]
    assert len(rows) == Dispatch.objects.count()
    assert any("Deploy to staging" in row[0] and row[1] == "blocked" for row in rows)


def test_only_what_is_selected_is_exported(staff, world):
    _, *rows = parsed(export(staff, Failure, Failure.objects.all()[:2]))
    assert len(rows) == 2


def test_every_list_can_be_exported_in_a_fixed_number_of_queries(staff, world):
    for model in MODELS:
        if not model.objects.exists():
            continue
        with CaptureQueriesContext(connection) as asked:
            head, *rows = parsed(export(staff, model, model.objects.all()[:90]))
        assert len(asked) <= MOST_QUERIES, model
        assert all(len(row) == len(head) for row in rows), model


def test_no_export_tells_a_secret(staff, world):
    for model, secret in ((AgentKey, "hashed_key"), (Attempt, "claim"), (User, "password")):
        said = b"".join(export(staff, model).streaming_content).decode()
        for value in model.objects.values_list(secret, flat=True):
            assert value not in said


def test_what_a_spreadsheet_would_run_is_text(staff, world):
    Failure.objects.update(message='=HYPERLINK("http://example.org")')
    _, *rows = parsed(export(staff, Failure, Failure.objects.all()[:1]))
    assert any(cell.startswith("'=HYPERLINK") for cell in rows[0])


def test_whoever_may_not_see_a_list_may_not_export_it(client, world):
    user = User.objects.create_user("leo", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_agent"))
    client.force_login(user)
    assert export(client, Failure).status_code == 403
    assert len(parsed(export(client, Agent))) == 1 + Agent.objects.count()


def test_an_export_is_bounded():
    assert MOST_ROWS == 100_000


def test_times_are_those_of_the_zone_with_24_hours(staff, world, settings):
    settings.EVOX_TIME_ZONE = "Asia/Tokyo"
    evening = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
    Failure.objects.update(created_at=evening)
    html = staff.get(address(Failure)).content.decode()
    assert "21 Nov 2026 21:34:56" in html
    assert "p.m." not in html
    failure = Failure.objects.first()
    page = reverse("admin:failures_failure_change", args=[failure.pk])
    assert "21 Nov 2026 21:34:56" in staff.get(page).content.decode()
    _, *rows = parsed(export(staff, Failure, Failure.objects.all()[:1]))
    assert any("2026-11-21 21:34:56+0900" in cell for cell in rows[0])
