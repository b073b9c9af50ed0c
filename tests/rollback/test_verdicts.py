"""What the hook finds of a commit, and whether it blames it."""

from __future__ import annotations

import time

import pytest

from tests.rollback.world import BAD, case, wait_for


@case
def test_a_good_commit_stays(world):
    world.commit(a_txt="fine\n")
    assert world.reverted() == []
    assert world.kinds() == []
    assert world.builds() == 1
    world.is_clean()


@case
def test_a_bad_commit_is_reverted_and_reported(world):
    before = world.tree()
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]
    assert world.tree() == before
    assert world.kinds() == ["rolled_back"]
    assert world.git("status", "--porcelain") == ""
    world.is_clean()


def test_a_failure_is_tried_again_before_anybody_is_blamed(world):
    world.commit("Break it", a_txt=BAD)
    assert world.builds() == 2
    assert world.incident["metadata"]["confirmed"] is True


@case
def test_a_tree_that_is_known_is_not_built_again(world):
    world.commit("Fine", a_txt="fine\n")
    world.git("commit", "-q", "--amend", "-m", "Better said")
    world.git("commit", "-q", "--allow-empty", "-m", "The same again")
    assert world.builds() == 1


def test_on_a_red_branch_nobody_innocent_is_reverted(world):
    world.unseen("Break it", a_txt=BAD)
    world.commit("Only docs", b_txt="better\n")
    assert world.reverted() == []
    assert world.kinds() == ["base_already_broken"]


@case
def test_an_innocent_commit_on_a_red_branch_stays(world):
    world.unseen("Break it", a_txt=BAD)
    world.commit("Only docs", b_txt="better\n")
    assert world.reverted() == []


def test_a_commit_that_turns_a_red_branch_green_is_good(world):
    world.unseen("Break it", a_txt=BAD)
    world.commit("Mend it", a_txt="fine\n")
    assert world.reverted() == []
    assert world.kinds() == []


@case
def test_a_flaky_build_takes_nothing_back(world):
    world.command('test -e "$HOME/flaked" || { touch "$HOME/flaked"; exit 1; }')
    world.commit(a_txt="fine\n")
    assert world.reverted() == []


def test_a_flaky_build_is_reported_as_such(world):
    world.command('test -e "$HOME/flaked" || { touch "$HOME/flaked"; exit 1; }')
    world.commit(a_txt="fine\n")
    assert world.kinds() == ["build_flaky"]
    world.commit(b_txt="fine, too\n")
    assert world.kinds() == ["build_flaky"]


def test_a_failure_on_a_base_that_was_flaky_blames_nobody(world):
    world.command('n=$(cat "$HOME/n" || echo 0); echo $((n + 1)) >"$HOME/n"; test "$n" = 1')
    world.commit(a_txt="fine\n")
    world.commit(b_txt="fails twice\n")
    assert world.reverted() == []
    assert world.kinds() == ["build_flaky", "build_flaky"]


@case
def test_a_build_that_is_too_slow_takes_nothing_back(world):
    world.command("sleep 100", budget=4)
    world.commit(a_txt="fine\n")
    assert world.reverted() == []


def test_a_build_that_is_too_slow_is_inconclusive_and_its_processes_end(world):
    world.command('echo $$ >"$HOME/pid"; sleep 101 & sleep 100', budget=4)
    began = time.monotonic()
    world.commit(a_txt="fine\n")
    assert time.monotonic() - began < 60
    assert world.kinds() == ["verify_inconclusive"]
    assert "did not end" in world.incident["message"]
    group = (world.folder / "pid").read_text().strip()
    wait_for(lambda: not world.run("ps", "-o", "pid=", "-g", group, check=False).strip())
    world.is_clean()


@pytest.mark.parametrize("code", [125, 126, 127, 130, 137, 143])
def test_a_build_that_could_not_run_is_inconclusive(world, code):
    world.command(f"grep -q one a.txt || exit {code}")
    world.commit(a_txt="fine\n")
    assert world.reverted() == []
    assert world.kinds() == ["verify_inconclusive"]
    assert world.incident["metadata"]["exitCode"] == code


@pytest.mark.parametrize("code", [1, 2, 124, 128, 255])
def test_any_other_exit_code_is_a_failure(world, code):
    world.command(f"grep -q one a.txt || exit {code}")
    bad = world.commit(a_txt="fine\n")
    assert world.reverted() == [bad]


@case
def test_a_missing_build_tool_takes_nothing_back(world):
    world.command("grep -q one a.txt || no-such-tool --build")
    world.commit(a_txt="fine\n")
    assert world.reverted() == []


@case
def test_a_full_disk_takes_nothing_back(world):
    world.command("grep -q one a.txt || { echo 'x: No space left on device' >&2; exit 1; }")
    world.commit(a_txt="fine\n")
    assert world.reverted() == []


@case
def test_a_commit_is_judged_and_not_the_work_tree(world):
    world.command("test -e helper.txt || test ! -e needs-helper")
    world.write("helper.txt", "forgotten\n")
    bad = world.commit("Forget the helper", **{"needs-helper": "yes\n"})
    assert world.reverted() == [bad]
    assert world.read("helper.txt") == "forgotten\n"


@case
def test_a_broken_work_tree_does_not_count_against_a_good_commit(world):
    world.write("b.txt", "BROKEN, but not committed\n")
    world.commit(a_txt="fine\n")
    assert world.reverted() == []
    assert world.read("b.txt") == "BROKEN, but not committed\n"


@case
def test_a_bad_root_is_reported_and_stays(world):
    world.git("checkout", "-q", "--orphan", "fresh")
    world.commit("Root", a_txt=BAD)
    assert world.reverted() == []
    assert world.git("log", "--format=%s").split() == ["Root"]
    assert world.kinds() == ["build_failed_root"]


@case
def test_on_a_detached_head_nothing_is_taken_back(world):
    world.git("checkout", "-q", "--detach")
    world.commit("Break it", a_txt=BAD)
    assert world.reverted() == []
    assert world.kinds() == ["rollback_blocked"]


@case
def test_a_revert_of_a_fix_is_judged_like_any_commit(world):
    world.unseen("Break it", a_txt=BAD)
    world.commit("Mend it", a_txt="fine\n")
    world.git("revert", "--no-edit", "HEAD")
    assert world.read("a.txt") == "fine\n"
    assert len(world.reverted()) == 2


@case
def test_a_subject_that_starts_with_revert_is_judged_like_any(world):
    bad = world.commit("Revert-proof the thing", a_txt=BAD)
    assert world.reverted() == [bad]


@case
def test_a_failing_build_on_a_protected_branch_is_reported_only(world):
    world.git("config", "--add", "evox.rollback.protected", "release/*")
    world.git("checkout", "-qb", "release/1")
    world.commit("Break it", a_txt=BAD)
    assert world.reverted() == []
    assert world.incident["metadata"]["reason"] == "protected"


def test_in_report_only_mode_nothing_is_reverted(world):
    world.git("config", "evox.rollback.mode", "report-only")
    world.commit("Break it", a_txt=BAD)
    assert world.reverted() == []
    assert world.incident["metadata"]["reason"] == "report-only"


def test_the_environment_overrides_the_configuration(world):
    world.env["EVOX_ROLLBACK_MODE"] = "report-only"
    world.commit("Break it", a_txt=BAD)
    assert world.reverted() == []


def test_a_pause_that_the_server_asks_for_is_kept(world):
    world.server.policy = {"paused": True, "reason": "release day", "until": None}
    world.commit("Break it", a_txt=BAD)
    assert world.reverted() == []
    assert world.incident["metadata"]["reason"] == "paused"
    assert "release day" in world.told


def test_only_so_many_reverts_an_hour_are_made(world):
    world.git("config", "evox.rollback.maxPerHour", "2")
    bad = [world.commit(f"Break it {n}", a_txt=BAD + str(n)) for n in range(3)]
    assert world.reverted() == bad[:2]
    assert world.kinds() == ["rolled_back", "rolled_back", "rollback_blocked"]
    assert world.server.heard[-1]["metadata"]["reason"] == "limit"


@pytest.mark.parametrize(
    ("name", "value"), [("budget", "soon"), ("mode", "async"), ("rerun", "no"), ("budget", "-1")]
)
def test_nonsense_in_the_configuration_is_said_and_nothing_is_judged(world, name, value):
    world.git("config", f"evox.rollback.{name}", value)
    world.commit("Break it", a_txt=BAD)
    assert world.reverted() == []
    assert value in world.told


def test_without_a_build_command_nothing_is_judged(world):
    world.git("config", "--unset", "evox.rollback.command")
    world.commit("Break it", a_txt=BAD)
    assert world.reverted() == []
    assert "evox.rollback.command" in world.told


def test_a_slow_build_on_a_green_base_is_taken_back_unconfirmed(world):
    # Of the budget, three seconds are kept for the rest: one build has time, two have not.
    world.command("grep -q BROKEN a.txt || exit 0; sleep 5; exit 1", budget=12.5)
    world.commit(b_txt="fine\n")
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]
    assert world.kinds() == ["rolled_back"]
    assert world.incident["metadata"]["confirmed"] is False
    assert "no time for a second" in world.incident["message"]


def test_rerun_always_reverts_nothing_after_one_failure(world):
    world.command("grep -q BROKEN a.txt || exit 0; sleep 5; exit 1", budget=12.5)
    world.git("config", "evox.rollback.rerun", "always")
    world.commit("Break it", a_txt=BAD)
    assert world.reverted() == []
    assert world.kinds() == ["verify_inconclusive"]


@pytest.mark.full
def test_a_build_of_80_seconds_is_taken_back_unconfirmed_within_two_minutes(world):
    world.command("grep -q BROKEN a.txt || exit 0; sleep 80; exit 1", budget=110)
    world.commit(b_txt="fine\n")
    began = time.monotonic()
    bad = world.commit("Break it", a_txt=BAD, timeout=130)
    assert time.monotonic() - began < 120
    assert world.reverted() == [bad]
    assert world.incident["metadata"]["confirmed"] is False


def test_what_git_ignores_can_be_lent_to_the_build(world):
    world.write("node_modules/lib", "installed\n")
    world.write(".git/info/exclude", "node_modules\n")
    world.command("test -e node_modules/lib")
    world.git("config", "--add", "evox.rollback.link", "node_modules")
    world.commit(a_txt="fine\n")
    assert world.kinds() == []
    assert world.read("node_modules/lib") == "installed\n"


def test_a_build_reads_nothing_and_knows_nothing_of_the_hooks_git(world):
    world.command('test -z "$GIT_DIR$GIT_INDEX_FILE$EVOX_KEY" && ! read line && git status -s')
    world.env["EVOX_KEY"] = "secret"
    world.git("-c", "user.name=Other", "commit", "-q", "--allow-empty", "-am", "x")
    world.commit(a_txt="fine\n")
    world.unseen("Another", b_txt="fine\n")
    world.run("/bin/sh", "-c", "yes | .git/hooks/post-rewrite rebase")
    assert world.kinds() == []


def test_what_a_build_commits_is_not_judged_itself(world):
    world.command('echo x >>"$BUILDS"; git commit -q --allow-empty -m x; git branch -f built')
    world.commit(a_txt="fine\n")
    assert world.git("log", "-1", "--format=%s", "built").strip() == "x"
    assert world.builds() == 1
    assert world.kinds() == []


def test_a_build_that_leaves_a_daemon_behind_does_not_wait_for_it(world):
    world.command("sleep 100 & exit 0")
    began = time.monotonic()
    world.commit(a_txt="fine\n")
    assert time.monotonic() - began < 60
    assert world.kinds() == []
