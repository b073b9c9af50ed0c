"""Whatever people do in a repository, the hook keeps its promises."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from tests.rollback.world import Recorder, World

FILES = ["a.txt", "b.txt", "dir/c.txt", "ünï code.txt"]
KILLED = ["scratch", "rerun", "locked", "journal", "moved", "files", "index", "spooled", "told"]

file = st.sampled_from(FILES)
line = st.integers(0, 7)
bad = st.sampled_from([False, True, True])
subject = st.sampled_from(["Change", "Revert it", 'Say "x"\n\nBody: é', "x: y", "-m"])

edit = st.tuples(st.just("edit"), file, line, bad)
stage = st.tuples(st.just("stage"), file)
forget = st.tuples(st.just("untracked"), st.sampled_from(["n1.txt", "dir/n2.txt", "n3"]), bad)
delete = st.tuples(st.just("delete"), file)
commit = st.tuples(
    st.just("commit"), st.sampled_from(["index", "all", "one", "amend"]), file, subject
)
branch = st.tuples(st.just("branch"), st.sampled_from(["main", "side", "other"]))
merge = st.tuples(st.just("merge"), st.sampled_from(["main", "side", "other"]))
pick = st.tuples(st.just("pick"), st.sampled_from(["main", "side", "other"]))
revert = st.tuples(st.just("revert"), st.integers(0, 2))
rebase = st.tuples(st.just("rebase"), st.sampled_from(["main", "side"]))
meanwhile = st.tuples(
    st.just("meanwhile"), st.sampled_from(["rerun", "locked"]), st.sampled_from(FILES), line, bad
)
kill = st.tuples(st.just("kill"), st.sampled_from(KILLED))
work = st.one_of(edit, edit, edit, stage, forget, delete)
works = st.lists(work, min_size=1, max_size=3)
act = st.one_of(
    *(commit, commit, commit, commit, meanwhile, meanwhile, kill, kill),
    *(branch, merge, pick, revert, rebase),
)
histories = st.lists(st.tuples(works, act), min_size=4, max_size=8)


class History:
    """A world, and what may not change in it while the hook works."""

    def __init__(self, world):
        self.world, self.token = world, 0
        world.env["EVOX_ROLLBACK_MAX_PER_HOUR"] = "1000"

    def git(self, *arguments, **options):
        return self.world.git("-c", "core.quotePath=false", *arguments, check=False, **options)

    def paths(self, *arguments):
        return [path for path in self.git(*arguments, "-z").split("\0") if path]

    def unsaved(self):
        """The bytes of all that is in no commit and in no index."""
        names = {*self.paths("diff", "--name-only"), *self.paths("ls-files", "--others")}
        places = {name: self.world.top / name for name in names}
        return {name: place.read_bytes() for name, place in places.items() if place.is_file()}

    def staged(self):
        """What is staged and differs from HEAD."""
        return set(
            self.git("diff", "--cached", "--raw", "--no-renames", "--abbrev=40").splitlines()
        )

    def is_red(self, tree):
        return bool(self.git("grep", "-l", "BROKEN", tree, "--", "*.txt").strip())

    def is_busy(self):
        names = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "sequencer")
        return any((self.world.top / ".git" / name).exists() for name in names)

    def changed(self, name, number, *, bad):
        """The file with one line changed, and no two changes alike."""
        self.token += 1
        place = self.world.top / name
        lines = place.read_text().splitlines() if place.is_file() else []
        lines += [""] * (8 - len(lines))
        lines[number] = f"{'BROKEN' if bad else 'fine'} {self.token}"
        return "\n".join(lines) + "\n"

    def do(self, name, *given):
        getattr(self, f"do_{name}")(*given)

    def do_edit(self, name, number, bad):
        self.world.write(name, self.changed(name, number, bad=bad))

    def do_untracked(self, name, bad):
        self.world.write(name, self.changed(name, 0, bad=bad))

    def do_stage(self, name):
        self.git("add", "-A", "--", name)

    def do_delete(self, name):
        (self.world.top / name).unlink(missing_ok=True)

    def do_commit(self, how, name, subject, **env):
        how_ = {"index": [], "all": ["-a"], "one": ["--", name], "amend": ["--amend"]}[how]
        self.git("commit", "-q", "-m", subject, *how_, **env)

    def do_branch(self, name):
        if self.git("rev-parse", "-q", "--verify", f"refs/heads/{name}"):
            self.git("checkout", "-q", name)
        else:
            self.git("checkout", "-qb", name)

    def do_merge(self, name):
        self.git("merge", "-q", "--no-edit", name)

    def do_pick(self, name):
        self.git("cherry-pick", name)

    def do_revert(self, back):
        self.git("revert", "--no-edit", f"HEAD~{back}")

    def do_rebase(self, name):
        self.git("rebase", "-q", name)

    def do_meanwhile(self, step, name, number, bad):
        """Somebody commits while the commit is judged."""
        script = self.world.folder / "meanwhile"
        (self.world.folder / "text").write_text(self.changed(name, number, bad=bad))
        script.write_text(
            "export EVOX_ROLLBACK_ACTIVE=1; unset EVOX_ROLLBACK_AT; rm -f $0\n"
            f'test -z "$(git status --porcelain -- "{name}")" || exit 0\n'
            f'mkdir -p dir; cp "$HOME/text" "{name}"; git add "{name}"\n'
            f'git commit -qm Meanwhile -- "{name}" >/dev/null 2>&1\n'
        )
        at = f'{step}:test ! -e "$HOME/meanwhile" || sh "$HOME/meanwhile"'
        self.do_commit("all", "", "With company", EVOX_ROLLBACK_AT=at)

    def do_kill(self, step):
        self.do_commit("index", "", "Killed", EVOX_ROLLBACK_AT=f"{step}:kill -9 $PPID")
        self.world.tool("doctor", check=False)

    def clear(self):
        """Leave whatever stopped on a conflict."""
        for command in ("merge", "cherry-pick", "revert", "rebase"):
            if self.is_busy():
                self.git(command, "--abort")
        assert not self.is_busy()

    def take(self, act):
        """Do it, and see that the hook lost nothing and overlooked nothing."""
        unsaved, untracked = self.unsaved(), set(self.paths("ls-files", "--others"))
        staged, head = self.staged(), self.world.head
        commits = {
            ("commit", "all"): set(unsaved),
            ("commit", "one"): {act[-2]},
            ("meanwhile", act[1]): set(unsaved),
        }.get(act[:2], set()) - untracked
        self.do(*act)
        if self.is_busy():
            return (
                self.clear()
            )  # Git stopped on a conflict, which may cost unsaved work, by itself.
        for name, content in unsaved.items():
            if name not in commits:
                place = self.world.top / name
                assert place.is_file(), (act, name)
                assert place.read_bytes() == content, (act, name)
        if act[:2] == ("commit", "one"):
            assert {entry for entry in staged if not entry.endswith(act[2])} <= self.staged()
        if act[0] not in {"branch", "kill", "meanwhile"} and self.world.head != head:
            self.told()
        self.justified()
        return event(act[0])

    def told(self):
        """Of a red commit on a green one, that still stands, the server knows why."""
        if self.is_red("HEAD") and not self.is_red("HEAD^1"):
            known = [
                body["metadata"]["originalCommit"]
                for body in self.world.server.heard
                if body["kind"] == "rollback_blocked"
            ]
            assert self.world.head in known
            event("blocked")

    def justified(self):
        """Every revert has its pair of a failing and a passing tree."""
        for _, new, old in self.reverts():
            tip_red = self.is_red(f"{new}^")
            mended = tip_red and not self.is_red(new)
            parents = self.git("rev-parse", f"{old}^1").strip()
            guilty = self.is_red(old) and not self.is_red(parents)
            assert guilty or mended, (new, old)
            event("reverted on top of others" if not guilty else "reverted")

    def reverts(self):
        """Branch, commit and culprit of every revert that the hook made."""
        made, heads = [], self.world.top / ".git" / "logs" / "refs" / "heads"
        for log in sorted(heads.iterdir()):
            for entry in log.read_text(errors="replace").splitlines():
                if "\tevox: revert of" in entry:
                    new = entry.split(" ")[1]
                    trailer = "%(trailers:key=Evox-Rollback-Of,valueonly)"
                    said = self.git("log", "-1", f"--format={trailer}", new)
                    made.append((log.name, new, re.fullmatch(r"([0-9a-f]{40})\s*", said)[1]))
        return made

    def end(self):
        """All is whole, told exactly once, and no red commit on a green one went unnoticed."""
        self.world.tool("doctor", check=False)
        self.world.tool("flush", check=False)
        self.world.git("fsck", "--strict", "--no-dangling")
        told = [
            (body["metadata"]["branch"], body["metadata"]["revertCommit"])
            for body in self.world.server.heard
            if body["kind"] == "rolled_back"
        ]
        assert sorted(told) == sorted((where, new) for where, new, _ in self.reverts())
        assert self.world.git("stash", "list") == ""
        self.world.is_clean()


def live(history, template):
    folder = Path(tempfile.mkdtemp(prefix="evox-history-"))
    recorder = Recorder()
    try:
        told = History(World(folder, recorder, template))
        for works, act in history:
            for one in works:
                told.do(*one)
            told.take(act)
        told.end()
    finally:
        recorder.stop()
        shutil.rmtree(folder, ignore_errors=True)


LOOSE = {
    "phases": [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
}


@settings(max_examples=6, derandomize=True, **LOOSE)
@given(histories)
def test_in_a_few_histories_the_promises_are_kept(template, history):
    live(history, template)


@pytest.mark.full
@settings(max_examples=int(os.environ.get("HISTORIES", "200")), **LOOSE)
@given(histories)
def test_in_200_histories_the_promises_are_kept(template, history):
    live(history, template)
