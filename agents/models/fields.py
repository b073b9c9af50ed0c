"""What several models share."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from django.db.models import BooleanField, ExpressionWrapper, Func, Q


def choices_of(enum: type[Enum]) -> list[tuple[str | int, str]]:
    """The members of `enum` as Django's choices, with readable labels."""
    return [(member.value, member.name.replace("_", " ").capitalize()) for member in enum]


def one_of(column: str, values: Iterable[str]) -> Q:
    """A condition that `column` holds one of `values`, as text that PostgreSQL keeps short."""
    return Q(**{f"{column}__in": [str(value) for value in values]})


def exactly_when(left: Q, right: Q) -> Q:
    """A condition that both hold or neither does."""
    return (left & right) | (~left & ~right)


# PostgreSQL reads and plans all checks of a table anew for each statement that writes to it. For
# dispatches that took 55 of the 67 us that a small update costs. These are short once stored.


class Among(Func):
    """Whether a text is one of `words`, which commas part: one constant, where `one_of` stores a
    constant with a cast for each word."""

    template = "%(expressions)s = ANY ('{%(words)s}'::varchar[])"
    output_field = BooleanField()

    def __init__(self, column: str, words: str) -> None:
        super().__init__(column, words=words)


def among(column: str, values: Iterable[str]) -> Among:
    """`one_of` for a check of a table that is written often; words of letters and _ alone."""
    return Among(column, ",".join(sorted(str(value) for value in values)))


class _Truth(ExpressionWrapper):  # type: ignore[type-arg]  # It takes none at run time.
    """A condition as a value, also where Django knows beforehand that it can't hold."""

    empty_result_set_value = False


class SameTruth(Func):
    """Whether two conditions, neither of which is ever null, both hold or neither does: says
    each once, where `exactly_when` says it twice."""

    template = "(%(expressions)s)"
    arg_joiner = ") = ("
    arity = 2
    output_field = BooleanField()

    def __init__(self, left: Q | Func, right: Q | Func) -> None:
        super().__init__(*(_Truth(each, output_field=BooleanField()) for each in (left, right)))
