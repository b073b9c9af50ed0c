"""The hook that one writes first must fail the same cases, or they would show nothing."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.rollback.world import CASES, Recorder, World

NAIVE = r"""#!/bin/sh
test -z "$NAIVE" || exit 0
export NAIVE=1
commit=$(git rev-parse HEAD)
message=$(git log -1 --format=%B)
branch=$(git branch --show-current)
error=$(sh -c "$(git config evox.rollback.command)" 2>&1 </dev/null) && exit 0
git revert HEAD --no-edit || exit 1
revert=$(git rev-parse HEAD)
about="\"originalCommit\": \"$commit\", \"revertCommit\": \"$revert\", \"branch\": \"$branch\""
about="$about, \"commitMessage\": \"$message\", \"buildError\": \"$error\""
say="\"kind\": \"rolled_back\", \"level\": \"error\", \"message\": \"$commit broke the build\""
curl -s -m 3 -X POST "$EVOX_URL/logIncident" -H 'Content-Type: application/json' \
    -d "{$say, \"idempotencyKey\": \"$commit\", \"metadata\": {$about}}"
"""
MODULES = ("test_verdicts", "test_reverts", "test_races", "test_worktrees", "test_spool")


def passes(name, folder, template):
    """Whether the naive hook passes a case."""
    folder.mkdir()
    recorder = Recorder()
    world = World(folder, recorder, template)
    try:
        for hook in (world.top / ".git/hooks").glob("post-*"):
            hook.unlink()
        world.write(".git/hooks/post-commit", NAIVE).chmod(0o755)
        CASES[name](world)
    except Exception:  # noqa: BLE001 - a case fails in whatever way it does
        return False
    else:
        return True
    finally:
        world.end()
        recorder.stop()


def tell_apart(names, tmp_path, template):
    return {name: passes(name, tmp_path / name[:60], template) for name in names}


QUICK = [
    *("test_a_good_commit_stays", "test_a_subject_that_starts_with_revert_is_judged_like_any"),
    *("test_an_innocent_commit_on_a_red_branch_stays", "test_a_flaky_build_takes_nothing_back"),
    *("test_a_missing_build_tool_takes_nothing_back", "test_a_full_disk_takes_nothing_back"),
    "test_a_message_with_quotes_newlines_and_trailers_arrives_whole",
    "test_a_build_error_with_quotes_and_control_characters_arrives_whole",
    "test_changed_and_staged_work_in_other_files_survives",
    *("test_a_merge_by_commit_is_reverted_to_its_first_parent",),
    "test_a_clean_merge_that_breaks_the_build_is_reverted_to_its_first_parent",
    *("test_a_commit_is_judged_and_not_the_work_tree",),
    "test_a_broken_work_tree_does_not_count_against_a_good_commit",
    *("test_a_server_that_is_down_delays_the_report_and_not_the_revert",),
]


def load():
    for name in MODULES:
        import_module(f"tests.rollback.{name}")


def test_the_naive_hook_does_the_easy_and_fails_ten_of_the_rest(tmp_path, template):
    load()
    found = tell_apart(QUICK, tmp_path, template)
    assert found["test_a_good_commit_stays"]
    assert found["test_a_subject_that_starts_with_revert_is_judged_like_any"]
    failed = [name for name, passed in found.items() if not passed]
    assert len(failed) >= 10, found


@pytest.mark.full
def test_of_the_whole_table_the_naive_hook_fails_ten_and_more(tmp_path, template):
    load()
    found = tell_apart(CASES, tmp_path, template)
    failed = sorted(name for name, passed in found.items() if not passed)
    assert len(found) >= 35
    assert len(failed) >= 10
    print(f"the naive hook fails {len(failed)} of {len(found)}:", *failed, sep="\n  ")
