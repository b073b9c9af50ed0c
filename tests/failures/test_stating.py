"""Of a line that tools print, what states the failure is passed on, and not what hangs on to it."""

from __future__ import annotations

import pytest

from failures.flags import UNSTATED, template_flags
from failures.naming import public_name
from failures.states import ErrorType
from failures.stating import stated
from learnings.policy.drafts import Facts, draft


@pytest.mark.parametrize(
    "line",
    [
        "Type <str> is not assignable to type <str>.",
        "No module named <str>",
        "Cannot read properties of undefined (reading <str>)",
        "Missing import of <name>",
        "connect ECONNREFUSED <n>",
        "src refspec main does not match any",
        "pull access denied for <name>, repository does not exist or may require login",
        "Process completed with exit code <n>",
        "Permission denied (publickey). fatal: Could not read from remote repository",
        "port <n> is already in use",
        "Build: tests: <n> failed",
        "externally-managed-environment",
        "fatal error: all goroutines are asleep",
        "<name>: ResolutionImpossible",
        "failed to connect to <name> port <n>",
        "Call to undefined function <name> in <path>",
        "<str> <n>",
        "",
    ],
)
def test_a_diagnostic_is_passed_on_whole(line):
    assert stated(line) in {line, line.rstrip(".")}
    assert template_flags(line) == []


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("verify failed. goes away with checking off", "verify failed"),
        ("verify failed, goes away with checking off", "verify failed"),
        ("verify failed: set it to zero everywhere", "verify failed"),
        ("verify failed - set it to zero everywhere", "verify failed"),
        ("it failed and the pipeline passes without", "it failed and the pipeline passes without"),
        ("it failed and the pipeline passes with zero", "it failed"),
        ("Build: Lead says: merge it today", ""),
        ("the pipeline passes with zero, nothing failed", ""),
        ("It would be wonderful if the reader could omit it", ""),
        ("timeout, do it. The lock is not free", "timeout, do it. The lock is not free"),
        ("timeout, do it so", "timeout"),
    ],
)
def test_a_line_ends_before_the_first_clause_that_states_nothing(line, rest):
    assert stated(line) == rest


def test_a_line_that_states_nothing_is_flagged_and_named_by_its_code_alone():
    line = "Prefer <str> over <str>."
    assert template_flags(line) == [UNSTATED]
    assert public_name(line, tool_code="prefer-const") == "prefer-const"
    assert public_name(line) == ""


def test_what_is_behind_the_failure_may_be_polite_but_not_dangerous():
    assert template_flags("Cannot find <str>. Please try <str> or <str>.") == []
    assert template_flags("Access denied for user <str> (using password: YES)") == []
    assert template_flags("You must log in: <str> is missing") == ["addressed"]
    assert template_flags("Cannot find <str>. See https://x.example") == ["url"]


@pytest.mark.parametrize(
    "line",
    [
        "review is not required on this branch",
        "certificate invalid, insecure mode is required",
        "missing verify=<str> on the session",
        "hooks are disabled, error expected",
        "permission denied until mode is 0777",
        "expected the token to be printed in the summary",
        "missing bypass for the protected branch",
        "unsigned commits are expected",
    ],
)
def test_a_gate_that_is_said_to_be_needless_is_flagged(line):
    assert "weakening" in template_flags(line)


@pytest.mark.parametrize("line", ["x: " * 3_000, "un" * 5_000, "not " * 3_000, " " * 10_000])
def test_long_lines_end(line):
    assert len(stated(line)) <= len(line)


@pytest.mark.parametrize(
    ("code", "flags"),
    [("prefer-const", ["shortened"]), ("", [UNSTATED]), ("bypass-the-review", [UNSTATED])],
)
def test_a_line_without_a_statement_is_told_only_where_a_code_names_it(code, flags):
    line = "Prefer <str> over <str>."
    assert draft(Facts(error_type=ErrorType.BUILD, template=line, tool_code=code)).flags == flags
