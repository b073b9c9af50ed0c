"""The statements that every claim and report sends: parsed and planned once a connection.

Django's cursors write the values into the text, so PostgreSQL parses and plans it anew each time;
for the claim that took longer (1.5 ms) than to carry it out (0.3 ms).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, TypeVar

import psycopg
from django.db import connection, models, transaction
from psycopg.pq import Format
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.numeric import Int8

Row = tuple[Any, ...]
M = TypeVar("M", bound=models.Model)
_TIMESTAMPTZ = psycopg.adapters.types["timestamptz"].oid
_TIME = psycopg.adapters.get_loader(_TIMESTAMPTZ, Format.TEXT) or TimestamptzLoader
_NAMED = re.compile(r"%\((\w+)\)s")


def fetch(sql: str, params: Mapping[str, Any]) -> list[Row]:
    """The rows of a statement that is prepared on its first use.

    An int is sent as bigint, whatever its size: the type is part of what is prepared. Inside a
    transaction an error leaves it unusable, as with any cursor; outside, the statement is one.
    """
    if connection.queries_logged or connection.execute_wrappers:  # Somebody listens.
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall())
    connection.ensure_connection()
    text, names = numbered(sql)
    with connection.wrap_database_errors, psycopg.RawCursor(connection.connection) as bare:
        # Django's own is written in Python, and took more than all else of a row.
        bare.adapters.register_loader("timestamptz", _TIME)
        bare.execute(text, [_wide(params[name]) for name in names], prepare=True)
        return bare.fetchall()


def unit() -> AbstractContextManager[Any]:
    """A savepoint inside a transaction; nothing outside, where one statement is a transaction."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


@cache
def numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """The statement with $1 for the first %(name)s and so on, and the names in that order.

    psycopg would do the same, but forgets it for statements of more than 4,096 characters.
    """
    names = tuple(dict.fromkeys(_NAMED.findall(sql)))
    numbers = {name: f"${number}" for number, name in enumerate(names, 1)}
    return _NAMED.sub(lambda found: numbers[found[1]], sql), names


def _wide(value: Any) -> Any:
    if type(value) is int:
        return Int8(value)
    if type(value) is list and value and type(value[0]) is int:
        return [Int8(one) for one in value]
    return value


@cache
def columns(model: type[models.Model], *, of: str) -> str:
    """All columns of `model`, in the order that `instance` takes, each as `of`."column"."""
    return ", ".join(f'{of}."{field.column}"' for field in model._meta.concrete_fields)


def instance(model: type[M], values: Sequence[Any]) -> M:
    """The model whose `columns` these are; decoded as the ORM does it."""
    return model.from_db("default", _names(model), _decoded(model, values))


def instance_of(model: type[M], values: Mapping[str, Any]) -> M:
    """The model of a row just written with these values by name; all others are null."""
    names = _names(model)
    return model.from_db("default", names, [values.get(name) for name in names])


@cache
def _names(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)


@cache
def _converters(model: type[models.Model]) -> tuple[tuple[int, Callable[..., Any]], ...]:
    return tuple(
        (index, converter)
        for index, field in enumerate(model._meta.concrete_fields)
        for converter in field.get_db_converters(connection)
    )


def _decoded(model: type[models.Model], values: Sequence[Any]) -> list[Any]:
    decoded = list(values)
    for index, converter in _converters(model):
        decoded[index] = converter(decoded[index], None, connection)
    return decoded
