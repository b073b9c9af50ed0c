"""Many rows, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

AT_ONCE = 200
"""Rows of one statement."""

_Row = TypeVar("_Row")


def parts(rows: Iterable[_Row], size: int = AT_ONCE) -> Iterator[list[_Row]]:
    """`rows` in lists of `size`, the last one shorter."""
    coming = iter(rows)
    while some := list(islice(coming, size)):
        yield some
