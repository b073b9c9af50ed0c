"""What several models share."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from django.db.models import Q


def choices_of(enum: type[Enum]) -> list[tuple[str | int, str]]:
    """The members of `enum` as Django's choices, with readable labels."""
    return [(member.value, member.name.replace("_", " ").capitalize()) for member in enum]


def one_of(column: str, values: Iterable[str]) -> Q:
    """A condition that `column` holds one of `values`, as text that PostgreSQL keeps short."""
    return Q(**{f"{column}__in": [str(value) for value in values]})


def exactly_when(left: Q, right: Q) -> Q:
    """A condition that both hold or neither does."""
    return (left & right) | (~left & ~right)
