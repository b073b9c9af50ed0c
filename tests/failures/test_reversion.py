"""A new version of the fingerprint on a living database: no count, link or learning is lost."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from failures import queries
from failures.fingerprint import FINGERPRINT_VERSION, Grouping
from failures.models import Failure, FailureGroup, GroupAlias
from failures.services import log, reversion
from failures.services.group_merges import merge, split
from failures.services.reversion import rejoin
from failures.states import AliasKind, GroupStatus
from tests.failures.groups_world import WORDS, fail, failed, report, state
from tests.wire import T0

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
current = log.grouping


@pytest.fixture
def old_version(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it with a function of the message: what the old version told mistakes apart by."""

    def use(told_apart_by: Any) -> None:
        def old(error_type: str, message: str) -> Grouping:
            digest = hashlib.sha256(str(told_apart_by(message)).encode()).hexdigest()[:20]
            return Grouping(f"v0:{digest}", "", f"old {message}"[:200], "", "")

        monkeypatch.setattr(log, "grouping", old)

    def release() -> None:
        monkeypatch.setattr(log, "grouping", current)

    use.release = release  # type: ignore[attr-defined]
    return use


def run(limit: int = 100) -> int:
    joined = 0
    for leading in (True, False):
        after: int | None = 0
        while after is not None:
            batch = rejoin(after=after, limit=limit, leading=leading, actor="EVOX", now=T0 + HOUR)
            joined, after = joined + batch.joined, batch.last
    return joined


def old(letter: str) -> FailureGroup:
    return FailureGroup.objects.get(template=f"old {WORDS[letter]}")


def old_groups() -> list[FailureGroup]:
    return list(FailureGroup.objects.filter(fingerprint__startswith="v0:").order_by("pk"))


def test_the_next_failure_lands_in_the_old_root_with_its_count_and_fix(old_version: Any) -> None:
    old_version(str)
    fail("aab")
    fail("a", agent="LEO")
    a, b = old("a"), old("b")
    FailureGroup.objects.filter(pk=a.pk).update(guidance="Close it first.")
    failures = list(Failure.objects.order_by("pk").values())
    groups = list(FailureGroup.objects.order_by("pk").values())
    old_version.release()

    assert run() == 2

    assert list(Failure.objects.order_by("pk").values()) == failures
    assert (
        list(FailureGroup.objects.exclude(merged_into__isnull=False).order_by("pk").values())
        == groups
    )
    assert {root.pk: root.total for root in queries.groups()} == {a.pk: 3, b.pk: 1}
    assert {root.pk: root.seen_first for root in queries.groups()} == {a.pk: T0, b.pk: T0}
    assert {root.pk: root.seen_last for root in queries.groups()} == {a.pk: T0, b.pk: T0}
    assert queries.counts_by_agent(a) == {"SAM": 2, "LEO": 1}
    told = failed("a")
    assert told.fingerprint.startswith(f"{FINGERPRINT_VERSION}:")
    assert (told.root_pk, told.occurrences, told.known_fix) == (a.pk, 4, "Close it first.")


def test_a_group_that_the_new_version_tells_apart_keeps_all_its_names(old_version: Any) -> None:
    old_version(lambda message: "the same")
    fail("aabc")
    old_version.release()

    assert run() == 3

    [old] = old_groups()
    assert {failed(letter).root_pk for letter in "abc"} == {old.pk}
    assert queries.group_by_id(old.pk).total == 7


def test_groups_that_the_new_version_calls_the_same_become_one(old_version: Any) -> None:
    old_version(lambda message: message)
    log.log_failures(
        [_report("lost /var/a.sock"), _report("lost /var/b.sock"), _report("lost /srv/b.sock")],
        now=T0,
    )
    old_version.release()
    first, second, third = old_groups()

    assert run() == 3

    assert set(queries.member_ids(second)) >= {first.pk, second.pk, third.pk}
    told = log.log_failure(_report("lost /srv/c.sock"), now=T0 + HOUR)
    assert (told.root_pk, told.occurrences) == (queries.root_of(first).pk, 4)


def test_a_stray_failure_takes_no_name_from_the_group_it_belongs_to(old_version: Any) -> None:
    old_version(lambda message: "mixed")
    fail("aaab")
    old_version(str)
    fail("bb")
    old_version.release()
    mixed, own = old("a"), old("b")

    run()

    assert failed("a").root_pk == mixed.pk
    assert failed("b").root_pk == own.pk


def test_what_came_in_before_is_counted_with_the_old(old_version: Any) -> None:
    old_version(str)
    fail("aa")
    old_version.release()
    fail("a")
    [old] = old_groups()

    assert run() == 1
    assert [(root.pk, root.total) for root in queries.groups()] == [(old.pk, 3)]


def test_a_member_of_a_merge_leads_to_its_root(old_version: Any) -> None:
    old_version(str)
    fail("ab")
    a, b = old("a"), old("b")
    merge([b.pk], into=a.pk, actor="ana", now=T0)
    old_version.release()

    run()

    assert failed("b").root_pk == a.pk


def test_a_resolved_root_regresses_by_a_failure_of_the_new_version(old_version: Any) -> None:
    old_version(str)
    fail("a")
    [old] = old_groups()
    FailureGroup.objects.filter(pk=old.pk).update(
        status=GroupStatus.RESOLVED.value, resolved_at=T0, resolved_by="ana"
    )
    old_version.release()
    run()

    failed("a", now=T0 + 2 * HOUR)

    assert queries.group_by_id(old.pk).status == GroupStatus.REGRESSED.value


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_batches_of_any_size_come_to_the_same_and_a_second_run_changes_nothing(
    old_version: Any, limit: int
) -> None:
    old_version(str)
    fail("abcde")
    old_version.release()

    assert run(limit) == 5
    before = state()
    assert run(limit) == 0
    assert state() == before


def test_it_goes_on_where_it_was_stopped(old_version: Any) -> None:
    old_version(str)
    fail("abcde")
    old_version.release()

    first = rejoin(after=0, limit=2, leading=True, actor="EVOX", now=T0)

    assert (first.looked_at, first.joined, first.last) == (2, 2, old_groups()[1].pk)
    assert run() == 3


def test_what_somebody_parted_stays_apart(old_version: Any) -> None:
    old_version(str)
    fail("a")
    [old] = old_groups()
    old_version.release()
    run()
    new = FailureGroup.objects.get(merged_into=old)
    split(old.pk, members=[new.pk], actor="ana", now=T0 + HOUR)

    assert run() == 0
    assert failed("a").root_pk == new.pk


def test_each_join_is_an_alias_that_says_why(old_version: Any) -> None:
    old_version(str)
    fail("a")
    old_version.release()
    run()

    [alias] = GroupAlias.objects.all()
    assert (alias.kind, alias.by, alias.root) == (AliasKind.VERSION.value, "EVOX", old_groups()[0])
    assert "version" in alias.reason


def test_fingerprints_of_another_kind_are_left_alone(old_version: Any) -> None:
    fail("a")
    FailureGroup.objects.update(fingerprint="mine:abc")
    Failure.objects.update(fingerprint="mine:abc")

    assert run() == 0
    assert GroupAlias.objects.count() == 0


def test_only_the_last_failures_of_a_group_are_read(
    old_version: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_version(lambda message: "the same")
    fail("a" + "b" * 3)
    old_version.release()
    monkeypatch.setattr(reversion, "SAMPLES", 3)

    assert run() == 1


def test_the_command_says_what_it_did(old_version: Any, capsys: pytest.CaptureFixture[str]) -> None:
    old_version(str)
    fail("ab")
    old_version.release()

    call_command("rejoin_groups", "--batch", "1")

    assert capsys.readouterr().out.splitlines() == [
        "leading names: looked at 2 groups, joined 2",
        "all names: looked at 2 groups, joined 0",
    ]


def test_a_start_carries_old_groups_over_once(
    old_version: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("rejoin_groups", if_behind=True)
    old_version(str)
    fail("ab")
    old_version.release()

    call_command("rejoin_groups", if_behind=True)
    call_command("rejoin_groups", if_behind=True)

    assert capsys.readouterr().out.splitlines() == [
        "leading names: looked at 2 groups, joined 2",
        "all names: looked at 2 groups, joined 0",
    ]


def test_a_start_that_has_no_time_left_says_so_and_the_next_begins_anew(
    old_version: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    old_version(str)
    fail("ab")
    old_version.release()

    call_command("rejoin_groups", if_behind=True, batch=1, seconds=1e-6)

    assert capsys.readouterr().out.splitlines() == [
        "1 failure groups were carried over to the new fingerprint;"
        " `manage.py rejoin_groups` does what is left."
    ]
    call_command("rejoin_groups", if_behind=True)
    assert "all names: looked at 2 groups, joined 0" in capsys.readouterr().out


def _report(message: str) -> log.NewFailure:
    one = report("a")
    return log.NewFailure(agent=one.agent, error_type=one.error_type, message=message)
