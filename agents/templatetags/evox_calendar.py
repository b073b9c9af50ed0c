"""The calendar above a list of the admin, made without reading the list's table."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime
from typing import Any

from django.contrib.admin.templatetags.admin_list import date_hierarchy
from django.db.models import Model
from django.template import Library
from django.utils.timezone import localtime

register = Library()


class Periods:
    """What Django's calendar asks of a list's rows, answered from the first and the last one.

    Django reads all rows to offer the periods that have some; this offers each one between.
    """

    def __init__(
        self, first: datetime | None, last: datetime | None, narrow: dict[str, int]
    ) -> None:
        """`narrow` holds the year, and perhaps the month, that the reader chose."""
        found = sorted(at for at in (first, last) if at is not None)
        self._bounds = {"first": found[0], "last": found[-1]} if found else {}
        self._narrow = narrow

    def aggregate(self, **_: Any) -> dict[str, datetime | None]:
        """The first instant and the last one."""
        return {"first": None, "last": None, **self._bounds}

    def datetimes(self, _field: str, kind: str) -> list[date]:
        """The first day of every `year`, `month` or `day` between them, within what was chosen."""
        if not self._bounds:
            return []
        start, end = (localtime(self._bounds[which]).date() for which in ("first", "last"))
        years = _within(start.year, end.year, self._narrow.get("year"))
        if kind == "year":
            return [date(year, 1, 1) for year in years]
        months = [
            date(year, month, 1)
            for year in years
            for month in _within(1, 12, self._narrow.get("month"))
            if (start.year, start.month) <= (year, month) <= (end.year, end.month)
        ]
        if kind == "month":
            return months
        days = (
            month.replace(day=day)
            for month in months[-1:]
            for day in range(1, monthrange(month.year, month.month)[1] + 1)
        )
        return [day for day in days if start <= day <= end]


def _within(first: int, last: int, chosen: int | None) -> range:
    """All from `first` to `last`, or the chosen one if it is among them."""
    if chosen is None:
        return range(first, last + 1)
    return range(chosen, chosen + 1) if first <= chosen <= last else range(0)


@register.inclusion_tag("admin/date_hierarchy.html")
def calendar(cl: Any) -> dict[str, Any]:
    """Django's calendar of the changelist `cl`, whose rows' ids grow with their dates."""
    field = str(cl.date_hierarchy)
    by = field if _leads_an_index(cl.model, field) else "pk"
    rows = cl.model._default_manager.order_by(by).values_list(field, flat=True)  # noqa: SLF001
    narrow = {}
    for part in ("year", "month"):
        chosen = str(cl.params.get(f"{field}__{part}", ""))
        if chosen.isdecimal():
            narrow[part] = int(chosen)
    asked: Any = _Asked()
    asked.__dict__ = cl.__dict__ | {"queryset": Periods(rows.first(), rows.last(), narrow)}
    asked.get_query_string = cl.get_query_string
    found: dict[str, Any] = date_hierarchy(asked) or {}
    return found


class _Asked:
    """A changelist with other rows."""

    get_query_string: Any


def _leads_an_index(model: type[Model], field: str) -> bool:
    """Whether PostgreSQL finds the first and the last row of `field` by an index."""
    unique = getattr(model._meta.get_field(field), "unique", False)
    return unique or any(
        index.fields and index.fields[0].lstrip("-") == field and index.condition is None
        for index in model._meta.indexes
    )
