"""The short way to PostgreSQL that claims and reports take keeps what the long way promises."""

from __future__ import annotations

import threading

import psycopg
import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.db.utils import ProgrammingError

from agents.models import Channel
from agents.services import statements

NUMBER = "SELECT %(number)s::bigint"
ADD = """
INSERT INTO agents_channel (name, description, created_at) VALUES (%(name)s, '', now())
RETURNING name
"""
SLEEPS = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"


def forget() -> None:
    """What a pooler does between two clients."""
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")


def names() -> list[str]:
    return list(Channel.objects.values_list("name", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [
        [],
        ["plain", "", " ", None, "null", "NULL", "{}", "a,b", "{a}"],
        ['"', "\\", '\\"', "'", "line\nbreak", "é", "%s %(name)s $1"],
    ],
)
def test_a_list_of_texts_arrives_as_it_was(values):
    [(found,)] = statements.fetch(
        "SELECT %(values)s::varchar[]", {"values": statements.array(values)}
    )
    assert found == values


@pytest.mark.django_db
def test_a_list_of_numbers_arrives_as_it_was():
    [(found,)] = statements.fetch(
        "SELECT %(values)s::bigint[]", {"values": statements.array([1, None, -(2**62)])}
    )
    assert found == [1, None, -(2**62)]


@pytest.mark.django_db
def test_a_text_that_postgresql_cannot_hold_is_refused_and_not_cut():
    with pytest.raises(DataError):
        statements.fetch("SELECT %(text)s::varchar", {"text": "a\0b"})
    with pytest.raises(DataError):
        statements.fetch("SELECT %(all)s::varchar[]", {"all": statements.array(["a\0b"])})


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_the_server_forgot_is_prepared_again():
    assert statements.fetch(NUMBER, {"number": 1}) == [(1,)]
    forget()
    assert statements.fetch(NUMBER, {"number": 2}) == [(2,)]


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_a_forgotten_statement_is_an_error_and_the_next_one_works():
    assert statements.fetch(NUMBER, {"number": 1}) == [(1,)]
    forget()
    with pytest.raises(ProgrammingError), transaction.atomic():
        statements.fetch(NUMBER, {"number": 2})
    assert statements.fetch(NUMBER, {"number": 3}) == [(3,)]


@pytest.mark.django_db(transaction=True)
def test_a_statement_is_part_of_the_transaction_that_it_begins():
    with transaction.atomic():
        statements.fetch(ADD, {"name": "first"})
        transaction.set_rollback(True)
    assert "first" not in names()
    with transaction.atomic():
        statements.fetch(ADD, {"name": "first"})
        with pytest.raises(IntegrityError), transaction.atomic():
            statements.fetch(ADD, {"name": "first"})
        statements.fetch(ADD, {"name": "second"})
    assert {"first", "second"} <= set(names())


@pytest.mark.django_db(transaction=True)
def test_an_error_is_django_s_and_costs_nothing_but_its_statement():
    with pytest.raises(ProgrammingError):
        statements.fetch("SELECT nothing_of_that_name", {})
    statements.fetch(ADD, {"name": "first"})
    with pytest.raises(IntegrityError) as caught:
        statements.fetch(ADD, {"name": "first"})
    assert isinstance(caught.value.__cause__, psycopg.errors.UniqueViolation)
    assert names().count("first") == 1


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_cut_is_an_operational_error_and_the_next_one_works():
    [(pid,)] = statements.fetch("SELECT pg_backend_pid()", {})
    with psycopg.connect(connection.connection.info.dsn) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(OperationalError):
        statements.fetch(NUMBER, {"number": 1})
    connection.close()
    assert statements.fetch(NUMBER, {"number": 2}) == [(2,)]


@pytest.mark.django_db(transaction=True)
def test_other_threads_run_while_one_waits_for_the_server():
    [(pid,)] = statements.fetch("SELECT pg_backend_pid()", {})
    dsn, ended = connection.connection.info.dsn, []

    def cancel() -> None:
        with psycopg.connect(dsn, autocommit=True) as other:
            while other.execute(SLEEPS, [pid]).fetchone() is None:
                pass
            ended.append(other.execute("SELECT pg_cancel_backend(%s)", [pid]).fetchone())

    helper = threading.Thread(target=cancel)
    helper.start()
    with pytest.raises(OperationalError):
        statements.fetch("SELECT pg_sleep(200)", {})
    helper.join()
    assert ended == [(True,)]
