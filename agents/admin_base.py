"""What every admin of the house is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest

from agents.errors import EvoxError, IllegalMoveError

# Django's classes take their model as a parameter in the stubs alone.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    ModelForm = forms.ModelForm[Any]
else:
    ModelAdmin, TabularInline, ModelForm = admin.ModelAdmin, admin.TabularInline, forms.ModelForm


def stamp(at: datetime | None) -> str:
    """An instant to the second, in the zone of the display."""
    return f"{at.astimezone(ZoneInfo(settings.EVOX_TIME_ZONE)):%d %b %H:%M:%S}" if at else "–"


class RecentValuesFilter(admin.AllValuesFieldListFilter):
    """The values of the newest rows: to offer those of all, every row would have to be read."""

    NEWEST = 1_000

    def __init__(self, field: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, *args, **kwargs)
        newest = field.model.objects.order_by("-pk").values_list(field.name, flat=True)
        values: Any = sorted(set(newest[: self.NEWEST]) - {None, ""})
        self.lookup_choices = values


class HistoryAdmin(ModelAdmin):
    """Rows that are written by EVOX alone: to look at, not to touch."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody makes history by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes it."""
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may use the verbs: staff that could change such rows, were they changeable."""
        return super().has_change_permission(request)

    def carry_out(
        self, request: HttpRequest, done: str, acts: Iterable[tuple[str, Callable[[], object]]]
    ) -> None:
        """Do each act by its row's name; what can't be done says why, and the others go on."""
        moved = []
        for name, act in acts:
            try:
                act()
                moved.append(name)
            except (EvoxError, IllegalMoveError) as error:
                self.message_user(request, f"{name}: {error}", messages.ERROR)
        if moved:
            self.message_user(request, f"{', '.join(moved)}: {done}.", messages.SUCCESS)
