"""A learning is for the agents and files of its scope, ranked by what it shares with the work."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from learnings.policy.ranking import Candidate, rank
from learnings.policy.scope import Reader, Scope, fit, glob_matches, scope_of

T0 = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("src/app.py", "src/app.py"),
        ("src/app.py", "./src//app.py"),
        ("src/*.py", "src/app.py"),
        ("src/**/*.py", "src/a/b/app.py"),
        ("src/**/*.py", "src/app.py"),
        ("**/tests/**", "a/tests/b/c.py"),
        ("*.py", "deep/down/app.py"),
        ("app.py", "src/app.py"),
        ("src", "src/a/app.py"),
        ("src/", "src/app.py"),
        ("src/a", "src/a/b/c.py"),
        ("src/?pp.py", "src/app.py"),
        ("src/**", "/home/me/repo/src/app.py"),
        ("src\\*.py", "C:/work/src/app.py"),
        ("a*b*c", "axxbyyc"),
        ("**", "anything"),
    ],
)
def test_a_glob_means_the_paths_that_a_person_would_expect(glob, path):
    assert glob_matches(glob, path)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("src/*.py", "src/a/app.py"),
        ("src/**", "lib/app.py"),
        ("src/**", "lib/src/app.py"),
        ("*.py", "app.pyc"),
        ("App.py", "app.py"),
        ("a*b", "axxbyy"),
        ("src/?.py", "src/app.py"),
        ("/src/**", "/home/me/src/app.py"),
        ("", "app.py"),
        ("/", "app.py"),
        ("*.py", ""),
        ("*" * 201, "app.py"),
        ("*", "x" * 301),
    ],
)
def test_a_glob_means_no_other_path(glob, path):
    assert not glob_matches(glob, path)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("*a" * 100, "a" * 299 + "b"),
        ("**/" * 60 + "x", "a/" * 149 + "b"),
        ("**/a/" * 40 + "x", "a/" * 149 + "b"),
        ("**/*a*/" * 28 + "x", "a/" * 149 + "b"),
    ],
)
def test_no_glob_takes_long(glob, path):
    started = time.process_time()
    assert not glob_matches(glob, path)
    assert time.process_time() - started < 2.0  # it takes 0.001; what tries all ways, years


def test_what_a_scope_leaves_out_limits_nothing():
    assert fit(Scope(), Reader(name="SAM")) is not None


def test_a_scope_of_agents_is_for_them_alone():
    scope = Scope(agents=frozenset({"SAM"}))

    assert fit(scope, Reader(name="SAM")).agent
    assert fit(scope, Reader(name="LEO")) is None


def test_a_scope_of_files_limits_work_that_names_files_alone():
    scope = Scope(paths=("web/**",))

    assert fit(scope, Reader(name="SAM", paths=["web/a.ts"])).path
    assert fit(scope, Reader(name="SAM", paths=["db/a.sql"])) is None
    assert fit(scope, Reader(name="SAM")).path is False


def test_types_and_tools_raise_but_never_limit():
    scope = Scope(types=frozenset({"build"}), tools=frozenset({"ts2322"}))

    assert fit(scope, Reader(name="SAM")).strength == 0
    assert fit(scope, Reader(name="SAM", tools={"ts2322"})).tool
    assert fit(scope, Reader(name="SAM", types={"build"})).error_type


def test_a_stored_scope_that_is_no_scope_limits_nothing():
    assert scope_of({"agents": "SAM", "paths": [1, None, ""], "tools": {"a": 1}}) == Scope()
    assert scope_of({"tools": ["TS2322"]}).tools == {"ts2322"}


def candidate(pk: int, *, hours: int = 0, **fields) -> Candidate:
    return Candidate(
        learning_id=pk,
        published_at=T0 + timedelta(hours=hours),
        **fields,
    )


def test_the_order_is_met_then_scope_then_words_then_type_then_the_newest():
    reader = Reader(
        name="SAM", groups={7}, work_groups={8}, types={"build"}, paths=["a.py"], tools={"make"}
    )
    candidates = [
        candidate(1, hours=9),
        candidate(2, scope=Scope(types=frozenset({"build"}))),
        candidate(3, words=0.1),
        candidate(4, words=0.2),
        candidate(5, scope=Scope(tools=frozenset({"make"}))),
        candidate(6, scope=Scope(tools=frozenset({"make"}), paths=("*.py",))),
        candidate(7, group_id=7),
        candidate(8, group_id=8, watched=True),
        candidate(9, watched=True),
        candidate(10, scope=Scope(paths=("*.sql",)), hours=99),
    ]

    matches = rank(candidates, reader)

    assert [match.learning_id for match in matches] == [8, 7, 6, 5, 4, 3, 2, 1, 9]
    assert [match.why for match in matches] == [
        "this work hit it",
        "you hit it",
        "same files, same tool",
        "same tool",
        "same words",
        "same words",
        "same type of failure",
        "recent",
        "recent",
    ]


def test_without_a_group_nobody_has_hit_it():
    assert rank([candidate(1)], Reader(name="SAM", groups={1, ""}))[0].why == "recent"


def test_who_hit_one_of_a_family_hit_the_family():
    [match] = rank(
        [candidate(1, family="build:TS2322:")], Reader(name="SAM", groups={"build:TS2322:"})
    )

    assert match.why == "you hit it"
