"""Commits that come while another is being judged. Builds wait for files, so that order is sure."""

from __future__ import annotations

import pytest

from tests.rollback.world import BAD, case, wait_for

# Of the first commit the build waits until it may go on; it says when it has begun.
WAITS = (
    'echo "$PWD" >>"$BUILDS"; subject=$(git log -1 --format=%s); '
    'if test "$subject" = Break; then touch "$HOME/begun"; '
    'for i in $(seq 400); do test -e "$HOME/go" && break; sleep 0.02; done; fi; '
    '! grep -rn BROKEN --include="*.txt" .'
)


def breaking(world, **files):
    """A bad commit whose build has begun and waits; `finish` lets it go on."""
    world.command(WAITS)
    for name, text in (files or {"a_txt": BAD}).items():
        world.git("add", world.write(name.replace("_", "."), text).name)
    running = world.start("git", "commit", "-qm", "Break")
    wait_for((world.folder / "begun").exists)
    return running


def finish(world, running):
    (world.folder / "go").touch()
    said = running.communicate(timeout=2000)[0].decode()
    assert running.returncode == 0
    return said


def subjects(world):
    return world.git("log", "--format=%s", "--reverse").splitlines()[2:]


@case
def test_an_unrelated_commit_meanwhile_stays_and_the_bad_one_goes(world):
    first = breaking(world)
    world.write("b.txt", "unrelated\n")
    second = world.start("git", "commit", "-qam", "Unrelated")
    wait_for(lambda: world.git("log", "-1", "--format=%s").strip() == "Unrelated")
    finish(world, first)
    second.communicate(timeout=2000)
    assert subjects(world) == ["Break", "Unrelated", 'Revert "Break"']
    assert world.read("b.txt") == "unrelated\n"
    assert "BROKEN" not in world.read("a.txt")
    assert sorted(world.kinds()) == ["fixed_forward", "rolled_back"]
    world.is_clean()


@case
def test_a_commit_meanwhile_that_fixes_it_makes_a_revert_needless(world):
    first = breaking(world)
    world.commit("Fix", a_txt="fine\n")
    said = finish(world, first)
    assert "passes" in said
    assert subjects(world) == ["Break", "Fix"]
    assert world.kinds() == ["fixed_forward"]
    world.is_clean()


@case
def test_a_commit_meanwhile_on_the_same_lines_stops_the_revert(world):
    first = breaking(world)
    world.write("a.txt", BAD.replace("BROKEN", "BROKEN still"))
    second = world.start("git", "commit", "-qam", "Worse")
    wait_for(lambda: world.git("log", "-1", "--format=%s").strip() == "Worse")
    finish(world, first)
    second.communicate(timeout=2000)
    assert subjects(world) == ["Break", "Worse"]
    reasons = [body["metadata"].get("reason") for body in world.server.heard]
    assert "conflict" in reasons
    assert "rolled_back" not in world.kinds()
    world.is_clean()


@case
def test_an_amended_commit_is_no_longer_reverted(world):
    first = breaking(world)
    world.write("a.txt", "fine\n")
    world.git("commit", "-qa", "--amend", "-m", "Fine")
    finish(world, first)
    assert subjects(world) == ["Fine"]
    assert world.kinds() == ["rollback_moot"]
    world.is_clean()


@case
def test_of_two_bad_commits_both_are_reverted_each_by_its_own_guilt(world):
    before = world.tree()
    first = breaking(world)
    world.write("b.txt", "BROKEN, too\n")
    second = world.start("git", "commit", "-qam", "Break more")
    wait_for(lambda: world.git("log", "-1", "--format=%s").strip() == "Break more")
    finish(world, first)
    second.communicate(timeout=2000)
    assert subjects(world) == ["Break", "Break more", 'Revert "Break"', 'Revert "Break more"']
    assert world.tree() == before
    assert world.kinds() == ["rolled_back", "rolled_back"]
    world.is_clean()


@case
def test_another_branch_meanwhile_is_left_alone(world):
    first = breaking(world)
    world.git("checkout", "-qb", "other", "HEAD~1")
    head = world.head
    finish(world, first)
    assert world.head == head
    assert world.reverted() == []
    assert world.incident["metadata"]["reason"] == "switched"
    assert "Another branch" in world.incident["message"]


@pytest.mark.parametrize("step", ["locked", "checked"])
def test_a_branch_that_is_switched_to_in_the_last_instant_stays(world, step):
    world.env["EVOX_ROLLBACK_AT"] = f"{step}:git checkout -qb other"
    bad = world.commit("Break", a_txt=BAD)
    assert world.git("rev-parse", "main", "other").split() == [bad, bad]
    assert world.git("status", "--porcelain") == ""
    assert world.incident["metadata"]["reason"] == "switched"
    world.is_clean()


def test_on_a_red_branch_an_innocent_commit_stays_though_others_came_since(world):
    world.unseen("Break it", a_txt=BAD)
    first = breaking(world, b_txt="docs, though its subject says otherwise\n")
    world.unseen("Unrelated", c_txt="unrelated\n")
    finish(world, first)
    assert subjects(world) == ["Break it", "Break", "Unrelated"]
    assert world.kinds() == ["base_already_broken"]


@pytest.mark.parametrize("how", [["checkout", "-q", "--detach"], ["bisect", "start"]])
def test_what_else_was_begun_meanwhile_stops_the_revert(world, how):
    first = breaking(world)
    world.git(*how)
    finish(world, first)
    assert world.reverted() == []
    assert world.incident["metadata"]["reason"] == {"checkout": "switched"}.get(how[0], "operation")


def test_a_merge_with_conflicts_meanwhile_is_left_alone(world):
    world.git("checkout", "-qb", "side")
    world.commit("Side", a_txt="side\n")
    world.git("checkout", "-q", "main")
    first = breaking(world)
    world.git("merge", "side", check=False)
    status = world.git("status", "--porcelain")
    finish(world, first)
    assert world.git("status", "--porcelain") == status
    assert world.incident["metadata"]["reason"] == "operation"


@pytest.mark.parametrize("step", ["locked", "index-lock", "journal"])
def test_a_commit_in_the_last_instant_is_lost_never(world, step):
    """Before the index is locked it comes through, and after that Git refuses it."""
    world.env["EVOX_ROLLBACK_AT"] = (
        f"{step}:test -e went || {{ touch went; echo late >b.txt; "
        "EVOX_ROLLBACK_ACTIVE=1 git commit -qam Late || touch refused; }"
    )
    bad = world.commit("Break", a_txt=BAD)
    assert len(world.reverted()) == 1
    assert world.read("b.txt") == "late\n"
    if step == "locked":
        assert subjects(world) == ["Break", "Late", 'Revert "Break"']
        assert world.git("status", "--porcelain", "-uno") == ""
    else:
        assert (world.top / "refused").exists()
        assert subjects(world) == ["Break", 'Revert "Break"']
        assert world.git("status", "--porcelain", "-uno") == " M b.txt\n"
    assert bad
    world.is_clean()


def test_a_branch_that_was_moved_behind_gits_back_is_seen_by_compare_and_swap(world):
    world.env["EVOX_ROLLBACK_AT"] = (
        "journal:test -e went || { touch went; git update-ref refs/heads/main "
        "$(git commit-tree -p HEAD -m Behind HEAD^{tree}); }"
    )
    world.commit("Break", a_txt=BAD)
    assert subjects(world) == ["Break", "Behind", 'Revert "Break"']
    assert world.kinds() == ["rolled_back"]
    world.is_clean()


def test_an_edit_in_the_last_instant_is_lost_never(world):
    world.env["EVOX_ROLLBACK_AT"] = "moved:echo precious >>a.txt"
    bad = world.commit("Break", a_txt=BAD)
    assert world.head == bad
    assert world.read("a.txt") == BAD + "precious\n"
    assert world.incident["metadata"]["reason"] == "dirty"
    world.is_clean()


def test_somebody_elses_lock_of_the_index_is_waited_for_and_then_respected(world):
    world.env["EVOX_ROLLBACK_AT"] = "locked:touch .git/index.lock"
    bad = world.commit("Break", a_txt=BAD)
    assert world.head == bad
    assert world.incident["metadata"]["reason"] == "busy"
    assert (world.top / ".git" / "index.lock").exists()
    assert (world.top / ".git" / "index.lock").read_text() == ""


def test_the_same_commit_is_judged_by_one_process_only(world):
    first = breaking(world)
    said = world.run(".git/hooks/post-commit")
    assert said == ""
    finish(world, first)
    assert len(world.reverted()) == 1
    assert world.kinds() == ["rolled_back"]


def test_an_interrupted_hook_says_so_and_ends_its_build(world):
    first = breaking(world)
    pid = world.run("pgrep", "-P", str(first.pid)).split()[0]
    world.run("kill", "-INT", pid)
    said = first.communicate(timeout=200)[0].decode()
    assert "not judged: SIGINT" in said
    assert world.reverted() == []
    assert "(interrupted)" in world.tool("doctor", check=False)
    assert list((world.top / ".git" / "evox" / "work").iterdir()) == []
    (world.folder / "go").touch()
    world.run(".git/hooks/post-commit")
    assert len(world.reverted()) == 1
    world.is_clean()
