"""Installing the hooks, beside whatever is there, and taking them out again."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rollback.world import BAD, INSTALL, ROOT, TOOL

NAMES = ("post-commit", "post-merge", "post-rewrite")


def hook_of_before(world, folder=".git/hooks", name="post-commit"):
    """A hook that somebody else wrote."""
    text = f'#!/bin/sh\necho "{name} $*" >>"$HOME/before"\ncat >>"$HOME/before"\n'
    file = world.write(f"{folder}/{name}", text)
    file.chmod(0o755)
    return text


def ran_before(world):
    file = world.folder / "before"
    return file.read_text() if file.exists() else ""


def fresh(world):
    for name in NAMES:
        (world.top / ".git/hooks" / name).unlink()


def test_hooks_that_were_there_run_first_with_their_arguments_and_input(world):
    fresh(world)
    for name in NAMES:
        hook_of_before(world, name=name)
    said = world.install()
    assert "post-commit was there" in said
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]
    world.write("b.txt", "x\n")
    world.git("commit", "-qa", "--amend", "--no-edit")
    assert ran_before(world).startswith("post-commit \npost-commit \npost-rewrite amend\n")
    assert world.head in ran_before(world)


def test_a_hook_that_was_there_and_fails_stops_nothing(world):
    fresh(world)
    world.write(".git/hooks/post-commit", "#!/bin/sh\nexit 3\n").chmod(0o755)
    world.install()
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]


def test_a_hook_that_cannot_be_executed_is_kept_and_not_run(world):
    fresh(world)
    hook_of_before(world)
    (world.top / ".git/hooks/post-commit").chmod(0o644)
    world.install()
    world.commit("Fine", b_txt="fine\n")
    assert ran_before(world) == ""
    assert "Git never ran it" in world.tool("doctor", check=False)


def test_installing_twice_changes_nothing(world):
    fresh(world)
    hook_of_before(world)
    world.install()
    hooks = sorted((world.top / ".git/hooks").glob("*"))
    assert "was there" not in world.install()
    assert sorted((world.top / ".git/hooks").glob("*")) == hooks
    world.commit("Fine", b_txt="fine\n")
    assert ran_before(world) == "post-commit \n"


def test_a_hook_that_came_after_the_first_install_loses_nobody_anything(world):
    fresh(world)
    first = hook_of_before(world)
    world.install()
    (world.top / ".git/hooks/post-commit").unlink()
    second = "#!/bin/sh\necho second >>$HOME/before\n"
    world.write(".git/hooks/post-commit", second).chmod(0o755)
    world.install()
    kept = {
        file.name: file.read_text() for file in (world.top / ".git/hooks").glob("*before-evox*")
    }
    assert kept == {"post-commit.before-evox": second, "post-commit.before-evox.1": first}


def test_uninstall_puts_back_what_was_there(world):
    fresh(world)
    text = hook_of_before(world)
    world.install()
    said = world.tool("uninstall")
    assert "what it was before" in said
    assert (world.top / ".git/hooks/post-commit").read_text() == text
    assert not (world.top / ".git/hooks/post-merge").exists()
    world.commit("Break it", a_txt=BAD)
    assert world.reverted() == []
    assert world.said == ""


def test_the_folder_that_core_hookspath_names_is_used(world):
    fresh(world)
    world.git("config", "core.hooksPath", ".githooks")
    hook_of_before(world, ".githooks")
    assert ".githooks" in world.install()
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]
    assert ran_before(world) == "post-commit \n"
    assert list((world.top / ".git/hooks").glob("post-*[!e]")) == []


def test_a_folder_of_hooks_for_all_repositories_does_nothing_in_the_others(world):
    fresh(world)
    everywhere = world.folder / "every where"
    everywhere.mkdir()
    (world.folder / ".gitconfig").write_text(f'[core]\n\thooksPath = "{everywhere}"\n')
    assert "other repositories use that folder" in world.install()
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]
    other = world.folder / "other"
    world.git("init", "-q", str(other))
    world.git("commit", "-q", "--allow-empty", "-m", "x", at=other)
    assert world.said == ""
    assert "stay" in world.tool("uninstall")
    world.commit("Break it", a_txt=BAD + "x")
    assert len(world.reverted()) == 1


def test_a_missing_tool_is_one_line_and_no_failure(world):
    (world.top / ".git/evox/rollback.py").unlink()
    world.commit("Break it", a_txt=BAD)
    assert world.reverted() == []
    assert world.told.count("\n") == 1
    assert "is missing" in world.told


def test_a_python_that_is_gone_is_replaced_by_the_one_on_the_path(world):
    world.write(".git/evox/python", "/no/such/python\n")
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]


def test_the_hook_copied_by_hand_says_what_is_missing(world):
    other = world.folder / "by hand"
    world.git("init", "-q", str(other))
    world.git("config", "evox.rollback.command", "true", at=other)
    shutil.copy(ROOT / "scripts/post-commit-rollback.sh", other / ".git/hooks/post-commit")
    world.git("commit", "-q", "--allow-empty", "-m", "x", at=other)
    assert "nothing is judged" in world.said


def test_a_failure_inside_the_tool_is_one_line_and_no_failure(world):
    shutil.rmtree(world.top / ".git/evox/verdicts")
    world.write(".git/evox/verdicts", "not a folder\n")
    world.commit("Fine", b_txt="fine\n")
    assert world.told.startswith("evox: not judged: ")
    assert "Traceback" in (world.top / ".git/evox/last-error").read_text()
    assert "last-error" in world.tool("doctor", check=False)


def test_install_judges_head_so_that_the_first_base_is_known(world):
    assert len(list((world.top / ".git/evox/verdicts").glob("*"))) == 1
    world.commit("Break it", a_txt=BAD)
    assert world.builds() == 2


def test_install_into_a_repository_without_commits_and_without_a_command(world):
    empty = world.folder / "empty"
    world.git("init", "-q", str(empty))
    said = world.install(at=empty)
    assert "evox.rollback.command" in said
    world.install("--command", "false", at=empty)
    world.git("commit", "-q", "--allow-empty", "-m", "Root", at=empty)
    assert world.kinds() == ["build_failed_root"]


def test_install_keeps_what_it_is_given(world):
    world.install("--server", "http://127.0.0.1:9", "--agent", "MAX", "--command", "true")
    assert world.git("config", "evox.server").strip() == "http://127.0.0.1:9"
    assert world.git("config", "evox.agent").strip() == "MAX"
    assert "MAX" in world.tool("status")


def test_install_where_there_is_no_repository_says_so(world):
    done = subprocess.run(
        [INSTALL, "/"], env=world.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("evox: fatal: not a git repository")
    assert done.stderr.count("\n") == 1


def test_doctor_says_that_all_is_well_where_it_is(world):
    said = world.tool("doctor")
    assert "The hooks are installed" in said
    assert "answers" in said
    assert "No report waits" in said
    assert "passed in" in said
    assert said.endswith("All is well.\n")


def test_doctor_says_what_is_missing(world):
    (world.top / ".git/hooks/post-merge").unlink()
    world.git("config", "--unset", "evox.rollback.command")
    world.env["EVOX_URL"] = "http://127.0.0.1:1"
    said = world.tool("doctor", check=False)
    for text in ("post-merge not installed", "No build", "can't be reached", "3 of these need you"):
        assert text in said


@pytest.mark.parametrize(
    ("status", "policy", "said"),
    [
        (401, {}, "wants a key"),
        (404, {}, "is it EVOX?"),
        (200, {"paused": True, "reason": "release day"}, "paused there, so none happens: release"),
    ],
)
def test_doctor_says_what_the_server_says(world, status, policy, said):
    world.server.policy, world.server.policy_status = policy, status
    assert said in world.tool("doctor", check=False)


def test_verify_judges_and_does_nothing_about_it(world):
    bad = world.unseen("Break it", a_txt=BAD)
    said = world.tool("verify", check=False)
    assert f"{bad[:12]} Break it: fail (exit 1)" in said
    assert "Second: pass (exit 0), its base" in said
    assert world.head == bad
    assert world.kinds() == []
    assert "pass" in world.tool("verify", "HEAD~1")


def test_a_work_tree_apart_from_its_repository_is_served_too(world):
    """As people keep the files of their home folder."""
    bare = world.folder / "home.git"
    (world.top / ".git").rename(bare)
    git = ["--git-dir", str(bare), "--work-tree", str(world.top)]
    world.write("a.txt", BAD)
    world.git(*git, "commit", "-qam", "Break it")
    assert world.git(*git, "log", "-1", "--format=%s").strip() == 'Revert "Break it"'
    assert "BROKEN" not in world.read("a.txt")
    assert world.kinds() == ["rolled_back"]


def test_the_tool_is_one_file_of_plain_python_3_8():
    tree = ast.parse(TOOL.read_text(), feature_version=(3, 8))
    modules = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    known = {"fcntl", "json", "os", "select", "signal", "subprocess", "sys", "time", "zlib"}
    lazy = {"argparse", "fnmatch", "hashlib", "re", "shlex", "shutil", "traceback", "http.client"}
    web = {"urllib.error", "urllib.parse", "urllib.request"}
    hints = {"__future__", "collections.abc", "typing", "contextlib", "pathlib"}
    assert modules <= known | lazy | web | hints


def old_python():
    found = [shutil.which("python3.8")]
    found += [str(path) for path in Path.home().glob(".pyenv/versions/3.8*/bin/python3.8")]
    for name in found:
        if name and os.access(name, os.X_OK):
            asked = subprocess.run([name, "-V"], capture_output=True, check=False)
            if asked.returncode == 0:
                return name
    return None


@pytest.mark.skipif(old_python() is None, reason="there is no Python 3.8")
def test_under_python_3_8_the_whole_way_works(world):
    python = old_python()
    shutil.rmtree(world.top / ".git/evox")
    world.run(python, "-I", str(TOOL), "install", ".", "--no-baseline")
    assert os.path.realpath(python) in (world.top / ".git/evox/python").read_text()
    world.env["EVOX_ROLLBACK_AT"] = (
        "locked:test -e went || { touch went; EVOX_ROLLBACK_ACTIVE=1 git commit -qm x b.txt; }"
    )
    world.write("b.txt", "meanwhile\n")
    world.commit("Break it", a_txt=BAD)
    del world.env["EVOX_ROLLBACK_AT"]
    assert len(world.reverted()) == 1
    assert world.kinds() == ["rolled_back"]
    for command in ("doctor", "status", "verify", "flush", "uninstall"):
        world.run(python, "-I", str(TOOL), command)
