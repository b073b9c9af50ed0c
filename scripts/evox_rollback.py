#!/usr/bin/env python3
"""EVOX's Git hook: takes back a commit that breaks the build, and only the guilty one.

One file, standard library only, Python 3.8 or newer, Git 2.22 or newer. `install` copies it
into a repository; docs/rollback.md says what it does and what it never does.

evox_rollback.py install [repository] --command "make test" --server http://127.0.0.1:8000
evox_rollback.py status                  what is installed and configured
evox_rollback.py doctor                  the same in plain words; repairs what a crash left
evox_rollback.py verify [commit]         judge a commit; reverts and reports nothing
evox_rollback.py flush                   send what waits
evox_rollback.py uninstall [repository]  take the hooks out again
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

HOOKS = ("post-commit", "post-merge", "post-rewrite")
BESIDE = ".before-evox"
SHIM = "post-commit-rollback.sh"
NO_REF_FILES = "ref: refs/heads/.invalid"  # What HEAD says where references are kept otherwise.
TRAILER = "Evox-Rollback-Of"
PASS, FAIL, FLAKY, UNSURE = "pass", "fail", "flaky", "inconclusive"

BUDGET_SECONDS = 110.0  # Two minutes from commit to report, less what reverting and sending take.
RESERVE_SECONDS = 3.0
KNOWN_SECONDS = 24 * 3600.0  # A green base this old is judged anew: the tools around it changed.
LOCK_SECONDS = 10.0
WATCHDOG_SECONDS = 30.0  # Beyond its budget, whatever hangs: Git, a disk, a server that trickles.
INDEX_LOCK_SECONDS = 2.0
SEND_SECONDS, FLUSH_SECONDS, ASK_SECONDS = 3.0, 10.0, 1.0
OUTPUT_BYTES, REPORT_BYTES, SHOWN_LINES = 65_536, 4_096, 20
TITLE_LENGTH = 200  # What the server takes.
VERDICTS, SPOOLED, TOLD = 500, 1_000, 500
CANNOT_RUN = (125, 126, 127)
LAST_SIGNAL = 128 + 64
DRAINED_READS = 64  # A daemon may go on writing into the output of a build that ended.


class RollbackError(Exception):
    """What ends a command with one line."""


class GitError(RollbackError):
    """Git refused."""


def say(text: str) -> None:
    """One line or more for whoever commits."""
    with suppress(OSError):  # Nobody may be reading any more.
        print(f"evox: {text}", file=sys.stderr, flush=True)


def _step(name: str) -> None:
    """Where tests interfere: EVOX_ROLLBACK_AT="<step>:<shell command>" runs it here."""
    wanted, _, command = os.environ.get("EVOX_ROLLBACK_AT", "").partition(":")
    if wanted == name:
        subprocess.run(["/bin/sh", "-c", command], check=False)  # noqa: S603 - set by tests alone


def text_of(raw: bytes) -> str:
    """Text that gives its bytes back, whatever they are."""
    return raw.decode("utf-8", "surrogateescape")


def write_whole(file: Path, text: str, *, surely: bool = True) -> None:
    """Replace the file by one that is complete; `surely`: even when the machine stops."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with new.open("wb") as out:
        out.write(text.encode("utf-8", "replace"))
        if surely:
            out.flush()
            os.fsync(out.fileno())
    new.replace(file)


def read_json(file: Path) -> dict[str, Any] | None:
    """What write_whole kept, or None."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def newest_first(folder: Path) -> list[Path]:
    """Files of a folder, the newest first, hidden ones left out; none if there is no folder."""
    dated = []
    with suppress(OSError):
        for entry in os.scandir(folder):
            with suppress(OSError):
                if not entry.name.startswith("."):
                    dated.append((entry.stat().st_mtime_ns, entry.path))
    return [Path(path) for _, path in sorted(dated, reverse=True)]


def keep_newest(folder: Path, limit: int) -> int:
    """Delete all but the newest files; returns how many went."""
    old = newest_first(folder)[limit:]
    for file in old:
        with suppress(OSError):
            file.unlink()
    return len(old)


class Repo:
    """One work tree of a repository, and what EVOX keeps in its common Git directory."""

    def __init__(self, folder: str = ".") -> None:
        asked = ["--local-env-vars", "--absolute-git-dir", "--git-common-dir", "--show-toplevel"]
        found = subprocess.run(  # noqa: S603
            ["git", "-C", folder, "rev-parse", *asked],  # noqa: S607
            capture_output=True,
            check=False,
        )
        if found.returncode:
            raise RollbackError(text_of(found.stderr).strip() or f"no repository at {folder}")
        *local, git_dir, common, top = text_of(found.stdout).splitlines()
        self.given, self.folder = dict(os.environ), folder
        leaking = {*local, "GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"}
        self.env = {name: value for name, value in self.given.items() if name not in leaking}
        self.env.update(GIT_TERMINAL_PROMPT="0", EVOX_ROLLBACK_ACTIVE="1")
        self.top, self.git_dir = Path(top), Path(git_dir)
        self.common = Path(folder, common).resolve()
        self.home = self.common / "evox"
        self._fixed = {}
        if not (self.top / ".git").exists():
            self._fixed = {"GIT_DIR": git_dir, "GIT_WORK_TREE": top}

    def run(
        self,
        *arguments: str,
        at: Path | None = None,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        hooks: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        """Git, in this work tree or in the scratch one `at`."""
        chosen = {**self.env, **({} if at else self._fixed), **(env or {})}
        quiet = ["-c", "core.fsmonitor=false", "-c", "core.splitIndex=false"]
        if not hooks:
            quiet += ["-c", "core.hooksPath=/dev/null"]
        where = str(at or self.top)
        return subprocess.run(  # noqa: S603
            ["git", "-C", where, *quiet, *arguments],  # noqa: S607
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=chosen,
            check=False,
        )

    def git(self, *arguments: str, **options: Any) -> str:
        """Git's output; raises GitError with its complaint."""
        done = self.run(*arguments, **options)
        if done.returncode:
            said = text_of(done.stderr).strip() or f"exit {done.returncode}"
            raise GitError(f"git {arguments[0]}: {said}")
        return text_of(done.stdout)

    def given_git(self, *arguments: str) -> str:
        """What Git answers with the caller's environment; nothing when it refuses."""
        done = subprocess.run(  # noqa: S603
            ["git", "-C", self.folder, *arguments],  # noqa: S607
            capture_output=True,
            env=self.given,
            check=False,
        )
        return text_of(done.stdout) if done.returncode == 0 else ""

    def ok(self, *arguments: str) -> bool:
        """Whether Git says yes."""
        return self.run(*arguments).returncode == 0

    def branch(self) -> str | None:
        """The full name of the branch that HEAD is on; None when it is on none."""
        with suppress(OSError):
            said = (self.git_dir / "HEAD").read_text(encoding="utf-8", errors="surrogateescape")
            if said.startswith("ref: refs/heads/") and not said.startswith(NO_REF_FILES):
                return said[5:].rstrip("\n")
        done = self.run("symbolic-ref", "-q", "HEAD")
        return text_of(done.stdout).strip() if done.returncode == 0 else None

    def head(self) -> str:
        """The commit that HEAD is at; raises GitError when there is none yet."""
        return self.git("rev-parse", "--verify", "HEAD^{commit}").strip()


class Commit:
    """What there is to know of a commit."""

    FORMAT = (
        "%H%x00%T%x00%P%x00%cI%x00"
        f"%(trailers:key={TRAILER},valueonly)%x00"
        "%(trailers:key=Evox-Dispatch,valueonly)%x00%B"
    )

    def __init__(self, repo: Repo, name: str = "HEAD") -> None:
        shown = repo.git(
            *("show", "-s", "--no-show-signature", "--no-notes", "--encoding=UTF-8"),
            *(f"--format={self.FORMAT}", f"{name}^{{commit}}", "--"),
        )
        self.sha, self.tree, parents, self.date, own, dispatch, self.message = shown.split("\0", 6)
        self.parents = parents.split()
        self.is_rollback = bool(own.strip())
        self.dispatch = dispatch.strip()
        self.message = self.message.rstrip("\n")
        self.subject = self.message.strip().partition("\n")[0]

    @property
    def short(self) -> str:
        """The abbreviation that messages use."""
        return self.sha[:12]


class Config:
    """What `git config evox.*` says; the environment overrides it.

    budget is in seconds from the hook's start to the revert; a build may use what is left of it.
    """

    def __init__(self, repo: Repo) -> None:
        self._found: dict[str, list[str]] = {}
        for entry in repo.given_git("config", "--null", "--get-regexp", r"^evox\.").split("\0"):
            name, _, value = entry.partition("\n")
            self._found.setdefault(name.lower(), []).append(value)
        self._env = repo.given
        self.server = self._one("server", "EVOX_URL").rstrip("/")
        self.key = self._one("key", "EVOX_KEY")
        self.agent = self._one("agent", "EVOX_AGENT")
        self.repository = self._one("repository", "EVOX_REPOSITORY")
        self.command = self._one("rollback.command", "EVOX_ROLLBACK_COMMAND").strip()
        self.mode = self._one("rollback.mode", "EVOX_ROLLBACK_MODE") or "sync"
        self.rerun = self._one("rollback.rerun", "EVOX_ROLLBACK_RERUN") or "in-time"
        self.protected = self._many("rollback.protected", "EVOX_ROLLBACK_PROTECTED")
        self.link = self._many("rollback.link", "EVOX_ROLLBACK_LINK")
        self.push = self._one("rollback.push", "EVOX_ROLLBACK_PUSH").lower() in {"1", "true", "yes"}
        self.budget = self._number("rollback.budget", "EVOX_ROLLBACK_BUDGET", BUDGET_SECONDS)
        self.max_per_hour = self._number(
            "rollback.maxperhour", "EVOX_ROLLBACK_MAX_PER_HOUR", 3, least=0
        )
        for name, value, known in (
            ("mode", self.mode, ("sync", "report-only")),
            ("rerun", self.rerun, ("in-time", "always")),
        ):
            if value not in known:
                raise RollbackError(f"evox.rollback.{name} is {value!r}; it may be {known}.")

    def _many(self, name: str, variable: str) -> list[str]:
        if variable in self._env:
            return self._env[variable].split()
        return [value for value in self._found.get(f"evox.{name}", []) if value]

    def _one(self, name: str, variable: str) -> str:
        given = self._env.get(variable)
        return given if given is not None else (self._found.get(f"evox.{name}") or [""])[-1]

    def _number(self, name: str, variable: str, default: float, *, least: float = 0.1) -> float:
        said = self._one(name, variable)
        try:
            number = float(said) if said else default
        except ValueError:
            number = least - 1
        if not least <= number <= 86_400:
            raise RollbackError(f"evox.{name} is {said!r}; it is a number of at least {least}.")
        return number

    def is_protected(self, branch: str) -> bool:
        """Whether commits of this branch are reported only; branches may be named by patterns."""
        import fnmatch  # noqa: PLC0415 - a good commit needs it not, and starts faster

        short = branch.replace("refs/heads/", "", 1)
        return any(fnmatch.fnmatchcase(short, pattern) for pattern in self.protected)


class Build:
    """How one run of the build ended."""

    def __init__(self, state: str, code: int | None, output: str, seconds: float) -> None:
        self.state, self.code, self.output, self.seconds = state, code, output, seconds
        self.confirmed = False
        self.timed_out = False

    def why(self) -> str:
        """How it ended, in words."""
        if self.timed_out:
            return f"it did not end within {self.seconds:.0f} s"
        return self.output if self.code is None else f"exit {self.code}"


def _state_of(code: int, output: str) -> str:
    """What an exit code says of the commit; a build that could not run says nothing of it."""
    if code == 0:
        return PASS
    killed = code < 0 or 128 < code <= LAST_SIGNAL
    full = "No space left on device" in output
    return UNSURE if killed or full or code in CANNOT_RUN else FAIL


class Scratch:
    """A detached work tree of a commit, below the common Git directory, gone afterwards."""

    count = 0

    def __init__(self, repo: Repo, sha: str) -> None:
        self.repo, self.sha = repo, sha
        Scratch.count += 1
        self.path = repo.home / "work" / f"evox-{os.getpid()}-{Scratch.count}"

    def __enter__(self) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.repo.git("worktree", "add", "--quiet", "--detach", str(self.path), self.sha)
        _step("scratch")
        return self.path

    def __exit__(self, *_: object) -> None:
        remove_scratch(self.repo, self.path)


def remove_scratch(repo: Repo, path: Path) -> None:
    """Delete a scratch work tree, and what Git knows of it, as `git worktree prune` would."""
    known = path.name
    with suppress(OSError):
        known = Path((path / ".git").read_text(encoding="utf-8").strip()).name
    delete_tree(path)
    delete_tree(repo.common / "worktrees" / known)
    if path.exists():
        say(f"{path} can't be deleted.")


def delete_tree(top: Path) -> None:
    """Delete a folder, and of what a link in it points at, nothing."""
    with suppress(OSError):
        entries = list(os.scandir(top))
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    Path(entry.path).chmod(0o700)
                delete_tree(Path(entry.path))
            else:
                with suppress(OSError):
                    os.unlink(entry.path)  # noqa: PTH108 - of a thousand files, a Path each
        top.rmdir()


def run_build(repo: Repo, config: Config, sha: str, seconds: float) -> Build:
    """Run the build on the commit, not on the work tree, for at most so many seconds."""
    began = time.monotonic()
    try:
        with Scratch(repo, sha) as folder:
            _link(repo, config, folder)
            left = seconds - (time.monotonic() - began)
            code, output = _run(repo, config.command, folder, left)
    except (GitError, OSError) as error:
        return Build(UNSURE, None, f"it could not be checked out: {error}", 0.0)
    spent = time.monotonic() - began
    if code is None:
        build = Build(UNSURE, None, output, spent)
        build.timed_out = True
        return build
    return Build(_state_of(code, output), code, output, spent)


def _link(repo: Repo, config: Config, folder: Path) -> None:
    """Lend the build what is too dear to make anew, such as node_modules."""
    for name in config.link:
        for source in (repo.top / name, repo.common.parent / name):
            if source.exists() and not os.path.lexists(folder / name):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to(source)
                break


def _run(repo: Repo, command: str, folder: Path, seconds: float) -> tuple[int | None, str]:
    """The command's exit code, None if its time ran out, and the end of its output."""
    env = {name: value for name, value in repo.env.items() if name != "EVOX_KEY"}
    env["EVOX_ROLLBACK_WORK"] = str(folder)
    process = subprocess.Popen(  # noqa: S603 - to run this command is what we are for
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    output, code = bytearray(), None
    try:
        code = _wait(process, output, time.monotonic() + seconds)
    finally:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
    return code, output.decode("utf-8", "replace")


def _wait(process: subprocess.Popen[bytes], output: bytearray, deadline: float) -> int | None:
    """Read until the process ends, whoever else holds its output; None at the deadline."""
    stream = process.stdout.fileno() if process.stdout else -1
    open_, drained = True, 0
    while True:
        ended = process.poll()
        drained += ended is not None
        if drained > DRAINED_READS:
            return ended
        ready = open_ and select.select([stream], [], [], 0 if ended is not None else 0.05)[0]
        if ready:
            chunk = os.read(stream, 65_536)
            open_ = bool(chunk)
            output += chunk
            del output[:-OUTPUT_BYTES]
        elif ended is not None:
            return ended
        elif not open_:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, min(1.0, deadline - time.monotonic())))
        if time.monotonic() >= deadline and process.poll() is None:
            return None


class Verdicts:
    """What builds said of trees, kept below the common Git directory."""

    def __init__(self, repo: Repo, config: Config) -> None:
        self.repo, self.config = repo, config
        said = "\0".join([config.command, *config.link])
        self._suffix = f"{zlib.crc32(said.encode('utf-8', 'surrogateescape')):08x}"

    def _file(self, tree: str) -> Path:
        return self.repo.home / "verdicts" / f"{tree}-{self._suffix}"

    def known(self, tree: str) -> Build | None:
        """The kept verdict on a tree; a flaky or an old green one is as good as none."""
        found = read_json(self._file(tree))
        try:
            if found is None or found["state"] not in {PASS, FAIL}:
                return None
            age = time.time() - float(found["at"])
            if found["state"] == PASS and not -KNOWN_SECONDS < age < KNOWN_SECONDS:
                return None
            build = Build(found["state"], found["code"], found["output"], found["seconds"])
            build.confirmed = bool(found["confirmed"])
        except (KeyError, TypeError, ValueError):
            return None
        return build

    def was_flaky(self, tree: str) -> bool:
        """Whether this tree failed and passed when it was last built."""
        return (read_json(self._file(tree)) or {}).get("state") == FLAKY

    def keep(self, tree: str, build: Build, state: str | None = None) -> None:
        """Remember a verdict."""
        kept = {
            "state": state or build.state,
            "code": build.code,
            "output": build.output[-REPORT_BYTES:],
            "seconds": round(build.seconds, 3),
            "confirmed": build.confirmed,
            "at": round(time.time(), 3),
        }
        write_whole(self._file(tree), json.dumps(kept), surely=False)
        if os.getpid() % 32 == 0:
            keep_newest(self.repo.home / "verdicts", VERDICTS)


class Judge:
    """Builds commits within one budget, and remembers what came of it."""

    def __init__(self, repo: Repo, config: Config, *, deadline: float) -> None:
        self.repo, self.config, self.deadline = repo, config, deadline
        self.verdicts = Verdicts(repo, config)

    def left(self) -> float:
        """Seconds that a build may still take."""
        return self.deadline - time.monotonic()

    def fits(self, seconds: float) -> bool:
        """Whether a build that lately took so long can be run once more."""
        return self.left() >= seconds * 1.15 + 0.1

    def once(self, sha: str, tree: str) -> Build:
        """The verdict on a tree: the kept one, or that of one build of this commit."""
        known = self.verdicts.known(tree)
        if known is not None:
            return known
        build = run_build(self.repo, self.config, sha, max(self.left(), 0.0))
        if build.state in {PASS, FAIL}:
            build.confirmed = build.state == PASS
            self.verdicts.keep(tree, build)
        return build

    def twice(self, sha: str, tree: str) -> Build:
        """The same, but a failure is tried again where time allows: FLAKY if that passes."""
        first = self.once(sha, tree)
        if first.state != FAIL or first.confirmed or not self.fits(first.seconds):
            return first
        _step("rerun")
        second = run_build(self.repo, self.config, sha, self.left())
        if second.state == PASS:
            self.verdicts.keep(tree, first, FLAKY)
            first.state = FLAKY
            return first
        if second.state == FAIL:
            second.confirmed = True
            self.verdicts.keep(tree, second)
            return second
        return first if second.timed_out else second


MASKED = "[masked]"
SECRETS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|npm_\w{20,}|hf_\w{20,})",
    r"\b(?:xox[a-z]-[\w-]{10,}|sk-[\w-]{16,}|sk_(?:live|test)_\w{10,}|AIza[\w-]{30,})",
    r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
    r"(?i)(?<=authorization:)[ \t]*(?:\w+[ \t]+)?\S+",
    r"(?i)(?<=bearer )\s*[\w.~+/=-]{8,}",
    r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)",
)
NAMED_VALUE = (
    r"(?i)([\w-]*(?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d|passphrase|credential)"
    r"[\w-]*[\"']?\s*[:=]\s*)(\"[^\"\n]+\"|'[^'\n]+'|[^\s\"',;&]+)"
)
PLAIN_KEY = r"(?i)(\bkey[\"']?\s*[:=]\s*)(\"[^\"\n]+\"|'[^'\n]+'|[^\s\"',;&]{8,})"


def mask(text: str) -> str:
    """The text without what looks like a secret."""
    import re  # noqa: PLC0415 - a good commit needs it not, and starts faster

    for pattern in SECRETS:
        text = re.sub(pattern, MASKED, text, flags=re.DOTALL if "BEGIN" in pattern else 0)
    for pattern in (NAMED_VALUE, PLAIN_KEY):
        text = re.sub(pattern, rf"\1{MASKED}", text)
    return text


def for_wire(text: str, limit: int = REPORT_BYTES) -> str:
    """The end of a text as it may leave the machine: masked first, then cut."""
    clean = mask(text.encode("utf-8", "replace").decode("utf-8").replace("\0", ""))
    return clean.encode()[-limit:].decode("utf-8", "ignore")


class Spool:
    """Reports that wait for the server; a file each, so that a crash loses none."""

    def __init__(self, repo: Repo) -> None:
        self.waiting, self.parked = repo.home / "spool", repo.home / "parked"
        self._told = repo.home / "told"

    def files(self) -> list[Path]:
        """What waits, the oldest first."""
        with suppress(OSError):
            names = sorted(name for name in os.listdir(self.waiting) if name[0] != ".")  # noqa: PTH208
            return [self.waiting / name for name in names]
        return []

    def has(self, key: str) -> bool:
        """Whether a report of this key waits, was refused or was delivered."""
        kept = [*self.files(), *newest_first(self.parked)]
        return (self._told / key).exists() or any(file.stem.endswith(key) for file in kept)

    def add(self, report: dict[str, Any]) -> None:
        """Keep a report until it is sent; one that is there or was sent is not added again."""
        if not self.has(report["idempotencyKey"]):
            name = f"{report['timestamp']:015d}-{report['idempotencyKey']}.json"
            write_whole(self.waiting / name, json.dumps(report))
            keep_newest(self.waiting, SPOOLED)

    def flush(self, config: Config) -> str:
        """Send what waits, the oldest first; returns why it stopped, or nothing."""
        files = self.files()
        if not files:
            return ""
        if not config.server:
            return "no server is configured (git config evox.server URL)"
        until = time.monotonic() + FLUSH_SECONDS
        for file in files:
            if time.monotonic() > until:
                return "it takes too long; the rest goes with the next commit"
            why = self._send(file, config)
            if why:
                return why
        return ""

    def _send(self, file: Path, config: Config) -> str:
        """Send one; why it has to wait, or nothing when it is done with."""
        report = read_json(file)
        told = self._told / str((report or {}).get("idempotencyKey"))
        if report is None:
            self._park(file)
            return ""
        if not told.exists():
            status, said = send(config, report)
            if status is None or status in {408, 429} or not (status < 300 or 400 <= status < 500):
                return said
            if status >= 400:
                self._park(file)
                say(f"{config.server} refused a report: {said}. It is kept in {self.parked}.")
                return ""
            write_whole(told, "")
            keep_newest(self._told, TOLD)
            _step("told")
        with suppress(OSError):
            file.unlink()
        return ""

    def unpark(self) -> None:
        """Let what was refused wait again."""
        for file in newest_first(self.parked):
            self.waiting.mkdir(parents=True, exist_ok=True)
            file.replace(self.waiting / file.name)

    def _park(self, file: Path) -> None:
        self.parked.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            file.replace(self.parked / file.name)
        keep_newest(self.parked, SPOOLED)


def ask(
    config: Config, path: str, seconds: float, body: bytes | None = None, key: str = ""
) -> tuple[int | None, bytes]:
    """The server's status and answer; no status when there is none.

    Redirects are not followed: they would carry the key to another host.
    """
    import http.client  # noqa: PLC0415 - only who reports pays for this import
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    headers = {"Accept": "application/json", "User-Agent": "evox-rollback"}
    if config.key:
        headers["Authorization"] = f"Bearer {config.key}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    if key:
        headers["Idempotency-Key"] = key
    try:
        request = urllib.request.Request(config.server + path, body, headers)
        direct = [urllib.request.ProxyHandler({})] if is_near(config.server) else []
        opener = urllib.request.build_opener(Stay, *direct)
        with opener.open(request, timeout=seconds) as response:
            return response.status, response.read(65_536)
    except urllib.error.HTTPError as error:
        with error, suppress(OSError, http.client.HTTPException):
            return error.code, error.read(2_000)
        return error.code, b""
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = getattr(error, "reason", None) or error
        return None, f"{config.server} can't be reached: {why}".encode()


def is_near(url: str) -> bool:
    """Whether a proxy would only be in the way."""
    import urllib.parse  # noqa: PLC0415

    return urllib.parse.urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}


def send(config: Config, report: dict[str, Any]) -> tuple[int | None, str]:
    """Report an incident; the status and what was said."""
    key = report["idempotencyKey"]
    status, said = ask(config, "/logIncident", SEND_SECONDS, json.dumps(report).encode(), key)
    text = said.decode("utf-8", "replace")
    return status, text if status is None else f"{status} {text[:300]}"


def paused(config: Config) -> str:
    """Why the server wants no reverts at present; a server that can't be reached wants them."""
    if not config.server:
        return ""
    status, said = ask(config, "/api/v1/rollbacks/policy", ASK_SECONDS)
    try:
        found = json.loads(said) if status == 200 else {}
        return str(found.get("reason") or "no reason given") if found.get("paused") is True else ""
    except (ValueError, AttributeError):
        return ""


def judging(repo: Repo, sha: str) -> Path:
    """The file that whoever judges this commit holds locked."""
    return repo.home / "judging" / sha


@contextmanager
def locked(file: Path, seconds: float, mode: str = "a") -> Iterator[bool]:
    """Whether this process holds the file's lock, after waiting for it at most so long.

    The lock ends with its process, however that ends. The file stays.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + seconds
    with file.open(mode) as held:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() >= until:
                    yield False
                    return
                time.sleep(0.05)
            else:
                yield True
                return


def operation(repo: Repo, hook: str = "") -> str:
    """What Git is in the middle of, if anything that must end first.

    A hook runs before its own operation has cleaned up, and a sequence's last pick is its end.
    """
    there = {
        name: (repo.git_dir / name).exists()
        for name in ("MERGE_HEAD", "rebase-merge", "rebase-apply", "sequencer", "BISECT_LOG")
    }
    if hook == "post-merge":
        there["MERGE_HEAD"] = False
    if hook == "post-rewrite" and repo.branch() is not None:
        there["rebase-merge"] = there["rebase-apply"] = False
    if there["sequencer"] and hook == "post-commit":
        with suppress(OSError):
            todo = (repo.git_dir / "sequencer" / "todo").read_text(errors="replace").splitlines()
            there["sequencer"] = len([line for line in todo if line[:1] not in {"", "#"}]) > 1
    names = {"MERGE_HEAD": "merge", "sequencer": "sequence", "BISECT_LOG": "bisect"}
    return next((names.get(name, "rebase") for name, found in there.items() if found), "")


class OverlapError(RollbackError):
    """The revert would touch files with work that is not committed."""

    def __init__(self, paths: list[str], said: str = "", *, untracked: bool = False) -> None:
        super().__init__(said or ", ".join(paths))
        self.paths, self.untracked = paths, untracked


class MovedError(RollbackError):
    """The branch is no longer where it was when the revert was computed."""


class BusyError(RollbackError):
    """Another Git holds the index."""


class Revert:
    """The one write to somebody's branch, index and files: all of it, or nothing.

    The index is locked as Git locks it, so no commit, add or checkout comes between. The branch
    moves first, by compare-and-swap, after a rehearsal on a copy of the index has shown that no
    uncommitted byte is in the way.
    """

    def __init__(self, repo: Repo, branch: str, old: str, new: str) -> None:
        self.repo, self.branch, self.old, self.new = repo, branch, old, new
        self.index = repo.git_dir / "index"
        self.lock = repo.git_dir / "index.lock"
        self.copy = repo.git_dir / "evox-index"
        self.journal = repo.home / "journal.json"

    def apply(self, report: dict[str, Any]) -> None:
        """Do it and spool the report. OverlapError, MovedError, BusyError: nothing is new."""
        signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            self._apply(report)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _apply(self, report: dict[str, Any]) -> None:
        self._take_index()
        try:
            if self.repo.branch() != self.branch:
                raise MovedError("another branch is checked out")
            self._copy_index()
            self._rehearse()
            kept = {
                "branch": self.branch,
                "old": self.old,
                "new": self.new,
                "top": str(self.repo.top),
                "git_dir": str(self.repo.git_dir),
                "report": report,
            }
            write_whole(self.journal, json.dumps(kept))
            _step("journal")
            self._move(self.old, self.new)
            _step("moved")
            try:
                self._index("read-tree", "-m", "-u", self.old, self.new)
            except GitError as error:
                self._move(self.new, self.old)
                raise OverlapError(self._overlap(), str(error)) from None
            _step("files")
            self.copy.replace(self.index)
            _step("index")
            Spool(self.repo).add(report)
            _step("spooled")
        finally:
            for file in (self.journal, self.copy, self.lock):
                with suppress(OSError):
                    file.unlink()

    def _take_index(self) -> None:
        until = time.monotonic() + INDEX_LOCK_SECONDS
        while True:
            try:
                taken = os.open(self.lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                if time.monotonic() >= until:
                    raise BusyError(f"{self.lock} exists") from None
                time.sleep(0.05)
            else:
                with os.fdopen(taken, "w") as out:
                    out.write(f"evox-rollback {os.getpid()}\n")
                _step("index-lock")
                return

    def _copy_index(self) -> None:
        # Git tells a file that changed within the index's last tick by the index's own time.
        stat = self.index.stat()
        self.copy.write_bytes(self.index.read_bytes())
        os.utime(self.copy, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def _index(self, *arguments: str) -> str:
        return self.repo.git(*arguments, env={"GIT_INDEX_FILE": str(self.copy)})

    def _rehearse(self) -> None:
        with suppress(GitError):
            self._index("update-index", "-q", "--refresh")
        untracked = self._untracked_in_the_way()
        if untracked:
            raise OverlapError(untracked, untracked=True)
        try:
            self._index("read-tree", "-n", "-m", "-u", self.old, self.new)
        except GitError as error:
            raise OverlapError(self._overlap(), str(error)) from None

    def _paths(self, *arguments: str) -> list[str]:
        return [path for path in self._index(*arguments).split("\0") if path]

    def _untracked_in_the_way(self) -> list[str]:
        """Files outside the index where the revert makes some: Git spares no ignored one."""
        tracked = set(self._paths("ls-files", "-z"))
        added = self._paths(
            *("diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=AT"),
            *(self.old, self.new),
        )
        return sorted(
            {blocking for path in added for blocking in in_the_way(self.repo.top, path, tracked)}
        )

    def _overlap(self) -> list[str]:
        """Changed paths of the revert with uncommitted work."""
        ours = set(
            self._paths("diff-tree", "-r", "-z", "--no-renames", "--name-only", self.old, self.new)
        )
        changed = set(self._paths("diff-index", "-z", "--no-renames", "--name-only", self.old))
        changed |= set(self._paths("ls-files", "-z", "--others"))
        return sorted(ours & changed)

    def _move(self, old: str, new: str) -> None:
        made = new == self.new
        why = f"evox: revert of {self.old[:12]}" if made else "evox: undo the revert: files changed"
        done = self.repo.run("update-ref", "-m", why, self.branch, new, old, hooks=True)
        if done.returncode:
            raise MovedError(text_of(done.stderr).strip())


def in_the_way(top: Path, path: str, tracked: set[str]) -> list[str]:
    """Untracked files that a file at this path would replace."""
    parts = Path(path).parts
    for count in range(1, len(parts)):
        step = Path(*parts[:count])
        if (top / step).is_symlink() or (top / step).is_file():
            return [] if str(step) in tracked else [str(step)]
    place = top / path
    if place.is_dir() and not place.is_symlink():
        files = [Path(root, name) for root, _, names in os.walk(place) for name in names]
        below = [str(file.relative_to(top)) for file in files]
        return [name for name in below if name not in tracked]
    return [path] if os.path.lexists(place) and path not in tracked else []


class Case:
    """One commit, judged after its hook fired, and what is done about it."""

    ATTEMPTS = 3

    def __init__(self, repo: Repo, config: Config, commit: Commit, began: float, hook: str) -> None:
        self.repo, self.config, self.commit = repo, config, commit
        self.began, self.hook = began, hook
        self.branch = repo.branch()
        self.judge = Judge(repo, config, deadline=began + config.budget - RESERVE_SECONDS)
        self.spool = Spool(repo)
        self.build = Build(PASS, 0, "", 0.0)

    def decide(self) -> None:
        """Build, and act on the verdict."""
        commit, build = self.commit, self.judge.twice(self.commit.sha, self.commit.tree)
        self.build = build
        if build.state == PASS:
            return
        if build.state == UNSURE:
            self.tell("verify_inconclusive", f"The build says nothing of it: {build.why()}.")
        elif build.state == FLAKY:
            self.tell("build_flaky", "It failed and then passed on the same revision.")
        elif not commit.parents:
            self.tell("build_failed_root", "It is a root: there is nothing to go back to.")
        elif self.config.rerun == "always" and not build.confirmed:
            self.tell("verify_inconclusive", "It failed once; there is no time for a second run.")
        else:
            self._weigh()

    def put_off(self, why: str) -> None:
        """Judge it later: Git is in the middle of something. What ends by a hook needs no word."""
        is_new = mark(self.repo, why, self.commit.sha)
        if is_new and (why == "bisect" or self.hook == "post-rewrite"):
            self.tell("verify_deferred", f"A {why} is in progress; the next commit's hook judges.")

    def _weigh(self) -> None:
        """It fails; whether it is to blame says the same tree without it."""
        parent = Commit(self.repo, self.commit.parents[0])
        seconds = max(0.0, self.judge.left())
        with suppress(FileNotFoundError), locked(judging(self.repo, parent.sha), seconds, "r"):
            pass
        if self.judge.verdicts.was_flaky(parent.tree):
            self.tell("build_flaky", "Its base failed and passed on the same revision.")
            return
        base = self.judge.once(parent.sha, parent.tree)
        if base.state == PASS:
            self._take_back(prove=False)
        elif base.state == UNSURE:
            self.tell("verify_inconclusive", f"It fails, and its base is unknown: {base.why()}.")
        elif self.repo.head() != self.commit.sha and self.repo.branch() == self.branch:
            self._take_back(prove=True)
        else:
            self.tell("base_already_broken", f"Its base {parent.short} fails, too.")

    def _take_back(self, *, prove: bool) -> None:
        """Revert it, on top of whatever came since. `prove`: only if that makes the build pass."""
        refusal = self._refusal()
        if refusal:
            self.blocked(*refusal)
            return
        for _ in range(self.ATTEMPTS):
            head = self.repo.head()
            if self.repo.branch() != self.branch:
                self.blocked("switched", "Another branch is checked out by now.")
                return
            tree = self._tree_without(head)
            if tree is None:
                return
            new = self._commit(tree, head)
            _step("revert-made")
            if prove and self.judge.once(new, tree).state != PASS:
                self.tell("base_already_broken", "The branch fails without it, too.")
                return
            with locked(self.repo.home / "lock", LOCK_SECONDS):
                if self._apply(head, new):
                    return
        self.blocked("moving", "The branch moves faster than the build.")

    def _refusal(self) -> tuple[str, str] | None:
        """Why nothing may be reverted here, whatever is found."""
        branch, config = self.branch, self.config
        if branch is None:
            return "detached", "HEAD is on no branch."
        if config.mode == "report-only":
            return "report-only", "evox.rollback.mode is report-only."
        if config.is_protected(branch):
            return "protected", "The branch is protected (evox.rollback.protected)."
        if self._pulled():
            return "pulled", "It came from the branch's upstream, where others have it, too."
        if len(self._recent()) >= config.max_per_hour:
            return "limit", f"{config.max_per_hour:g} reverts an hour are allowed."
        why = paused(config)
        return ("paused", f"The server paused rollbacks: {why}.") if why else None

    def _pulled(self) -> bool:
        upstream = self.repo.run("rev-parse", "--verify", "-q", "@{upstream}")
        name = text_of(upstream.stdout).strip()
        return bool(name) and self.repo.ok("merge-base", "--is-ancestor", self.commit.sha, name)

    def _recent(self) -> list[float]:
        """When something was reverted within the last hour."""
        kept = (read_json(self.repo.home / "reverts.json") or {}).get("at", [])
        now = time.time()
        return [at for at in kept if isinstance(at, float) and now - 3600 < at <= now]

    def _tree_without(self, head: str) -> str | None:
        """The tree of HEAD without the commit; None when there is nothing to do, which is told."""
        if head == self.commit.sha:
            return Commit(self.repo, self.commit.parents[0]).tree
        if not self.repo.ok("merge-base", "--is-ancestor", self.commit.sha, head):
            self.tell("rollback_moot", "It is no longer on the branch.")
            return None
        tip = Commit(self.repo, head)
        found = self.judge.twice(tip.sha, tip.tree)
        if found.state == PASS:
            self.tell("fixed_forward", f"{tip.short} on top of it passes.", tip=tip.sha)
        elif found.state in {UNSURE, FLAKY}:
            self.tell("verify_inconclusive", f"{tip.short} on top of it is unclear: {found.why()}.")
        else:
            tree = self._merged(head)
            if tree is None:
                self.blocked("conflict", f"{tip.short} on top of it changed the same lines.")
            elif tree == tip.tree:
                self.tell("rollback_moot", "It was taken back already.")
            else:
                return tree
        return None

    def _merged(self, head: str) -> str | None:
        """The tree of a three-way revert on top of `head`; None on a conflict."""
        with Scratch(self.repo, head) as folder:
            mainline = ["-m", "1"] if len(self.commit.parents) > 1 else []
            options = ["-c", "rerere.enabled=false", "-c", "commit.gpgSign=false"]
            done = self.repo.run(
                *options, "revert", "--no-commit", *mainline, self.commit.sha, at=folder
            )
            if done.returncode:
                return None
            return self.repo.git("write-tree", at=folder).strip()

    def _commit(self, tree: str, parent: str) -> str:
        """A commit object with Git's own message of a revert; no branch knows of it yet."""
        commit = self.commit
        how = f"This reverts commit {commit.sha}"
        if len(commit.parents) > 1:
            how += f", reversing\nchanges made to {commit.parents[0]}"
        message = f'Revert "{commit.subject}"\n\n{how}.\n\n{TRAILER}: {commit.sha}\n'
        env = {}
        if not self.repo.ok("var", "GIT_COMMITTER_IDENT"):
            shown = self.repo.git("show", "-s", "--format=%cn%n%ce", commit.sha)
            name, mail = shown.split("\n")[:2]
            for role in ("AUTHOR", "COMMITTER"):
                env.update({f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": mail})
        raw = message.encode("utf-8", "surrogateescape")
        options = ["-c", "i18n.commitEncoding=UTF-8"]
        made = self.repo.git(*options, "commit-tree", tree, "-p", parent, stdin=raw, env=env)
        return made.strip()

    def _apply(self, head: str, new: str) -> bool:
        """Move the branch, if all is as it was; False to look at it anew."""
        _step("locked")
        busy = operation(self.repo, self.hook)
        if busy:
            self.blocked("operation", f"A {busy} is in progress.")
            return True
        _step("checked")
        report = self.report("rolled_back", self._taken_back(new), revertCommit=new)
        try:
            Revert(self.repo, self.branch or "", head, new).apply(report)
        except OverlapError as overlap:
            self._overlaps(overlap)
        except BusyError as busy_index:
            self.blocked("busy", f"Another Git holds the index: {busy_index}.")
        except MovedError:
            return False
        else:
            at = [*self._recent(), time.time()]
            write_whole(self.repo.home / "reverts.json", json.dumps({"at": at}))
            self.speak(self._taken_back(new), f"To get the change back: git revert {new[:12]}")
            self._push()
        return True

    def _taken_back(self, new: str) -> str:
        sure = "" if self.build.confirmed else " (one run; there was no time for a second)"
        return f"It breaks the build{sure} and was reverted by {new[:12]}."

    def _overlaps(self, overlap: OverlapError) -> None:
        import shlex  # noqa: PLC0415

        files = ", ".join(overlap.paths[:10]) or str(overlap)
        hint = f"git stash push --include-untracked && {self._by_hand()} && git stash pop"
        if overlap.untracked:  # No stash takes what is ignored, and a revert overwrites it.
            moves = [
                f"mv {shlex.quote(name)} {shlex.quote(name + '.mine')}" for name in overlap.paths
            ]
            hint = " && ".join([*moves[:50], self._by_hand()])
        self.blocked(
            "dirty",
            f"There is uncommitted work in files of the commit: {files}.",
            hint,
            paths=overlap.paths[:50],
        )

    def _by_hand(self) -> str:
        mainline = "-m 1 " if len(self.commit.parents) > 1 else ""
        return f"git revert --no-edit {mainline}{self.commit.short}"

    def _push(self) -> None:
        """Push the revert where the branch goes, never by force."""
        if not self.config.push or not self.branch:
            return
        name = self.branch.replace("refs/heads/", "", 1)
        remote = self.repo.run("config", f"branch.{name}.remote")
        target = self.repo.run("config", f"branch.{name}.merge")
        if remote.returncode or target.returncode:
            say("it is not pushed: the branch has no upstream.")
            return
        where = text_of(remote.stdout).strip()
        done = self.repo.run("push", where, f"{self.branch}:{text_of(target.stdout).strip()}")
        said = text_of(done.stderr).strip().splitlines()
        say(f"pushed to {where}." if done.returncode == 0 else f"not pushed: {said[-1:]}")

    def blocked(self, reason: str, why: str, hint: str = "", **metadata: Any) -> None:
        """It ought to be reverted, and isn't."""
        kept = self.report("rollback_blocked", why, reason=reason, **metadata)
        self.spool.add(kept)
        self.speak(
            f"It breaks the build and was not reverted. {why}",
            f"To revert it: {hint or self._by_hand()}",
        )

    def tell(self, kind: str, why: str, **metadata: Any) -> None:
        """Report a verdict that changes nothing."""
        self.spool.add(self.report(kind, why, **metadata))
        self.speak(f"{kind}: {why} Nothing was reverted.", shown=kind not in QUIET_KINDS)

    def speak(self, text: str, hint: str = "", *, shown: bool = True) -> None:
        """Tell whoever commits what failed and what was done."""
        if shown:
            lines = self.build.output.rstrip().splitlines()[-SHOWN_LINES:]
            with suppress(OSError):
                for line in [f"$ {self.config.command}", *lines, f"({self.build.why()})"]:
                    print(f"  {line}", file=sys.stderr)
        say(f"{self.commit.short} {self.commit.subject[:72]!r}: {text}")
        if hint:
            say(hint)

    def report(self, kind: str, why: str, **metadata: Any) -> dict[str, Any]:
        """The incident, as it goes to the server."""
        commit, build = self.commit, self.build
        branch = (self.branch or "").replace("refs/heads/", "", 1)
        about = {
            "repository": repository_name(self.repo, self.config),
            "branch": branch,
            "originalCommit": commit.sha,
            "commitMessage": commit.message,
            "committedAt": commit.date,
            "parents": commit.parents,
            "pushed": self._is_pushed(),
            "command": self.config.command,
            "exitCode": build.code,
            "buildError": build.output,
            "buildSeconds": round(build.seconds, 3),
            "elapsedMs": round(1000 * (time.monotonic() - self.began)),
            "confirmed": build.confirmed,
            "rerun": build.confirmed or build.state == FLAKY,
            **metadata,
        }
        if commit.dispatch.isdigit() and len(commit.dispatch) < 19:
            about["dispatchId"] = int(commit.dispatch)
        title = f"{commit.short} on {branch or 'no branch'}: {commit.subject}"
        return make_report(self.config, kind, (title, why), about)

    def _is_pushed(self) -> bool:
        contains = ["--contains", self.commit.sha, "--count=1", "refs/remotes"]
        found = self.repo.run("for-each-ref", "--format=%(refname)", *contains)
        return bool(found.stdout.strip())


QUIET_KINDS = {"rollback_moot", "fixed_forward", "verify_deferred"}
LEVELS = {
    **dict.fromkeys(["rolled_back", "build_failed_root"], "error"),
    **dict.fromkeys(["rollback_moot", "fixed_forward", "verify_deferred"], "info"),
}


def repository_name(repo: Repo, config: Config) -> str:
    """How the server knows this repository: as configured, else its origin, else its folder."""
    if config.repository:
        return config.repository
    origin = text_of(repo.run("config", "remote.origin.url").stdout).strip()
    return origin or repo.common.parent.name


def make_report(
    config: Config, kind: str, said: tuple[str, str], about: dict[str, Any]
) -> dict[str, Any]:
    """The body of POST /logIncident, free of secrets; `said` is its title and its message.

    The key is of the repository, the commit and the kind; of a revert, its own commit and branch
    count, too, since a commit can be taken back on two branches.
    """
    import hashlib  # noqa: PLC0415 - only who reports pays for this import

    parts = [about["repository"], about["originalCommit"], kind]
    if "revertCommit" in about:
        parts += [about["revertCommit"], about["branch"]]
    key = hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:40]
    metadata = {}
    for name, value in about.items():
        metadata[name] = for_wire(value) if isinstance(value, str) else value
        if isinstance(value, list):
            metadata[name] = [for_wire(item) for item in value]
    report = {
        "kind": kind,
        "level": LEVELS.get(kind, "warn"),
        "title": for_wire(said[0])[:TITLE_LENGTH],
        "message": for_wire(said[1]),
        "metadata": metadata,
        "timestamp": round(time.time() * 1000),
        "idempotencyKey": key,
    }
    if config.agent:
        report["agentName"] = config.agent
    return report


class Repair:
    """Puts right what a tool that was killed left behind. Holds the lock that reverts hold."""

    def __init__(self, repo: Repo) -> None:
        self.repo, self.done = repo, []

    def run(self, seconds: float = 0.0) -> list[str]:
        """What was put right, in words; nothing is touched while another revert runs."""
        with locked(self.repo.home / "lock", seconds) as mine:
            if mine:
                self._journal()
                self._index_locks()
        self._scratches()
        self._judgements()
        return self.done

    def _journal(self) -> None:
        """A revert stopped on its way: end it where the branch moved, forget it where not."""
        file = self.repo.home / "journal.json"
        if not file.exists():
            return
        kept = read_json(file) or {}
        new, old, branch = (str(kept.get(name, "")) for name in ("new", "old", "branch"))
        top, git_dir = Path(str(kept.get("top", ""))), Path(str(kept.get("git_dir", "")))
        if new and branch and self.repo.ok("merge-base", "--is-ancestor", new, branch):
            Spool(self.repo).add(kept["report"])
            self._drop(git_dir)
            there = Repo(str(top)) if git_dir.exists() and top.exists() else None
            if there and there.git_dir == git_dir and there.branch() == branch:
                self._finish(there, old, new)
            self.done.append(f"The revert {new[:12]} had stopped on its way; its report is kept.")
        else:
            self._drop(git_dir)
            self.done.append("A revert had stopped before it changed anything; it is forgotten.")
        file.unlink()

    def _drop(self, git_dir: Path) -> None:
        lock, copy = git_dir / "index.lock", git_dir / "evox-index"
        with suppress(OSError):
            if lock.read_bytes().startswith(b"evox-rollback "):
                lock.unlink()
        with suppress(OSError):
            copy.unlink()

    def _index_locks(self) -> None:
        """Whoever holds the lock of reverts is the only one who may hold an index for one."""
        for git_dir in (self.repo.common, *sorted((self.repo.common / "worktrees").glob("*"))):
            lock = git_dir / "index.lock"
            with suppress(OSError):
                if lock.read_bytes().startswith(b"evox-rollback "):
                    self._drop(git_dir)
                    self.done.append(f"{lock} was left by a revert that was killed; it is gone.")

    def _finish(self, there: Repo, old: str, new: str) -> None:
        """Bring index and files to the revert, path by path, sparing whatever else was done."""
        if there.head() != new:
            self.done.append("Commits came after it: index and files are left as they are.")
            return
        listed = there.git("diff-tree", "-r", "-z", "--no-renames", old, new).split("\0")
        for about, path in zip(listed[::2], listed[1::2]):  # noqa: B905 - 3.8
            modes, shas = about[1:].split(" ")[:2], about.split(" ")[2:4]
            wanted = (modes[1], shas[1])
            inside = [(modes[0], shas[0]), wanted]
            indexed, real = self._indexed(there, path), self._real(there, path)
            known = {sha for _, sha in inside}
            if indexed not in inside or real not in known:
                self.done.append(f"{path} has work of its own: it is left as it is.")
                continue
            if indexed != wanted:
                line = f"{wanted[0]} {wanted[1]}\t{path}\0".encode("utf-8", "surrogateescape")
                there.git("update-index", "-z", "--index-info", stdin=line)
            if real != wanted[1]:
                self._write(there, path, is_gone=wanted[0] == "000000")
        with suppress(GitError):
            there.git("update-index", "-q", "--refresh")

    def _write(self, there: Repo, path: str, *, is_gone: bool) -> None:
        if not is_gone:
            there.git("checkout-index", "--force", "--", path)
            return
        (there.top / path).unlink()
        for folder in Path(path).parents:
            with suppress(OSError):
                (there.top / folder).rmdir() if folder.parts else None

    def _indexed(self, there: Repo, path: str) -> tuple[str, str]:
        """Mode and blob of the index; those of a missing file if there is none."""
        found = there.git("--literal-pathspecs", "ls-files", "-s", "-z", "--", path)
        zero = "0" * len(there.head())
        mode, sha = (found.split(" ")[:2]) if found else ("000000", zero)
        return mode, sha

    def _real(self, there: Repo, path: str) -> str:
        """The blob that the file would be; zeros if there is none."""
        place = there.top / path
        if place.is_symlink():
            target = os.fsencode(os.readlink(place))  # noqa: PTH115 - bytes, whatever they are
            return there.git("hash-object", "--stdin", stdin=target).strip()
        if place.is_file():
            return there.git("hash-object", "--", path).strip()
        return "0" * len(there.head()) if not os.path.lexists(place) else "a folder"

    def _scratches(self) -> None:
        """Work trees of builds whose tool is gone, with what still runs in them."""
        for path in newest_first(self.repo.home / "work"):
            maker = path.name.split("-")[1] if path.name.count("-") == 2 else ""
            if maker.isdigit() and not is_alive(int(maker)):
                end_builds(path)
                remove_scratch(self.repo, path)
                self.done.append(f"The work tree of a build that was killed is gone: {path.name}.")

    def _judgements(self) -> None:
        """Commits whose judge is gone: what they broke, nobody knows."""
        for file in newest_first(self.repo.home / "judging"):
            with suppress(OSError), locked(file, 0, "r") as mine:
                if mine:
                    file.unlink()
                    mark(self.repo, "killed", file.name)
                    self.done.append(f"{file.name[:12]} was not judged to the end.")


def is_alive(pid: int) -> bool:
    """Whether a process of this number runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def end_builds(folder: Path) -> None:
    """End the processes of a build whose tool was killed; only Linux tells which they are."""
    mark_of_it = f"EVOX_ROLLBACK_WORK={folder}".encode("utf-8", "surrogateescape")
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark_of_it in (place / "environ").read_bytes().split(b"\0"):
                os.kill(int(place.name), signal.SIGKILL)


def mark_file(repo: Repo) -> Path:
    """Where the mark of this work tree is kept: that its tip is still to be judged."""
    return repo.home / "deferred" / f"{zlib.crc32(os.fsencode(repo.git_dir)):08x}"


def mark(repo: Repo, why: str, sha: str) -> bool:
    """Remember that a commit is still to be judged; whether this is new."""
    kept = read_json(mark_file(repo)) or {}
    about = {"why": why, "commit": sha, "top": str(repo.top), "at": time.time()}
    write_whole(mark_file(repo), json.dumps(about))
    return kept.get("why") != why


def unmark(repo: Repo) -> None:
    """Its tip is judged."""
    with suppress(OSError):
        mark_file(repo).unlink()


def after_hook(hook: str, arguments: list[str], began: float) -> None:
    """What a hook of Git's does."""
    if arguments[:1] == {"post-merge": ["1"], "post-rewrite": ["amend"]}.get(hook):
        return  # A squash has made no commit, and an amended one had its post-commit.
    repo = Repo()
    config = Config(repo)
    if not config.command:
        say("nothing is judged: git config evox.rollback.command is not set.")
        return
    signal.setitimer(signal.ITIMER_REAL, config.budget + WATCHDOG_SECONDS)
    for line in Repair(repo).run():
        say(line)
    busy = operation(repo, hook)
    commit = Commit(repo)
    case = Case(repo, config, commit, began, hook)
    if busy:
        case.put_off(busy)
    elif not commit.is_rollback:
        with locked(judging(repo, commit.sha), 0.2) as mine:
            try:
                if mine:
                    case.decide()
            finally:
                with suppress(OSError):
                    judging(repo, commit.sha).unlink() if mine else None
        unmark(repo)
    unsent = case.spool.flush(config)
    if unsent:
        say(f"a report waits: {unsent}")


class Hooks:
    """The hook files of one work tree: where Git looks for them, and what was there before."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        configured = repo.given_git("config", "--type=path", "core.hooksPath").strip()
        self.folder = (repo.top / configured) if configured else repo.common / "hooks"
        inside = [repo.common.resolve(), repo.top.resolve(), repo.common.parent.resolve()]
        real = self.folder.resolve()
        self.is_shared = not any(place == real or place in real.parents for place in inside)
        self.tool = repo.home / "rollback.py"

    def is_ours(self, file: Path) -> bool:
        """Whether this is the hook that `install` writes."""
        try:
            return b"evox" in file.read_bytes() and b"/rollback.py" in file.read_bytes()
        except OSError:
            return False

    def missing(self) -> list[str]:
        """Hooks that are not ours, or that Git would not run."""
        files = [self.folder / name for name in HOOKS]
        return [
            file.name for file in files if not (self.is_ours(file) and os.access(file, os.X_OK))
        ]

    def install(self) -> list[str]:
        """Write the tool and the hooks; returns what was done about hooks that were there."""
        shim = (Path(__file__).resolve().parent / SHIM).read_text(encoding="utf-8")
        source = Path(__file__).resolve().read_text(encoding="utf-8")
        write_whole(self.tool, source)
        write_whole(self.repo.home / SHIM, shim)
        write_whole(self.repo.home / "python", os.path.realpath(sys.executable) + "\n")
        done = []
        for name in HOOKS:
            file = self.folder / name
            if os.path.lexists(file) and not self.is_ours(file):
                done.append(self._put_beside(file))
            write_whole(file, shim)
            file.chmod(0o755)
        return done

    def _put_beside(self, file: Path) -> str:
        beside = file.with_name(file.name + BESIDE)
        number = 0
        while os.path.lexists(beside):
            number += 1
            older = beside.with_name(f"{file.name}{BESIDE}.{number}")
            if not os.path.lexists(older):
                beside.rename(older)
        file.rename(beside)
        return f"{file.name} was there: it is {beside.name} now, and runs first."

    def uninstall(self) -> list[str]:
        """Take the hooks out and put back what was there."""
        if self.is_shared:
            said = f"{self.folder} serves other repositories, too: its hooks stay, and do nothing."
            self._remove_tool()
            return [said]
        done = []
        for name in HOOKS:
            file, beside = self.folder / name, self.folder / (name + BESIDE)
            if self.is_ours(file):
                file.unlink()
                done.append(f"{file} is gone.")
            if os.path.lexists(beside) and not os.path.lexists(file):
                beside.rename(file)
                done.append(f"{file} is what it was before.")
        self._remove_tool()
        return done

    def _remove_tool(self) -> None:
        for file in (self.tool, self.repo.home / SHIM, self.repo.home / "python"):
            with suppress(OSError):
                file.unlink()


def install(options: Any) -> int:
    """Install the hooks, keep what was given, and judge HEAD so that the first base is known."""
    repo = Repo(options.repository)
    for name in ("server", "agent"):
        if getattr(options, name):
            repo.git("config", f"evox.{name}", getattr(options, name))
    if options.command:
        repo.git("config", "evox.rollback.command", options.command)
    hooks = Hooks(repo)
    for line in hooks.install():
        print(line)
    shared = "; other repositories use that folder, too, and there it does nothing"
    print(f"Hooks are in {hooks.folder}{shared if hooks.is_shared else ''}.")
    config = Config(repo)
    if not config.command:
        print('Now say what builds it: git config evox.rollback.command "make test"')
    elif options.baseline and repo.ok("rev-parse", "--verify", "-q", "HEAD"):
        judge = Judge(repo, config, deadline=time.monotonic() + config.budget)
        commit = Commit(repo)
        build = judge.once(commit.sha, commit.tree)
        print(f"HEAD is judged, so that the next commit's base is known: {build.why()}.")
    if not config.server:
        print("Now say whom to tell: git config evox.server http://127.0.0.1:8000")
    return 0


def uninstall(options: Any) -> int:
    """Take the hooks out."""
    repo = Repo(options.repository)
    for line in Hooks(repo).uninstall():
        print(line)
    waiting = len(Spool(repo).files())
    if waiting:
        print(f"{waiting} reports were never sent: {repo.home / 'spool'}")
    print("Settings stay: git config --remove-section evox.rollback")
    return 0


def flush(options: Any) -> int:
    """Send what waits, and with --again what the server refused."""
    repo = Repo()
    spool, config = Spool(repo), Config(repo)
    if options.again:
        spool.unpark()
    before = len(spool.files())
    why = spool.flush(config)
    left = len(spool.files())
    print(f"{before - left} sent, {left} wait{': ' + why if why else ''}.")
    return 1 if left else 0


def verify(options: Any) -> int:
    """Judge a commit and its parent; nothing is reverted or reported."""
    repo = Repo()
    config = Config(repo)
    if not config.command:
        raise RollbackError("git config evox.rollback.command is not set.")
    commit = Commit(repo, options.commit)
    judge = Judge(repo, config, deadline=time.monotonic() + config.budget)
    build = judge.twice(commit.sha, commit.tree)
    print(f"{commit.short} {commit.subject[:72]}: {build.state} ({build.why()})")
    if build.state == FAIL and commit.parents:
        base = Commit(repo, commit.parents[0])
        found = judge.once(base.sha, base.tree)
        print(f"{base.short} {base.subject[:72]}: {found.state} ({found.why()}), its base")
    return 0 if build.state == PASS else 1


def status(_: Any) -> int:
    """What is configured, and what waits."""
    repo = Repo()
    config, hooks, spool = Config(repo), Hooks(repo), Spool(repo)
    for name, value in (
        ("hooks", ", ".join(hooks.missing()) + " missing" if hooks.missing() else hooks.folder),
        ("command", config.command or "none"),
        ("server", hide_password(config.server) or "none"),
        ("agent", config.agent or "none"),
        ("mode", config.mode),
        ("budget", f"{config.budget:g} s"),
        ("protected", " ".join(config.protected) or "no branch"),
        ("waiting", f"{len(spool.files())} reports"),
        ("refused", f"{len(newest_first(spool.parked))} reports"),
    ):
        print(f"{name:<10} {value}")
    return 0


def hide_password(url: str) -> str:
    """An address as it may be shown."""
    return mask(url)


class Doctor:
    """Looks at everything, says it in plain words, and repairs what a crash left."""

    def __init__(self) -> None:
        self.repo = Repo()
        self.config, self.spool = Config(self.repo), Spool(self.repo)
        self.ill = 0

    def say(self, *, well: bool, text: str) -> None:
        """One finding."""
        self.ill += not well
        print(f"{'ok ' if well else '!! '} {text}")

    def run(self) -> int:
        """0 when all is well by now."""
        for line in Repair(self.repo).run(LOCK_SECONDS):
            print(f"fix {line}")
        self._hooks()
        self._build()
        self._server()
        self._spool()
        self._unjudged()
        self._verdicts()
        print("All is well." if not self.ill else f"{self.ill} of these need you.")
        return 1 if self.ill else 0

    def _hooks(self) -> None:
        hooks = Hooks(self.repo)
        missing = hooks.missing()
        again = "install again: scripts/install-git-hooks.sh"
        if missing:
            self.say(
                well=False, text=f"{', '.join(missing)} not installed in {hooks.folder}; {again}"
            )
        else:
            self.say(well=True, text=f"The hooks are installed in {hooks.folder}.")
        if not hooks.tool.exists():
            self.say(well=False, text=f"{hooks.tool} is missing; {again}")
        error = self.repo.home / "last-error"
        if error.exists():
            self.say(
                well=False, text=f"The hook stopped on an error of its own: {error}. Delete it."
            )
        for name in HOOKS:
            before = hooks.folder / (name + BESIDE)
            if os.path.lexists(before):
                runs = os.access(before, os.X_OK)
                how = "runs first" if runs else "can't be executed, so Git never ran it"
                self.say(well=True, text=f"The {name} hook that was there {how}.")

    def _build(self) -> None:
        config = self.config
        if not config.command:
            self.say(well=False, text="No build: git config evox.rollback.command 'make test'")
            return
        what = "reverted" if config.mode == "sync" else "reported, never reverted"
        self.say(
            well=True,
            text=f"A commit that breaks `{config.command}` is {what}, within {config.budget:g} s.",
        )
        if config.protected:
            self.say(well=True, text=f"Reported only on: {', '.join(config.protected)}.")
        for name in config.link:
            if not (self.repo.top / name).exists():
                self.say(well=False, text=f"evox.rollback.link names {name}, which isn't there.")

    def _server(self) -> None:
        if not self.config.server:
            self.say(well=False, text="No server is told: git config evox.server URL")
            return
        shown = hide_password(self.config.server)
        status, said = ask(self.config, "/api/v1/rollbacks/policy", SEND_SECONDS)
        why = said.decode("utf-8", "replace")
        if status == 200:
            self.say(well=True, text=f"The server {shown} answers.")
            reason = paused(self.config)
            if reason:
                self.say(well=True, text=f"Rollbacks are paused there, so none happens: {reason}.")
        elif status in {401, 403}:
            self.say(well=False, text=f"The server {shown} wants a key: set EVOX_KEY or evox.key.")
        elif status is None:
            self.say(well=False, text=f"{why}. Reports wait until it answers.")
        else:
            self.say(well=False, text=f"{shown} answers {status}: is it EVOX?")

    def _spool(self) -> None:
        waiting, parked = len(self.spool.files()), len(newest_first(self.spool.parked))
        if waiting:
            self.say(well=False, text=f"{waiting} reports wait to be sent: run `flush`.")
        else:
            self.say(well=True, text="No report waits.")
        if parked:
            self.say(
                well=False,
                text=f"The server refused {parked} reports, kept in {self.spool.parked}: "
                "`flush --again` tries once more.",
            )

    def _unjudged(self) -> None:
        busy, found = operation(self.repo), read_json(mark_file(self.repo))
        if busy:
            self.say(well=True, text=f"A {busy} is in progress: commits are judged after it.")
        elif found:
            tool = Hooks(self.repo).tool
            self.say(
                well=False,
                text=f"{str(found.get('commit'))[:12]} was not judged ({found.get('why')}). "
                f"Judge HEAD now: python3 '{tool}' post-commit",
            )

    def _verdicts(self) -> None:
        words = {PASS: "passed", FAIL: "failed", FLAKY: "failed and passed"}
        for file in newest_first(self.repo.home / "verdicts")[:5]:
            found = read_json(file) or {}
            state, at = words.get(str(found.get("state"))), found.get("at")
            if state and isinstance(at, (int, float)):
                when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
                took = found.get("seconds")
                print(f"    {when}  tree {file.name[:12]} {state} in {took} s")


def doctor(_: Any) -> int:
    """What is installed, whether the server answers, what waits; repairs what a crash left."""
    return Doctor().run()


COMMANDS = (
    ("install", install, "install the hooks into a repository"),
    ("uninstall", uninstall, "take the hooks out again"),
    ("status", status, "what is configured, and what waits"),
    ("doctor", doctor, "say in plain words what is well; repair what a crash left"),
    ("verify", verify, "judge a commit; nothing is reverted or reported"),
    ("flush", flush, "send the reports that wait"),
)


def parser() -> Any:
    """The command line."""
    import argparse  # noqa: PLC0415

    head, _, examples = (__doc__ or "").partition("\n\n")
    top = argparse.ArgumentParser(
        description=head, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="verb", required=True, metavar="command")
    made = {}
    for name, act, text in COMMANDS:
        made[name] = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
        made[name].set_defaults(act=act)
    for name in ("install", "uninstall"):
        made[name].add_argument("repository", nargs="?", default=".", help="its folder")
    made["install"].add_argument("--command", help="what builds it, e.g. 'make test'")
    made["install"].add_argument("--server", help="EVOX's address")
    made["install"].add_argument("--agent", help="who commits here")
    made["install"].add_argument(
        "--no-baseline", dest="baseline", action="store_false", help="don't build HEAD now"
    )
    made["verify"].add_argument("commit", nargs="?", default="HEAD")
    made["flush"].add_argument("--again", action="store_true", help="also what was refused")
    return top


class InterruptError(BaseException):
    """A signal ends the hook."""


def _interrupt(number: int, _: Any) -> None:
    raise InterruptError(signal.Signals(number).name)


def run_hook(hook: str, arguments: list[str]) -> None:
    """The hook, which never fails, never hangs, and cleans up when it is interrupted."""
    began = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _interrupt)
    try:
        after_hook(hook, arguments, began)
    except InterruptError as interrupt:
        say(f"not judged: {interrupt}. The next commit's hook judges what is there then.")
        with suppress(Exception):
            repo = Repo()
            mark(repo, "interrupted", repo.head())
    except RollbackError as error:
        say(f"not judged: {error}")
    except Exception as error:  # noqa: BLE001 - a hook must not look like a failed commit
        import traceback  # noqa: PLC0415

        say(f"not judged: {type(error).__name__}: {error}")
        with suppress(Exception):
            write_whole(Repo().home / "last-error", traceback.format_exc()[-REPORT_BYTES:])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main(arguments: list[str]) -> int:
    """Run a hook or a command."""
    if arguments and arguments[0] in HOOKS:
        run_hook(arguments[0], arguments[1:])
        return 0
    options = parser().parse_args(arguments)
    try:
        return int(options.act(options))
    except (RollbackError, OSError) as error:
        say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
