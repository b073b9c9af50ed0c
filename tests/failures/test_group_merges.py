"""Groups that are held for one: what is shown, and that undoing it leaves no trace."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from agents.models import AuditEntry
from agents.services.agents import create_key, register_agent
from agents.states import AgentRole
from failures import queries
from failures.models import Failure, FailureGroup, GroupAlias
from failures.services.group_merges import merge, split, undo
from failures.services.guidance import log_and_answer
from failures.services.log import log_failure
from failures.states import AliasKind
from tests.failures.groups_world import fail, failed, group, report, state
from tests.wire import T0, get, patch, post, refused, rows

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def hold(letters: str, into: str, **said: object) -> FailureGroup:
    pks = [group(letter).pk for letter in letters]
    return merge(pks, into=group(into).pk, **{"actor": "ana", "now": T0, **said})


def test_a_merged_group_shows_as_its_root_with_all_its_failures() -> None:
    fail("aab")
    fail("b", agent="LEO", now=T0 + HOUR)
    hold("b", "a")
    root = group("a")

    assert [(g.pk, g.total) for g in queries.groups()] == [(root.pk, 4)]
    [shown] = queries.groups()
    assert (shown.seen_first, shown.seen_last) == (T0, T0 + HOUR)
    assert {f.root_pk for f in queries.failures()} == {root.pk}
    assert {f.occurrences for f in queries.failures()} == {4}
    assert queries.counts_by_agent(group("b")) == {"SAM": 3, "LEO": 1}
    assert queries.root_of(group("b")) == root
    assert queries.member_ids(group("b")) == queries.member_ids(root) == [root.pk, group("b").pk]


def test_no_failure_moves_when_its_group_is_merged() -> None:
    fail("ab")
    before = list(Failure.objects.values())
    hold("b", "a")

    assert list(Failure.objects.values()) == before
    assert group("b").count == 1


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_the_answer_to_a_failure_is_that_of_its_root(order: str) -> None:
    fail("aabc")
    root, member = order
    FailureGroup.objects.filter(pk=group("a").pk).update(guidance="Close it first.")
    hold(member, root)

    for letter in order:
        told = failed(letter)
        assert told.root_pk == group(root).pk
        assert told.known_fix == "Close it first."
        assert told.fix_of == group("a").pk
    assert told.occurrences == 5
    assert failed("c").occurrences == 2


def test_the_roots_own_guidance_comes_before_a_members() -> None:
    fail("abc")
    for letter in "abc":
        FailureGroup.objects.filter(pk=group(letter).pk).update(guidance=f"Of {letter}.")
    hold("ab", "c")

    assert failed("a").known_fix == "Of c."
    FailureGroup.objects.filter(pk=group("c").pk).update(guidance="")
    assert failed("b").known_fix == "Of a."
    assert queries.totals([group("b").pk])[group("b").pk].guidance_of == group("a").pk


def test_who_is_told_is_written_beside_the_group_whose_guidance_it_is() -> None:
    fail("ab")
    FailureGroup.objects.filter(pk=group("a").pk).update(guidance="Close it first.")
    hold("b", "a")
    log_and_answer(report("b"), now=T0)

    assert group("a").guidance_shown.count() == 1
    assert group("b").guidance_shown.count() == 0


def test_a_failure_of_no_merged_group_is_one_statement() -> None:
    fail("abc")
    hold("b", "a")
    one = report("c")
    with transaction.atomic(), CaptureQueriesContext(connection) as asked:
        log_failure(one, now=T0)

    assert len([q for q in asked if "SAVEPOINT" not in q["sql"]]) == 1


def test_a_merge_takes_the_members_of_what_it_merges_along() -> None:
    fail("abc")
    hold("b", "a")
    hold("a", "c")

    assert {group(letter).merged_into for letter in "ab"} == {group("c")}
    standing = GroupAlias.objects.filter(undone_at__isnull=True)
    assert {alias.root for alias in standing} == {group("c")}
    assert failed("b").occurrences == 4


def test_undo_leaves_what_was_before() -> None:
    fail("aabcd")
    hold("b", "a")
    hold("d", "c", reason="The same disk.")
    before = state()
    hold("a", "c")
    assert state() != before
    undo(group("c").pk, actor="ana", now=T0 + HOUR)

    assert state() == before
    undo(group("c").pk, actor="ana", now=T0 + HOUR)
    undo(group("a").pk, actor="ana", now=T0 + HOUR)
    assert not FailureGroup.objects.filter(merged_into__isnull=False).exists()


def test_failures_of_the_meantime_count_for_their_own_group_after_an_undo() -> None:
    fail("ab")
    hold("b", "a")
    fail("bba")
    undo(group("a").pk, actor="ana", now=T0)

    assert {g.pk: g.total for g in queries.groups()} == {group("a").pk: 2, group("b").pk: 3}


def test_a_merge_can_be_undone_by_its_number_after_later_ones() -> None:
    fail("abc")
    hold("b", "a")
    first = GroupAlias.objects.get().merge
    hold("c", "a")
    undo(group("a").pk, number=first, actor="ana", now=T0)

    assert (group("b").merged_into, group("c").merged_into) == (None, group("a"))


def test_split_takes_out_whom_it_names() -> None:
    fail("abc")
    hold("bc", "a")
    split(group("a").pk, members=[group("b").pk], actor="ana", now=T0)

    assert (group("b").merged_into, group("c").merged_into) == (None, group("a"))
    ended = GroupAlias.objects.get(group=group("b"))
    assert (ended.undone_by, ended.undone_at) == ("ana", T0)


def test_what_was_split_off_stays_out_when_its_merge_is_undone() -> None:
    fail("abc")
    hold("b", "a")
    hold("a", "c")
    split(group("c").pk, members=[group("b").pk], actor="ana", now=T0)
    undo(group("c").pk, actor="ana", now=T0)

    assert not FailureGroup.objects.filter(merged_into__isnull=False).exists()


def test_nothing_goes_back_to_a_group_that_is_merged_elsewhere_by_now() -> None:
    fail("abcd")
    hold("b", "a")
    hold("a", "c")
    split(group("c").pk, members=[group("a").pk], actor="ana", now=T0)
    hold("a", "d")
    before = state()

    path = f"failure-groups/{group('c').pk}/undo"
    assert refused(post(path, {}), 409, "group_conflict")
    assert state() == before
    undo(group("d").pk, actor="ana", now=T0)
    assert post(path, {}).status_code == 200
    assert group("b").merged_into == group("a")


@pytest.mark.parametrize(
    ("verb", "on", "groups", "status"),
    [
        ("merge", "a", "a", 409),
        ("merge", "b", "c", 409),
        ("merge", "c", "b", 409),
        ("merge", "c", "", 400),
        ("merge", "c", "?", 404),
        ("split", "a", "c", 409),
        ("split", "b", "b", 409),
        ("split", "a", "a", 409),
        ("split", "a", "", 400),
        ("split", "a", "?", 404),
        ("undo", "b", None, 409),
        ("undo", "c", None, 409),
    ],
)
def test_what_can_not_be_is_refused_and_changes_nothing(
    verb: str, on: str, groups: str | None, status: int
) -> None:
    fail("abc")
    hold("b", "a")
    before = rows()
    ids = [10**15 if letter == "?" else group(letter).pk for letter in groups or ""]
    body = {} if groups is None else {"groups": ids}

    assert refused(post(f"failure-groups/{group(on).pk}/{verb}", body), status)
    assert rows() == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"groups": "1"},
        {"groups": [0]},
        {"groups": ["x"]},
        {"groups": [10**18]},
        {"groups": list(range(1, 202))},
        {"groups": [1], "reason": "x" * 501},
        {"groups": [1], "reason": 7},
    ],
)
def test_a_wrong_body_of_a_merge_names_its_field(body: dict) -> None:
    fail("a")

    assert refused(post(f"failure-groups/{group('a').pk}/merge", body), 400, "invalid")


@pytest.mark.parametrize("merge_", ["x", str(UUID(int=5))])
def test_an_undo_of_no_merge_is_refused(merge_: object) -> None:
    fail("ab")
    hold("b", "a")
    answer = post(f"failure-groups/{group('a').pk}/undo", {"merge": merge_})

    assert refused(answer, 409 if str(merge_).startswith("0000") else 400)


def test_a_story_of_merge_split_and_undo_over_rest() -> None:
    fail("aabc")
    root = group("a").pk
    body = {"groups": [group("b").pk, group("c").pk], "reason": "One disk."}
    merged = post(f"failure-groups/{root}/merge", body).json()

    assert (merged["count"], merged["agents"]) == (4, {"SAM": 4})
    assert [m["id"] for m in merged["members"]] == [group("b").pk, group("c").pk]
    assert {m["reason"] for m in merged["members"]} == {"One disk."}
    assert {m["by"] for m in merged["members"]} == {"local"}
    [number] = {m["merge"] for m in merged["members"]}
    assert get(f"failure-groups/{group('b').pk}").json() == merged
    assert [g["id"] for g in get("failure-groups").json()["results"]] == [root]
    assert {f["groupId"] for f in get("failures").json()["results"]} == {root}

    less = post(f"failure-groups/{root}/split", {"groups": [group("c").pk]}).json()
    assert (less["count"], len(less["members"])) == (3, 1)
    alone = post(f"failure-groups/{root}/undo", {"merge": number}).json()
    assert (alone["count"], alone["members"]) == (2, [])
    verbs = AuditEntry.objects.filter(subject_kind="failure_group", subject_id=root)
    assert [v.verb for v in verbs.order_by("id")] == ["merge", "split", "undo_merge"]


def test_a_lead_may_merge_with_an_agents_key_and_a_worker_may_not(settings) -> None:
    settings.EVOX_REQUIRE_KEY = True
    fail("ab")
    lead = create_key(register_agent("MAX", role=AgentRole.LEAD, now=T0))
    worker = create_key(register_agent("SAM", now=T0))
    path, body = f"failure-groups/{group('a').pk}", {"groups": [group("b").pk]}

    assert refused(post(f"{path}/merge", body, key=worker), 403)
    assert refused(patch(path, {"status": "ignored"}, key=worker), 403)
    assert post(f"{path}/merge", body, key=lead).json()["members"][0]["by"] == "MAX"
    assert patch(path, {"status": "ignored"}, key=lead).json()["status"] == "ignored"


def test_an_alias_says_who_when_and_why() -> None:
    fail("ab")
    hold("b", "a", kind=AliasKind.WEEKLY, reason="Four words differ.")
    alias = GroupAlias.objects.get()

    assert (alias.group, alias.root) == (group("b"), group("a"))
    assert (alias.kind, alias.by, alias.at) == ("weekly", "ana", T0)
    assert alias.reason == "Four words differ."


@pytest.mark.parametrize(
    ("letter", "root"), [("a", "c"), ("c", "b"), ("c", "c")], ids=["root", "member", "itself"]
)
def test_the_database_refuses_a_chain(letter: str, root: str) -> None:
    fail("abc")
    hold("b", "a")

    with pytest.raises(IntegrityError, match="failuregroup_no"), transaction.atomic():
        FailureGroup.objects.filter(pk=group(letter).pk).update(merged_into=group(root))


def test_the_database_holds_one_standing_alias_a_group() -> None:
    fail("abc")
    hold("b", "a")
    old = GroupAlias.objects.get()

    with pytest.raises(IntegrityError, match="groupalias_one_stands_per_group"):
        GroupAlias.objects.create(
            merge=UUID(int=1), group=group("b"), root=group("c"), kind=old.kind, by="x", at=T0
        )
