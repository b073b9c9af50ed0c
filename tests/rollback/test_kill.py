"""kill -9 at every step: nothing is lost, and `doctor` or the next hook puts it right."""

from __future__ import annotations

import signal

import pytest

from tests.rollback.world import BAD, wait_for

BEFORE = ["scratch", "rerun", "revert-made", "locked", "index-lock", "journal"]
AFTER = ["moved", "files", "index", "spooled"]
DONE = ["told"]


@pytest.fixture
def mine(world):
    """Work that is not committed, beside the commit that breaks the build."""
    world.commit(**{"c.txt": "c\n", "d.txt": "d\n"})
    world.write("b.txt", "staged\n")
    world.git("add", "b.txt")
    world.write("b.txt", "staged, then changed\n")
    world.write("new.txt", "untracked\n")
    world.write("d.txt", "changed\n")

    def is_there():
        assert world.git("show", ":b.txt") == "staged\n"
        assert world.read("b.txt") == "staged, then changed\n"
        assert world.read("new.txt") == "untracked\n"
        assert world.read("d.txt") == "changed\n"

    return is_there


def broken(world, step, before_it=""):
    """A bad commit that changes, adds and deletes a file; its hook dies on its way."""
    world.write("a.txt", BAD)
    world.write("e/f.txt", "BROKEN, too\n")
    world.git("add", "e/f.txt")
    (world.top / "c.txt").unlink()
    files = ["a.txt", "e/f.txt", "c.txt"]
    at = f"{step}:{before_it}kill -9 $PPID"
    world.git("commit", "-qm", "Break it", "--", *files, EVOX_ROLLBACK_AT=at)
    world.git("fsck", "--strict", "--no-dangling")
    return world.made()


def doctored(world):
    said = world.tool("doctor", check=False)
    again = world.tool("doctor", check=False)
    assert "fix" not in again
    world.is_clean()
    return said


def status(world):
    return sorted(world.git("status", "--porcelain").splitlines())


MINE = [" M d.txt", "?? new.txt", "MM b.txt"]


@pytest.mark.parametrize("step", BEFORE)
def test_killed_before_the_branch_moved_it_is_as_if_nobody_had_looked(world, mine, step):
    bad = broken(world, step)
    assert world.head == bad
    said = doctored(world)
    assert world.head == bad
    assert status(world) == MINE
    assert world.kinds() == []
    assert "was not judged" in said
    mine()
    world.run("/bin/sh", "-c", said.split("Judge HEAD now: ")[1].splitlines()[0])
    assert world.reverted() == [bad]
    assert status(world) == MINE
    assert world.kinds() == ["rolled_back"]
    mine()
    assert "All is well" in doctored(world)


@pytest.mark.parametrize("step", AFTER)
def test_killed_after_the_branch_moved_the_doctor_ends_the_revert(world, mine, step):
    before = world.tree()
    bad = broken(world, step)
    assert world.reverted() == [bad]
    doctored(world)
    assert world.reverted() == [bad]
    assert world.tree() == before
    assert status(world) == MINE
    assert world.read("c.txt") == "c\n"
    assert not (world.top / "e").exists()
    mine()
    world.tool("flush")
    assert world.kinds() == ["rolled_back"]
    assert world.incident["metadata"]["revertCommit"] == world.head


def test_killed_before_the_report_was_ticked_off_it_is_one_incident(world, mine):
    bad = broken(world, "told")
    assert world.reverted() == [bad]
    doctored(world)
    world.tool("flush")
    assert world.kinds() == ["rolled_back"]
    assert len(world.server.headers) == 1
    assert status(world) == MINE
    mine()


@pytest.mark.parametrize(
    "half", ["git show HEAD:a.txt >a.txt", "rm -r e", "git show HEAD:c.txt >c.txt"]
)
def test_killed_between_two_files_the_doctor_ends_the_revert(world, mine, half):
    broken(world, "moved", f"{half}; ")
    doctored(world)
    assert status(world) == MINE
    assert len(world.reverted()) == 1
    mine()


def test_what_somebody_changed_since_the_kill_is_left_as_it_is(world, mine):
    broken(world, "moved")
    world.write("a.txt", "mine since\n")
    said = doctored(world)
    assert "a.txt has work of its own" in said
    assert world.read("a.txt") == "mine since\n"
    assert world.read("c.txt") == "c\n"
    mine()


@pytest.mark.parametrize("step", [*BEFORE[:4], *DONE])
def test_killed_where_git_is_not_blocked_the_next_hook_puts_it_right(world, mine, step):
    bad = broken(world, step)
    if step in DONE:
        world.git("commit", "-q", "--allow-empty", "-m", "Next")
        assert world.reverted() == [bad]
    else:
        world.git("commit", "-q", "--allow-empty", "-m", "Next")
        assert "was not judged to the end" in world.said
        assert world.reverted() == []
        assert world.kinds() == ["base_already_broken"]
    world.is_clean()
    mine()


def test_killed_during_a_build_the_build_ends_with_the_doctor(world):
    world.command('echo $$ >"$HOME/pid"; touch "$HOME/begun"; sleep 60')
    world.git("add", world.write("a.txt", BAD).name)
    running = world.start("git", "commit", "-qm", "Break it")
    wait_for((world.folder / "begun").exists)
    hook = world.run("pgrep", "-P", str(running.pid)).split()[0]
    world.run("kill", "-9", hook)
    running.wait(timeout=200)
    group = (world.folder / "pid").read_text().strip()
    said = doctored(world)
    assert "a build that was killed is gone" in said
    wait_for(lambda: not world.run("ps", "-o", "pid=", "-g", group, check=False).strip())
    running.stdout.close()


def test_git_that_was_killed_takes_the_hook_with_it_or_not_and_all_is_well(world):
    world.command('touch "$HOME/begun"; sleep 0.7; ! grep BROKEN a.txt')
    world.git("add", world.write("a.txt", BAD).name)
    running = world.start("git", "commit", "-qm", "Break it")
    wait_for((world.folder / "begun").exists)
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=200)
    wait_for(lambda: world.kinds() == ["rolled_back"])
    assert len(world.reverted()) == 1
    world.is_clean()


def test_a_kill_in_a_linked_work_tree_is_repaired_from_the_main_one(world):
    path = world.folder / "linked"
    world.git("worktree", "add", "-q", "-b", "linked", str(path))
    (path / "a.txt").write_text(BAD)
    kill = {"EVOX_ROLLBACK_AT": "moved:kill -9 $PPID"}
    world.git("commit", "-qam", "Break it", at=path, **kill)
    world.tool("doctor", check=False)
    assert world.git("status", "--porcelain", at=path) == ""
    assert "BROKEN" not in (path / "a.txt").read_text()
    world.tool("flush")
    assert world.kinds() == ["rolled_back"]


def test_somebody_elses_lock_is_not_the_doctors(world):
    lock = world.write(".git/index.lock", b"DIRC")
    world.tool("doctor", check=False)
    assert lock.exists()


def test_a_journal_that_makes_no_sense_is_forgotten(world):
    world.write(".git/evox/journal.json", "{")
    assert "forgotten" in world.tool("doctor")
    world.is_clean()
