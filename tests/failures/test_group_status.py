"""Where a group stands: what people say of it, and what its failures do to that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError

from agents.models import AuditEntry
from failures.models import FailureGroup
from failures.services.group_merges import merge
from failures.services.groups import set_status
from failures.states import GROUP_MOVES, GroupStatus
from tests.failures.groups_world import fail, group
from tests.wire import T0, get, patch, refused, rows

pytestmark = pytest.mark.django_db
LATER = T0 + timedelta(hours=1)
MOVES = {
    "open": {"resolved", "ignored"},
    "resolved": {"open", "ignored"},
    "ignored": {"open", "resolved"},
    "regressed": {"resolved", "ignored"},
}


def say(letter: str, status: str, **said: str):
    return patch(f"failure-groups/{group(letter).pk}", {"status": status, **said})


def stand(letter: str, status: str) -> None:
    FailureGroup.objects.filter(pk=group(letter).pk).update(
        status=status, resolved_by="ana", resolved_at=T0
    )


@pytest.mark.parametrize("to", ["open", "resolved", "ignored"])
@pytest.mark.parametrize("old", sorted(MOVES))
def test_each_move_is_as_the_table_says(old: str, to: str) -> None:
    fail("a")
    stand("a", old)
    before = rows()
    answer = say("a", to, resolution="Cleaned up.")

    if to in MOVES[old]:
        assert answer.json()["status"] == group("a").status == to
    else:
        assert refused(answer, 409, "illegal_move")
        assert rows() == before


def test_only_failures_make_a_group_regressed() -> None:
    fail("a")
    stand("a", "resolved")

    assert GroupStatus.REGRESSED in GROUP_MOVES[GroupStatus.RESOLVED]
    assert refused(say("a", "regressed"), 400, "invalid", "status")
    fail("a")
    assert group("a").status == "regressed"


def test_a_resolution_says_who_when_and_how_and_is_kept() -> None:
    fail("a")
    shown = say("a", "resolved", resolution="Made it bigger.").json()

    assert (shown["resolution"], shown["resolvedBy"]) == ("Made it bigger.", "local")
    assert shown["resolvedAt"] is not None
    fail("a")
    again = get(f"failure-groups/{group('a').pk}").json()
    assert again["status"] == "regressed"
    assert again["resolution"] == "Made it bigger."
    acts = AuditEntry.objects.filter(subject_kind="failure_group", subject_id=group("a").pk)
    assert [(a.verb, a.reason) for a in acts] == [("resolve", "Made it bigger.")]


@pytest.mark.parametrize("said", [{}, {"resolution": ""}, {"resolution": "  "}])
def test_nothing_is_resolved_without_saying_how(said: dict) -> None:
    fail("a")

    assert refused(say("a", "resolved", **said), 400, "invalid", "resolution")
    assert group("a").status == "open"


@pytest.mark.parametrize("body", [{}, {"status": "odd"}, {"status": None}, {"status": 1}, []])
def test_a_wrong_status_is_refused(body: object) -> None:
    fail("a")

    assert refused(patch(f"failure-groups/{group('a').pk}", body), 400, "invalid")


def test_a_members_failure_makes_its_resolved_root_regress() -> None:
    fail("abc")
    merge([group("b").pk], into=group("a").pk, actor="ana", now=T0)
    for letter in "ac":
        set_status(group(letter).pk, GroupStatus.RESOLVED, resolution="x", actor="ana", now=T0)
    fail("b", now=LATER)

    assert [group(letter).status for letter in "abc"] == ["regressed", "open", "resolved"]
    assert group("a").last_seen_at == T0
    assert (group("a").count, group("b").count) == (1, 2)


def test_a_bulk_with_root_and_member_counts_both_once() -> None:
    fail("ab")
    merge([group("b").pk], into=group("a").pk, actor="ana", now=T0)
    stand("a", "resolved")
    fail("baab", now=LATER)

    assert (group("a").count, group("b").count, group("a").status) == (3, 3, "regressed")
    assert group("a").last_seen_at == LATER


def test_a_member_can_not_be_decided_on_alone() -> None:
    fail("ab")
    merge([group("b").pk], into=group("a").pk, actor="ana", now=T0)

    assert refused(say("b", "ignored"), 409, "group_conflict")


def test_an_ignored_group_stays_ignored_when_it_fails() -> None:
    fail("a")
    say("a", "ignored")
    fail("a")

    assert group("a").status == "ignored"


def test_the_list_can_be_narrowed_by_status_and_type() -> None:
    fail("abc")
    say("b", "ignored")

    listed = get("failure-groups?status=ignored&type=other").json()["results"]
    assert [one["id"] for one in listed] == [group("b").pk]
    assert get("failure-groups?type=build").json()["results"] == []
    assert refused(get("failure-groups?status=odd"), 400)


def test_the_database_wants_to_know_who_resolved_a_group() -> None:
    fail("a")

    with pytest.raises(IntegrityError, match="failuregroup_resolved_has_who_and_when"):
        FailureGroup.objects.update(status="resolved")
