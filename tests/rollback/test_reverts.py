"""How a commit is taken back: what the revert is, and what it leaves alone."""

from __future__ import annotations

import os
import re

import pytest

from tests.rollback.world import BAD, case, wait_for

AWKWARD = 'Say "it\'s done" \\ $HOME `id`\n\nA body: "quoted", é ü 🎉\n\tand a tab\n\nRefs: EV-7\n'


@case
def test_a_message_with_quotes_newlines_and_trailers_arrives_whole(world):
    bad = world.commit(AWKWARD, a_txt=BAD)
    assert world.reverted() == [bad]
    assert AWKWARD.strip() in str(world.incident["metadata"]["commitMessage"])


@case
def test_a_build_error_with_quotes_and_control_characters_arrives_whole(world):
    world.command(
        r"""grep -q BROKEN a.txt || exit 0; printf 'He said "no"\n\ttab \\ \033[31mred\n'; exit 1"""
    )
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]
    assert 'He said "no"\n\ttab \\ ' in world.incident["metadata"]["buildError"]


@case
def test_the_original_body_is_what_the_server_hears(world):
    bad = world.commit("Break it", a_txt=BAD)
    body = world.incident
    assert body["level"] == "error"
    assert body["metadata"]["originalCommit"] == bad
    assert body["metadata"]["revertCommit"] == world.head
    assert body["metadata"]["branch"] == "main"
    assert body["metadata"]["commitMessage"] == "Break it"
    assert "BROKEN" in body["metadata"]["buildError"]


def test_the_report_says_all_that_is_known_of_the_commit(world):
    world.git("config", "evox.agent", "SAM")
    world.git("config", "evox.repository", "example/thing")
    parent = world.head
    bad = world.commit("Break it\n\nEvox-Dispatch: 42", a_txt=BAD)
    about = world.incident["metadata"]
    assert world.incident["agentName"] == "SAM"
    assert world.incident["title"] == f"{bad[:12]} on main: Break it"
    assert about["repository"] == "example/thing"
    assert about["parents"] == [parent]
    assert (about["pushed"], about["exitCode"], about["dispatchId"]) == (False, 1, 42)
    assert about["command"] == world.BUILD
    assert 0 < about["elapsedMs"] < 60_000
    assert re.match(r"\d{4}-\d\d-\d\dT", about["committedAt"])
    key = world.server.headers[0]["Idempotency-Key"]
    assert key == world.incident["idempotencyKey"]
    assert bad in about["originalCommit"]


def test_the_revert_carries_gits_own_message_and_a_trailer(world):
    bad = world.commit('Break "it"', a_txt=BAD)
    said = world.git("log", "-1", "--format=%B").strip()
    assert said == (f'Revert "Break "it""\n\nThis reverts commit {bad}.\n\nEvox-Rollback-Of: {bad}')
    shown = world.git("log", "-1", "--format=%(trailers:key=Evox-Rollback-Of,valueonly)")
    assert shown.strip() == bad


def test_the_agent_reads_what_failed_and_how_to_get_it_back(world):
    world.command("grep -q BROKEN a.txt || exit 0; seq 100; exit 3")
    bad = world.commit("Break it", a_txt=BAD)
    lines = world.told.splitlines()
    assert [line.strip() for line in lines if line.strip().isdigit()] == [
        str(number) for number in range(81, 101)
    ]
    assert any("exit 3" in line for line in lines)
    assert bad[:12] in lines[-2]
    assert "was reverted" in lines[-2]
    back = re.search(r"git revert (\w+)$", lines[-1])
    world.command("true")
    world.git("revert", "--no-edit", back[1])
    assert "BROKEN" in world.read("a.txt")


@case
def test_spaces_and_unicode_in_paths_are_no_trouble(world):
    moved = world.top.rename(world.folder / 'a wörk träe\'s "place"')
    world.top = moved
    name = 'dir with space/ünï "quoted" \\ file.txt'
    bad = world.commit("Break it", **{name: "BROKEN\n"})
    assert world.reverted() == [bad]
    assert not (world.top / "dir with space").exists()
    assert world.kinds() == ["rolled_back"]


@case
def test_changed_and_staged_work_in_other_files_survives(world):
    world.write("c.txt", "staged\n")
    world.write("b.txt", "staged, then\n")
    bad_file = world.write("a.txt", BAD)
    world.git("add", "c.txt", "b.txt")
    world.write("b.txt", "staged, then changed\n")
    world.write("d.txt", "untracked\n")
    world.git("commit", "-qm", "Break it", str(bad_file))
    assert world.reverted() == [world.made()]
    assert world.git("diff", "--cached", "--name-only").split() == ["b.txt", "c.txt"]
    assert world.git("show", ":b.txt") == "staged, then\n"
    assert world.read("b.txt") == "staged, then changed\n"
    assert world.read("d.txt") == "untracked\n"


@case
def test_work_in_the_same_file_survives_and_nothing_is_reverted(world):
    world.write("a.txt", BAD)
    world.git("add", "a.txt")
    world.write("a.txt", BAD + "and more, uncommitted\n")
    world.git("commit", "-qm", "Break it")
    assert world.reverted() == []
    assert world.read("a.txt") == BAD + "and more, uncommitted\n"
    assert world.kinds() == ["rollback_blocked"]
    assert "evox" not in world.git("log", "-g", "--format=%gs")
    world.is_clean()


def test_blocked_by_work_in_the_same_file_the_printed_command_does_it(world):
    before = world.tree()
    world.write("b.txt", "staged elsewhere\n")
    world.git("add", "b.txt")
    bad_file = world.write("a.txt", BAD)
    world.env["EVOX_ROLLBACK_AT"] = "locked:echo six and a half >>a.txt"
    world.git("commit", "-qm", "Break it", str(bad_file))
    del world.env["EVOX_ROLLBACK_AT"]
    told, bad = world.said, world.made()
    assert "uncommitted work in files of the commit: a.txt." in told
    assert world.incident["metadata"]["reason"] == "dirty"
    assert world.incident["metadata"]["paths"] == ["a.txt"]
    world.run("/bin/sh", "-c", re.search(r"To revert it: (.+)", told)[1])
    assert world.reverted() == [bad]
    assert world.tree() == before
    assert world.read("a.txt").endswith("six and a half\n")
    assert world.read("b.txt") == "staged elsewhere\n"


@case
def test_work_that_is_staged_in_the_same_file_during_the_build_survives(world):
    world.command(
        'grep -q BROKEN a.txt || exit 0; cd "$HOME/work"; grep -q more a.txt && exit 1; '
        "echo more >>a.txt; git add a.txt; exit 1"
    )
    world.commit("Break it", a_txt=BAD)
    assert world.git("show", ":a.txt") == BAD + "more\n"
    assert world.read("a.txt") == BAD + "more\n"
    assert world.reverted() == []
    assert world.kinds() == ["rollback_blocked"]


@case
def test_a_file_that_the_commit_deleted_comes_back(world):
    world.command("test -e b.txt")
    world.git("rm", "-q", "b.txt")
    world.git("commit", "-qm", "Delete it")
    assert world.read("b.txt") == "other\n"
    assert world.git("status", "--porcelain") == ""


@pytest.mark.parametrize("ignored", [False, True])
def test_a_file_that_took_the_place_of_a_deleted_one_is_not_overwritten(world, ignored):
    world.command("test -e b.txt")
    world.git("rm", "-q", "b.txt")
    if ignored:
        world.write(".git/info/exclude", "b.txt\n")
    world.env["EVOX_ROLLBACK_AT"] = "locked:echo precious >b.txt"
    world.git("commit", "-qm", "Delete it")
    told = world.said
    assert world.read("b.txt") == "precious\n"
    assert world.reverted() == []
    assert world.incident["metadata"]["reason"] == "dirty"
    assert world.incident["metadata"]["paths"] == ["b.txt"]
    world.run("/bin/sh", "-c", re.search(r"To revert it: (.+)", told)[1])
    assert world.read("b.txt") == "other\n"
    assert world.read("b.txt.mine") == "precious\n"


@pytest.mark.parametrize("what", ["file", "link"])
def test_an_ignored_file_where_a_folder_comes_back_is_not_overwritten(world, what):
    world.commit(**{"deep/er/c.md": "text\n"})
    world.command("test -e deep/er/c.md")
    world.write(".git/info/exclude", "deep\n")
    world.git("rm", "-qr", "deep")
    make = {"file": "echo precious >deep", "link": "ln -s b.txt deep"}[what]
    world.env["EVOX_ROLLBACK_AT"] = f"locked:{make}"
    world.git("commit", "-qm", "Delete it")
    assert world.read("deep") == {"file": "precious\n", "link": "other\n"}[what]
    assert world.reverted() == []
    assert world.incident["metadata"]["paths"] == ["deep"]


def test_ignored_files_in_a_folder_where_a_file_comes_back_are_not_deleted(world):
    world.commit(c="text\n")
    world.command("test -f c")
    world.write(".git/info/exclude", "*.log\n")
    world.git("rm", "-q", "c")
    world.write("c/mine.log", "precious\n")
    world.write("c/theirs", "new\n")
    world.git("add", "c")
    world.git("commit", "-qm", "Make it a folder")
    assert world.read("c/mine.log") == "precious\n"
    assert world.reverted() == []


def test_a_folder_that_became_a_file_comes_back(world):
    world.commit(**{"c/d": "text\n"})
    world.command("test -f c/d")
    world.git("rm", "-qr", "c")
    world.write("c", "new\n")
    world.git("add", "c")
    world.git("commit", "-qm", "Make it a file")
    assert world.read("c/d") == "text\n"
    assert world.git("status", "--porcelain") == ""


def test_a_file_changed_in_the_same_instant_as_the_index_is_not_overwritten(world):
    """Git calls such an entry racily clean: its size and times say that nothing changed."""
    world.git("config", "core.trustctime", "false")
    world.run("touch", "-d", "10 seconds ago", str(world.write("a.txt", BAD)))
    world.env["EVOX_ROLLBACK_AT"] = (
        'locked:touch -r a.txt "$HOME/stamp"; '
        r"printf 'one\nPRECIO' | dd of=a.txt conv=notrunc status=none; "
        'touch -r "$HOME/stamp" a.txt .git/index'
    )
    world.git("commit", "-qam", "Break it")
    assert world.read("a.txt").startswith("one\nPRECIO\n")
    assert world.reverted() == []


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_changes_that_git_was_told_not_to_see_survive(world, flag):
    world.write("a.txt", BAD)
    world.git("add", "a.txt")
    world.env["EVOX_ROLLBACK_AT"] = f"locked:git update-index {flag} a.txt; echo mine >>a.txt"
    world.git("commit", "-qm", "Break it")
    assert world.read("a.txt") == BAD + "mine\n"


@case
def test_modes_links_and_binary_files_come_back_as_they_were(world):
    binary = bytes(range(256)) * 40
    world.write("data.bin", binary)
    world.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    (world.top / "link").symlink_to("a.txt")
    world.git("add", ".")
    world.git("commit", "-qm", "More kinds of files")
    before = world.tree()
    (world.top / "run.sh").chmod(0o644)
    (world.top / "link").unlink()
    world.write("link", "no link\n")
    world.write("data.bin", binary[::-1])
    world.write("a.txt", BAD)
    world.git("commit", "-qam", "Break it")
    assert world.tree() == before
    assert world.git("status", "--porcelain") == ""
    assert (world.top / "data.bin").read_bytes() == binary
    assert (world.top / "link").is_symlink()


@case
def test_a_merge_by_commit_is_reverted_to_its_first_parent(world):
    world.git("checkout", "-qb", "side")
    world.commit("Side", a_txt="side\n")
    world.git("checkout", "-q", "main")
    world.commit("Main", a_txt="main\n")
    before = world.tree()
    world.git("merge", "side", check=False)
    bad = world.commit("Merge it wrongly", a_txt=BAD)
    assert world.reverted() == [bad]
    assert world.tree() == before
    assert world.kinds() == ["rolled_back"]


@case
def test_a_clean_merge_that_breaks_the_build_is_reverted_to_its_first_parent(world):
    world.command("! { test -e c.txt && test -e d.txt; }")
    world.git("checkout", "-qb", "side")
    world.commit("Side", c_txt="side\n")
    world.git("checkout", "-q", "main")
    world.commit("Main", d_txt="main\n")
    before = world.tree()
    world.git("merge", "-q", "--no-edit", "side")
    assert world.tree() == before
    assert world.kinds() == ["rolled_back"]
    assert world.git("status", "--porcelain") == ""
    world.is_clean()


def test_the_revert_of_a_merge_says_which_parent_stays(world):
    test_a_clean_merge_that_breaks_the_build_is_reverted_to_its_first_parent(world)
    merge, first = world.git("log", "-1", "--format=%H %P", "HEAD^").split()[:2]
    said = world.git("log", "-1", "--format=%B")
    assert f"This reverts commit {merge}, reversing\nchanges made to {first}.\n" in said


@case
def test_a_squash_merge_is_judged_when_it_is_committed(world):
    world.git("checkout", "-qb", "side")
    world.unseen("Side", a_txt=BAD)
    world.git("checkout", "-q", "main")
    world.unseen("Main", b_txt="main\n")
    world.git("merge", "-q", "--squash", "side")
    assert world.builds() == 0
    bad = world.commit("Squashed")
    assert world.reverted() == [bad]


@case
def test_a_merge_that_only_moves_forward_is_judged_by_its_tip(world):
    world.git("checkout", "-qb", "side")
    bad = world.unseen("Side", a_txt=BAD)
    world.git("checkout", "-q", "main")
    world.git("merge", "-q", "side")
    assert world.reverted() == [bad]
    assert world.kinds() == ["rolled_back"]


def test_what_was_pulled_from_upstream_is_reported_and_not_reverted(world):
    there = world.folder / "there"
    world.git("clone", "-q", str(world.top), str(there))
    (there / "a.txt").write_text(BAD)
    world.git("commit", "-qam", "Break it there", at=there)
    world.git("remote", "add", "origin", str(there))
    world.git("fetch", "-q", "origin")
    world.git("branch", "-q", "-u", "origin/main")
    world.git("pull", "-q", "--ff-only")
    assert world.reverted() == []
    assert world.incident["metadata"]["reason"] == "pulled"
    assert world.incident["metadata"]["pushed"] is True


@case
def test_an_amended_commit_is_judged_anew(world):
    before = world.tree()
    world.commit("Fine", b_txt="fine\n")
    world.write("a.txt", BAD)
    world.git("commit", "-qa", "--amend", "--no-edit")
    assert world.tree() == before
    assert world.kinds() == ["rolled_back"]
    assert len(world.reverted()) == 1


@case
def test_a_cherry_pick_that_breaks_the_build_is_reverted(world):
    world.git("checkout", "-qb", "side")
    world.unseen("Side", a_txt=BAD)
    world.git("checkout", "-q", "main")
    before = world.tree()
    world.git("cherry-pick", "side")
    assert world.tree() == before
    assert world.kinds() == ["rolled_back"]
    assert world.git("status", "--porcelain") == ""
    assert not (world.top / ".git" / "CHERRY_PICK_HEAD").exists()
    world.is_clean()


def side(world, *names):
    world.git("checkout", "-qb", "side")
    for name in names:
        world.unseen(f"Add {name}", **{name: f"{name}\n"})
    world.git("checkout", "-q", "main")


@case
def test_of_a_sequence_of_picks_only_the_last_is_judged(world):
    side(world, "c_txt", "d_txt", "e_txt")
    world.git("cherry-pick", "main..side")
    assert world.builds() == 1
    assert world.kinds() == []
    world.is_clean()


def test_the_last_of_a_sequence_of_picks_is_reverted_when_it_breaks_the_build(world):
    side(world, "c_txt", "d_txt", "e_txt")
    world.command("test ! -e e.txt")
    world.git("cherry-pick", "main..side")
    assert world.git("log", "--format=%s").split("\n")[0] == 'Revert "Add e_txt"'
    assert not (world.top / "e.txt").exists()
    assert world.git("status", "--porcelain") == ""
    assert not (world.top / ".git" / "sequencer").exists()


@case
def test_a_rebase_is_judged_once_at_its_end(world):
    side(world, "c_txt", "d_txt", "e_txt", "f_txt")
    world.commit("Main", b_txt="main\n")
    world.git("checkout", "-q", "side")
    world.counted.write_text("")
    world.git("rebase", "-q", "main")
    assert world.builds() == 1
    assert world.kinds() == []
    assert world.git("rev-list", "--count", "main..side").strip() == "4"
    world.is_clean()


def test_the_tip_of_a_rebase_is_reverted_when_it_breaks_the_build(world):
    side(world, "c_txt", "d_txt")
    world.commit("Main", b_txt="main\n")
    world.git("checkout", "-q", "side")
    world.command("test ! -e d.txt")
    world.write("mine", "untracked\n")
    world.git("rebase", "-q", "main")
    assert not (world.top / "d.txt").exists()
    assert world.git("log", "-1", "--format=%s").strip() == 'Revert "Add d_txt"'
    assert world.git("status", "--porcelain") == "?? mine\n"
    assert not (world.top / ".git" / "rebase-merge").exists()


def test_work_that_a_rebase_stashed_survives_a_revert_at_its_end(world):
    side(world, "c_txt", "d_txt")
    world.commit("Main", b_txt="main\n")
    world.git("checkout", "-q", "side")
    world.command("test ! -e d.txt")
    world.write("b.txt", "other\nmine\n")
    world.git("config", "rebase.autoStash", "true")
    world.git("rebase", "-q", "main", check=False)
    assert "mine" in world.read("b.txt") or "mine" in world.git("stash", "show", "-p")
    assert not (world.top / "d.txt").exists()


def test_a_rebase_by_patches_is_put_off_until_the_next_commit(world):
    side(world, "c_txt", "d_txt")
    world.commit("Main", b_txt="main\n")
    world.git("checkout", "-q", "side")
    world.command("test ! -e d.txt")
    world.git("rebase", "-q", "--apply", "main")
    assert world.reverted() == []
    assert world.kinds() == ["verify_deferred"]
    assert "was not judged (rebase)" in world.tool("doctor", check=False)


def test_commits_during_a_bisection_are_put_off(world):
    world.git("bisect", "start")
    world.commit("Break it", a_txt=BAD)
    world.commit("Break it more", a_txt=BAD * 2)
    assert world.reverted() == []
    assert world.kinds() == ["verify_deferred"]
    world.git("bisect", "reset")


@case
def test_signing_and_the_hooks_of_messages_do_not_stop_a_revert(world):
    bad_file = world.write("a.txt", BAD)
    hook = world.write(".git/hooks/commit-msg", '#!/bin/sh\ngrep -q "^EV-" "$1"\n')
    hook.chmod(0o755)
    world.git("config", "gpg.program", "/bin/false")
    world.git("add", str(bad_file))
    world.git("commit", "-qm", "EV-1: Break it")
    world.git("config", "commit.gpgSign", "true")
    world.write("a.txt", BAD * 2)
    world.git("-c", "commit.gpgSign=false", "commit", "-qam", "EV-2: Break it again")
    assert len(world.reverted()) == 2
    assert "BROKEN" not in world.read("a.txt")


def test_a_hook_of_references_that_says_no_is_heard(world):
    hook = world.write(
        ".git/hooks/reference-transaction",
        '#!/bin/sh\n[ "$1" != prepared ] || ! grep -q refs/heads/main || test ! -e frozen\n',
    )
    hook.chmod(0o755)
    world.write(".git/info/exclude", "frozen\n")
    world.env["EVOX_ROLLBACK_AT"] = "locked:touch frozen"
    bad = world.commit("Break it", a_txt=BAD)
    assert world.head == bad
    assert world.kinds() == ["rollback_blocked"]
    assert world.git("status", "--porcelain") == ""
    world.is_clean()


def test_without_an_identity_of_its_own_the_committer_reverts(world):
    gone = {name: "" for name in world.env if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))}
    for name in gone:
        del world.env[name]
    world.git("config", "user.useConfigOnly", "true")
    world.write("a.txt", BAD)
    who = ["-c", 'user.name=Élodie "E" O\'Hara', "-c", "user.email=e@example.org"]
    world.git(*who, "commit", "-qam", "Break it")
    assert world.git("log", "-1", "--format=%s %an <%ae>").strip() == (
        'Revert "Break it" Élodie "E" O\'Hara <e@example.org>'
    )


def test_a_message_in_another_encoding_is_no_trouble(world):
    world.git("config", "i18n.commitEncoding", "ISO-8859-1")
    (world.folder / "message").write_bytes("Größe geändert".encode("latin-1"))
    world.write("a.txt", BAD)
    world.git("commit", "-qa", "-F", str(world.folder / "message"))
    assert (
        world.git("log", "-1", "--encoding=UTF-8", "--format=%s").strip()
        == 'Revert "Größe geändert"'
    )
    assert world.incident["metadata"]["commitMessage"] == "Größe geändert"


def test_names_that_are_no_text_neither_stop_a_revert_nor_spoil_a_report(world):
    name = os.fsdecode(b"caf\xe9.txt")
    before = world.tree()
    bad = world.commit("Break it", **{name: BAD})
    assert world.reverted() == [bad]
    assert world.tree() == before
    world.env["EVOX_ROLLBACK_AT"] = "locked:for file in caf*; do echo mine >>$file; done"
    world.git("add", world.write(name, BAD).name)
    world.git("commit", "-qm", "Break it again")
    assert world.kinds() == ["rolled_back", "rollback_blocked"]
    assert world.server.heard[1]["metadata"]["paths"] == ["caf?.txt"]


def test_with_nobody_listening_the_revert_is_made_and_told(world):
    world.git("add", world.write("a.txt", BAD).name)
    world.run("/bin/sh", "-c", "{ git commit -qm 'Break it' 2>&1; echo $? >../code; } | true")
    wait_for(lambda: world.kinds() == ["rolled_back"])
    assert len(world.reverted()) == 1


def test_a_revert_is_pushed_only_if_asked_and_never_by_force(world):
    there = world.folder / "there.git"
    world.git("clone", "-q", "--bare", str(world.top), str(there))
    world.git("remote", "add", "origin", str(there))
    world.git("push", "-qu", "origin", "main")
    world.commit("Break it", a_txt=BAD)
    assert world.git("log", "-1", "--format=%s", at=there).strip() == "Second"
    world.git("config", "evox.rollback.push", "true")
    world.commit("Break it again", a_txt=BAD + "x")
    assert world.git("rev-parse", "main", at=there).strip() == world.head
    assert "pushed to origin" in world.told


def test_of_git_only_what_can_lose_nothing_is_called(world):
    log = world.folder / "called"
    world.env["EVOX_ROLLBACK_AT"] = (
        "locked:test -e went || { touch went; EVOX_ROLLBACK_ACTIVE=1 git commit -qm x b.txt; }"
    )
    world.write("b.txt", "in between\n")
    world.env["GIT_TRACE"] = str(log)
    world.commit("Break it", a_txt=BAD)
    del world.env["GIT_TRACE"]
    assert world.git("log", "-3", "--format=%s").split("\n")[:3] == [
        *('Revert "Break it"', "x", "Break it"),
    ]
    called = re.findall(r"trace: built-in: git (.+)", log.read_text())
    assert any(line.startswith("update-ref") for line in called)
    risky = re.compile(r"\b(reset|stash|rebase|clean|gc|checkout|switch|restore|push|filter-\w+)\b")
    found = [line for line in called if risky.search(line.replace("worktree", ""))]
    in_scratch = "reset --hard --no-recurse-submodules"  # How `worktree add` fills its folder.
    assert [line for line in found if not line.startswith(in_scratch)] == []
