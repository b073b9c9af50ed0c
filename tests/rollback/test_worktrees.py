"""Linked work trees: one repository, several people in it."""

from __future__ import annotations

import time

import pytest

from tests.rollback.world import BAD, case, wait_for


def linked(world, name="linked", *options):
    path = world.folder / name
    world.git("worktree", "add", "-q", *options, "-b", name, str(path))
    return path


def break_it(world, path, text=BAD):
    (path / "a.txt").write_text(text)
    world.git("commit", "-qam", "Break it", at=path)


def last(world, path):
    return world.git("log", "-1", "--format=%s", at=path).strip()


@case
def test_a_commit_in_a_linked_work_tree_is_reverted_there_alone(world):
    path, head = linked(world), world.head
    world.write("a.txt", "mine, in the main one\n")
    break_it(world, path)
    assert last(world, path) == 'Revert "Break it"'
    assert "BROKEN" not in (path / "a.txt").read_text()
    assert world.head == head
    assert world.read("a.txt") == "mine, in the main one\n"
    assert world.kinds() == ["rolled_back"]
    assert world.incident["metadata"]["branch"] == "linked"
    assert world.git("status", "--porcelain", at=path) == ""


def test_a_commit_in_the_main_work_tree_leaves_the_linked_one_alone(world):
    path = linked(world)
    (path / "a.txt").write_text("theirs\n")
    world.git("add", "a.txt", at=path)
    world.commit("Break it", a_txt=BAD)
    assert len(world.reverted()) == 1
    assert (path / "a.txt").read_text() == "theirs\n"
    assert world.git("status", "--porcelain", at=path) == "M  a.txt\n"


def test_the_hooks_can_be_installed_from_a_linked_work_tree(world):
    path = linked(world)
    world.tool("uninstall")
    assert str(world.top / ".git/hooks") in world.install(at=path)
    world.commit("Break it", a_txt=BAD)
    assert len(world.reverted()) == 1
    assert "All is well" in world.run(
        "python3", str(world.top / ".git/evox/rollback.py"), "doctor", at=path
    )


def test_a_work_tree_may_have_settings_of_its_own(world):
    path = linked(world)
    world.git("config", "extensions.worktreeConfig", "true")
    world.git("config", "--worktree", "evox.rollback.mode", "report-only", at=path)
    break_it(world, path)
    assert last(world, path) == "Break it"
    world.commit("Break it", a_txt=BAD + "x")
    assert len(world.reverted()) == 1


def test_a_work_tree_with_a_folder_of_hooks_of_its_own(world):
    path = linked(world)
    world.git("config", "extensions.worktreeConfig", "true")
    world.git("config", "--worktree", "core.hooksPath", str(path / "hooks"), at=path)
    (path / "b.txt").write_text("nobody looks\n")
    world.git("commit", "-qam", "Unseen", at=path)
    assert world.builds() == 0
    assert str(path / "hooks") in world.install(at=path)
    break_it(world, path)
    assert last(world, path) == 'Revert "Break it"'


def test_two_work_trees_are_judged_at_the_same_time(world):
    first, second = linked(world, "first"), linked(world, "second")
    world.command(
        'touch "$HOME/$(git log -1 --format=%s)"; for i in $(seq 300); do '
        'test -e "$HOME/one" && test -e "$HOME/two" && break; sleep 0.02; done; '
        "grep -q BROKEN a.txt && exit 1; exit 0"
    )
    running = []
    for path, subject in ((first, "one"), (second, "two")):
        (path / "a.txt").write_text(BAD + subject)
        running.append(world.start("git", "-C", str(path), "commit", "-qam", subject))
    for process in running:
        process.communicate(timeout=200)
    assert last(world, first) == 'Revert "one"'
    assert last(world, second) == 'Revert "two"'
    assert sorted(world.kinds()) == ["rolled_back", "rolled_back"]
    world.git("fsck", "--strict", "--no-dangling")


def test_the_same_commit_taken_back_on_two_branches_is_two_reports(world):
    bad = world.commit("Break it", a_txt=BAD)
    path = linked(world, "other")
    time.sleep(1.1)  # Within one second the second revert would be the very same commit.
    world.git("reset", "-q", "--hard", "HEAD~2", at=path)
    world.git("merge", "-q", "--ff-only", bad, at=path)
    assert last(world, path) == 'Revert "Break it"'
    assert world.kinds() == ["rolled_back", "rolled_back"]
    assert len({body["idempotencyKey"] for body in world.server.heard}) == 2
    assert [body["metadata"]["branch"] for body in world.server.heard] == ["main", "other"]


def test_the_build_of_a_linked_work_tree_may_borrow_from_the_main_one(world):
    world.write("node_modules/lib", "installed\n")
    world.write(".git/info/exclude", "node_modules\n")
    path = linked(world)
    world.command("test -e node_modules/lib")
    world.git("config", "--add", "evox.rollback.link", "node_modules")
    (path / "b.txt").write_text("fine\n")
    world.git("commit", "-qam", "Fine", at=path)
    assert world.kinds() == []


def test_a_sparse_work_tree_is_judged_by_the_whole_commit(world):
    world.commit(**{"deep/c.txt": "fine\n"})
    path = linked(world)
    world.git("sparse-checkout", "set", "deep", at=path)
    world.command("test -e deep/c.txt && test -e a.txt && ! grep -rn BROKEN --include='*.txt' .")
    (path / "deep/c.txt").write_text("BROKEN\n")
    world.git("commit", "-qam", "Break it", at=path)
    assert last(world, path) == 'Revert "Break it"'
    assert (path / "deep/c.txt").read_text() == "fine\n"
    assert world.git("status", "--porcelain", at=path) == ""


def test_a_shallow_clone_reports_what_it_cannot_go_back_from(world):
    clone = world.folder / "clone"
    bad = world.unseen("Break it", a_txt=BAD)
    world.git("clone", "-q", "--depth=1", f"file://{world.top}", str(clone))
    world.install("--command", "! grep BROKEN a.txt", "--no-baseline", at=clone)
    world.git("commit", "-q", "--allow-empty", "-m", "Docs", at=clone)
    assert world.kinds() == ["base_already_broken"]
    assert bad


@pytest.mark.parametrize("gone", ["path", "remove"])
def test_a_work_tree_that_goes_away_during_its_build_harms_nobody(world, gone):
    path = linked(world)
    world.command('touch "$HOME/begun"; sleep 0.6; ! grep BROKEN a.txt')
    (path / "a.txt").write_text(BAD)
    running = world.start("git", "-C", str(path), "commit", "-qam", "Break it")
    wait_for((world.folder / "begun").exists)
    if gone == "path":
        path.rename(world.folder / "elsewhere")
    else:
        world.git("worktree", "remove", "--force", str(path))
    running.communicate(timeout=200)
    assert world.git("log", "-1", "--format=%s", "linked").strip() == "Break it"
    world.git("worktree", "prune")
    world.git("fsck", "--strict", "--no-dangling")
    assert list((world.top / ".git/evox/work").glob("*")) == []
