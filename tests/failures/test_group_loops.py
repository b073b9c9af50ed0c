"""Error loops count like failures by the root of their groups."""

from __future__ import annotations

import pytest
from django.conf import settings

from failures.models import Incident
from failures.services.group_merges import merge, split
from tests.failures.groups_world import fail, group
from tests.wire import T0

pytestmark = pytest.mark.django_db


def test_an_agent_loops_over_all_members_of_a_root() -> None:
    fail("ab")
    merge([group("b").pk], into=group("a").pk, actor="ana", now=T0)
    for turn in range(2, settings.EVOX_ERROR_LOOP):
        assert not Incident.objects.exists(), turn
        fail("ab"[turn % 2])
    fail("b")

    incident = Incident.objects.get()
    assert incident.kind == "error_loop"
    assert incident.metadata["groupId"] == group("a").pk
    assert incident.metadata["fingerprint"] == group("a").fingerprint
    fail("ab")
    assert Incident.objects.count() == 1


def test_groups_that_are_apart_loop_apart() -> None:
    fail("ab")
    merge([group("b").pk], into=group("a").pk, actor="ana", now=T0)
    split(group("a").pk, members=[group("b").pk], actor="ana", now=T0)
    for _ in range(settings.EVOX_ERROR_LOOP - 2):
        fail("ab")

    assert not Incident.objects.exists()
    fail("a")
    assert Incident.objects.get().metadata["groupId"] == group("a").pk


def test_an_agent_does_not_loop_by_what_another_met() -> None:
    fail("ab")
    merge([group("b").pk], into=group("a").pk, actor="ana", now=T0)
    for _ in range(settings.EVOX_ERROR_LOOP - 1):
        fail("b", agent="LEO")

    assert not Incident.objects.exists()
