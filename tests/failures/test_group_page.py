"""The page counts mistakes by the roots of their groups."""

from __future__ import annotations

import pytest

from failures.models import FailureGroup
from failures.services.group_merges import merge
from monitoring.queries import repeats
from tests.failures.groups_world import fail, group
from tests.wire import T0

pytestmark = pytest.mark.django_db


def test_members_that_are_rare_alone_are_a_repeat_together() -> None:
    fail("aab")
    fail("b", agent="LEO")
    assert repeats(now=T0) == []
    merge([group("b").pk], into=group("a").pk, actor="ana", now=T0)

    [one] = repeats(now=T0)
    assert (one.group_id, one.title, one.count) == (group("a").pk, group("a").title, 4)
    assert sorted(one.agents) == ["LEO", "SAM"]


def test_what_is_ignored_is_so_with_all_its_members() -> None:
    fail("aabbb")
    merge([group("b").pk], into=group("a").pk, actor="ana", now=T0)
    FailureGroup.objects.filter(pk=group("a").pk).update(status="ignored")

    assert repeats(now=T0) == []
