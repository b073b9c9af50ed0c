"""Many rows, a bounded number at a time, and somebody who looks on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

AT_ONCE = 200
"""Rows of one statement."""

Watch = Callable[[str, int, int], None]
"""Is told what is being done, how many of it are done, and how many there are."""

_Row = TypeVar("_Row")


def nobody(what: str, done: int, of: int) -> None:
    """Looks on where nobody does."""


def parts(rows: Iterable[_Row], size: int = AT_ONCE) -> Iterator[list[_Row]]:
    """`rows` in lists of `size`, the last one shorter."""
    coming = iter(rows)
    while some := list(islice(coming, size)):
        yield some
