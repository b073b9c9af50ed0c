"""PostgreSQL's full text over words that machines write: paths and dotted names taken apart."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Expression, F, Func, TextField, Value
from django.db.models.functions import Left

_APART = "./\\_-:@#$%&*+=|~^'\"`,;!?()[]{}<>"
CONFIG = "simple"
TEXT_SHOWN = 500
"""So many characters of a field are looked at: ranking reads them anew for each row found."""


def vector_of(*fields: str) -> SearchVector:
    """The words at the beginning of these text fields, for an index and for its queries alike."""
    return SearchVector(*(_apart(field) for field in fields), config=CONFIG)


def _apart(field: str) -> Expression:
    # PostgreSQL's own parser keeps a path or a host as one word, which no other text has.
    return Func(
        Left(F(field), TEXT_SHOWN),
        Value(_APART),
        Value(" " * len(_APART)),
        function="translate",
        output_field=TextField(),
    )


def any_of(words: Sequence[str]) -> SearchQuery:
    """Texts with at least one of `words`, which hold letters and digits alone."""
    return _query(words, " | ")


def all_of(words: Sequence[str]) -> SearchQuery:
    """Texts with every one of `words`."""
    return _query(words, " & ")


def _query(words: Sequence[str], operator: str) -> SearchQuery:
    if not all(word.isalnum() for word in words):
        raise ValueError("A word of a query holds letters and digits alone.")
    quoted = operator.join(f"'{word}'" for word in words)
    return SearchQuery(quoted, search_type="raw", config=CONFIG)


GROUP_WORDS = vector_of("template", "tool_code", "error_class")
"""The words that a group is found by; its index and its queries must say the same."""
