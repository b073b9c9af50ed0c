"""The statements that every claim and report sends: parsed and planned once a connection.

Django's cursors write the values into the text, so PostgreSQL parses and plans it anew each time;
for the claim that took longer (1.5 ms) than to carry it out (0.3 ms). psycopg's cursors took half
of what a claim costs in Python, so what is sent here goes to libpq by the shortest way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction
from django.db.models.base import ModelState
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.datetime import TimestamptzLoader

Row = tuple[Any, ...]
M = TypeVar("M", bound=models.Model)
_TIMESTAMPTZ = psycopg.adapters.types["timestamptz"].oid
TIME = psycopg.adapters.get_loader(_TIMESTAMPTZ, Format.TEXT) or TimestamptzLoader
"""Reads an instant as psycopg does; for cursors of Django's that read thousands."""
_NAMED = re.compile(r"%\((\w+)\)s")
_KEPT_AS = "evox_line"


def fetch(sql: str, params: Mapping[str, Any]) -> list[Row]:
    """The rows of a statement that is prepared on its first use.

    Values are sent as text, and are of the types that the statement gives them; for a long list
    `array` is the cheaper form. Inside a transaction an error leaves it unusable, as with any
    cursor; outside, the statement is one.
    """
    db = connections[DEFAULT_DB_ALIAS]  # Looked up once: for each attribute it costs as much again.
    if db.queries_logged or db.execute_wrappers:  # Somebody listens.
        with db.cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall())
    db.ensure_connection()
    text, names = numbered(sql)
    with db.wrap_database_errors:
        kept = vars(db.connection)
        line = kept.get(_KEPT_AS)
        if line is None:
            line = kept[_KEPT_AS] = _Line(db.connection)
        rows: list[Row] = line.fetch(text, [params[name] for name in names])
        return rows


class _Line:
    """A connection's short way to its server, and what it has prepared there."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw, self._pgconn = raw, raw.pgconn
        self._encoding = raw.info.encoding
        self._names: dict[str, bytes] = {}
        self._transformer = Transformer.from_context(psycopg.RawCursor(raw))
        # Django's own is written in Python, and took more than all else of a row.
        self._transformer.adapters.register_loader("timestamptz", TIME)

    def fetch(self, text: str, values: Sequence[Any]) -> list[Row]:
        """The rows, or psycopg's error."""
        sent = self._transformer.dump_sequence(values, [PyFormat.TEXT] * len(values))
        if not self._raw.autocommit and self._is_idle():
            self._done(self._pgconn.exec_(b"BEGIN"))  # psycopg would, before its first statement.
        try:
            return self._run(text, sent)
        except psycopg.errors.InvalidSqlStatementName:  # Somebody has sent DISCARD or DEALLOCATE.
            self._names.clear()
            if not self._is_idle():
                raise
            return self._run(text, sent)

    def _run(self, text: str, sent: Sequence[Any]) -> list[Row]:
        name = self._names.get(text)
        if name is None:
            name = f"evox_{len(self._names)}".encode()
            self._done(self._pgconn.prepare(name, text.encode(self._encoding)))
            self._names[text] = name
        found = self._done(self._pgconn.exec_prepared(name, sent))
        self._transformer.set_pgresult(found)
        return self._transformer.load_rows(0, found.ntuples, tuple)

    def _done(self, result: PGresult) -> PGresult:
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return result
        error = error_from_result(result, self._encoding)
        if self._pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(str(error)) from error
        raise error

    def _is_idle(self) -> bool:
        return self._pgconn.transaction_status == TransactionStatus.IDLE


def array(values: Iterable[str | int | None]) -> str:
    """A PostgreSQL array of these as text, for a parameter that the statement casts to one."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: str | int | None) -> str:
    if type(value) is int:
        return str(value)
    if value is None:
        return "NULL"
    escaped = str(value).replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def unit() -> AbstractContextManager[Any]:
    """A savepoint inside a transaction; nothing outside, where one statement is a transaction."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


@cache
def numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """The statement with $1 for the first %(name)s and so on, and the names in that order."""
    names = tuple(dict.fromkeys(_NAMED.findall(sql)))
    numbers = {name: f"${number}" for number, name in enumerate(names, 1)}
    return _NAMED.sub(lambda found: numbers[found[1]], sql), names


@cache
def columns(model: type[models.Model], *, of: str, without: frozenset[str] = frozenset()) -> str:
    """The columns of `model` in the order of `names`, each as `of`."column"."""
    wanted = [each for each in model._meta.concrete_fields if each.attname not in without]
    return ", ".join(f'{of}."{each.column}"' for each in wanted)


@cache
def names(model: type[models.Model], *, without: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The attributes that `columns` fill."""
    found = (each.attname for each in model._meta.concrete_fields)
    return tuple(name for name in found if name not in without)


def instance(model: type[M], values: Sequence[Any]) -> M:
    """The model whose `columns` these are; decoded as the ORM does it."""
    return instance_of(model, decoded(model, dict(zip(names(model), values, strict=True))))


def instance_of(model: type[M], values: dict[str, Any]) -> M:
    """The model of a row with these values by attribute, all of them, as if read just now.

    It keeps `values`. `Model.from_db` sets each of them through a descriptor, and so took a fifth
    of what a claim in a batch cost in Python.
    """
    state = ModelState()
    state.adding, state.db = False, DEFAULT_DB_ALIAS
    made = model.__new__(model)
    made.__dict__ = values
    vars(made)["_state"] = state
    return made


def decoded(model: type[models.Model], values: dict[str, Any]) -> dict[str, Any]:
    """The same values, each turned into what the ORM makes of its column."""
    for name, convert in _converters(model):
        if name in values:
            values[name] = convert(values[name], None, connection)
    return values


@cache
def _converters(model: type[models.Model]) -> tuple[tuple[str, Callable[..., Any]], ...]:
    return tuple(
        (each.attname, converter)
        for each in model._meta.concrete_fields
        for converter in each.get_db_converters(connection)
    )
