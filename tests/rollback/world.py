"""A repository with the hooks that `install` writes, and a server that hears of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
INSTALL = ROOT / "scripts" / "install-git-hooks.sh"
TOOL = ROOT / "scripts" / "evox_rollback.py"
BAD = "one\nBROKEN\nthree\nfour\nsix\n"
CASES: dict[str, Callable[[World], None]] = {}


def case(test: Callable[[World], None]) -> Callable[[World], None]:
    """A case of the table, which the naive hook has to pass, too."""
    CASES[test.__name__] = test
    return test


def wait_for(true: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until it is true, and fail if it never is."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


class Recorder(ThreadingHTTPServer):
    """Hears POST /logIncident and says whether rollbacks are paused."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard: list[dict[str, Any]] = []
        self.at: list[float] = []
        self.headers: list[dict[str, str]] = []
        self.asked: list[dict[str, str]] = []
        self.garbled: list[bytes] = []
        self.status = 200
        self.location = ""
        self.policy: Any = {"paused": False}
        self.policy_status = 200
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def hear(self, body: dict[str, Any]) -> None:
        """As EVOX does: the same key again is the same incident, and must say the same."""
        key = body.get("idempotencyKey")
        same = [known for known in self.heard if key and known["idempotencyKey"] == key]
        assert same in ([], [body])
        if not same:
            self.heard.append(body)
            self.at.append(time.perf_counter())

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Recorder
    timeout = 5

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            body = json.loads(raw)
        except ValueError:
            self.server.garbled.append(raw)
            return self.answer(400, {"error": {"code": "malformed", "message": "No JSON."}})
        self.server.headers.append(dict(self.headers))
        if self.server.status == 200:
            self.server.hear(body)
        return self.answer(self.server.status, {"success": True})

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        known = self.path == "/api/v1/rollbacks/policy"
        self.answer(self.server.policy_status if known else 404, self.server.policy)

    def answer(self, status: int, body: Any) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        pass


def environment(home: Path) -> dict[str, str]:
    """What a terminal would have, without this machine's own settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "EVOX_", "DJANGO_", "PYTEST_"))
    }
    who = {
        f"GIT_{role}_{part}": f"Sam{'@example.org' if part == 'EMAIL' else ''}"
        for role in ("AUTHOR", "COMMITTER")
        for part in ("NAME", "EMAIL")
    }
    own = {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true", "LC_ALL": "C.UTF-8"}
    return kept | who | own


class World:
    """One repository. Its build fails where a file says BROKEN, and counts its runs."""

    def __init__(self, folder: Path, recorder: Recorder, template: Path | None = None) -> None:
        self.folder, self.server = folder, recorder
        self.top = folder / "work"
        self.counted = folder / "builds"
        self.counted.write_text("")
        self.env = environment(folder) | {
            "EVOX_URL": recorder.url,
            "BUILDS": str(self.counted),
        }
        self.said = self.told = ""
        self.started: list[subprocess.Popen[bytes]] = []
        if template is None:
            self.begin()
        else:
            shutil.copytree(template, self.top, symlinks=True)

    BUILD = 'echo "$PWD" >>"$BUILDS"; if grep -rn BROKEN --include="*.txt" .; then exit 1; fi'

    def begin(self) -> None:
        self.top.mkdir()
        self.git("init", "-q", "-b", "main")
        self.write("a.txt", "one\ntwo\nthree\nfour\nfive\n")
        self.write("b.txt", "other\n")
        self.git("add", ".")
        self.git("commit", "-qm", "First")
        self.write("a.txt", "one\ntwo\nthree\nfour\nsix\n")
        self.git("commit", "-qam", "Second")
        self.install("--command", self.BUILD)

    def install(self, *arguments: str, at: Path | None = None) -> str:
        return self.run(str(INSTALL), str(at or self.top), *arguments)

    def run(
        self,
        *command: str,
        at: Path | None = None,
        check: bool = True,
        timeout: float = 200,
        **env: str,
    ) -> str:
        """The output of a command; what it said beside goes to `said`."""
        done = subprocess.run(
            command,
            cwd=at or self.top,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        self.said = done.stderr.decode("utf-8", "replace")
        out = done.stdout.decode("utf-8", "surrogateescape")
        assert not check or done.returncode == 0, (command, done.returncode, out, self.said)
        return out

    def git(self, *arguments: str, **options: Any) -> str:
        return self.run("git", *arguments, **options)

    def tool(self, *arguments: str, **options: Any) -> str:
        tool = str(self.top / ".git/evox/rollback.py")
        return self.run("python3", "-I", tool, *arguments, **options)

    def start(self, *command: str, **env: str) -> subprocess.Popen[bytes]:
        """A command in the background."""
        running = subprocess.Popen(
            command,
            cwd=self.top,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.started.append(running)
        return running

    def end(self) -> None:
        """End what a test that failed has left running."""
        for running in self.started:
            running.kill()
            running.wait()
            if running.stdout:
                running.stdout.close()

    def write(self, name: str, text: str | bytes) -> Path:
        file = self.top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def read(self, name: str) -> str:
        return (self.top / name).read_text()

    def commit(self, message: str = "Change", *arguments: str, **files: Any) -> str:
        """Write files (a_txt stands for a.txt), commit just these, and return the commit.

        What the hook says goes to `told`.
        """
        options = {"timeout": files.pop("timeout")} if "timeout" in files else {}
        for name, text in files.items():
            path = re.sub("_txt$", ".txt", name)
            self.write(path, text)
            self.git("add", path)
        self.git("commit", "-qm", message, *arguments, **options)
        self.told = self.said
        return self.made()

    def unseen(self, message: str, **files: str) -> str:
        """A commit that no hook sees."""
        self.env["EVOX_ROLLBACK_ACTIVE"] = "1"
        sha = self.commit(message, **files)
        del self.env["EVOX_ROLLBACK_ACTIVE"]
        return sha

    def command(self, command: str, budget: float | None = None) -> None:
        """Another build; HEAD is known to pass it, as after an install."""
        self.git("config", "evox.rollback.command", command)
        if budget is not None:
            self.git("config", "evox.rollback.budget", str(budget))

    def made(self) -> str:
        """The commit that was made last, whether it was reverted since or not."""
        for line in self.git("log", "-g", "--format=%H %gs", "HEAD").splitlines():
            sha, _, how = line.partition(" ")
            if not how.startswith(("evox: revert", "revert:")):
                return sha
        raise AssertionError("nothing was committed")

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD").strip()

    def tree(self, name: str = "HEAD") -> str:
        return self.git("rev-parse", f"{name}^{{tree}}").strip()

    def reverted(self) -> list[str]:
        """The commits of this branch that a later one takes back, the first first."""
        found = []
        for message in self.git("log", "--reverse", "--format=%B%x00").split("\0"):
            _, marker, rest = message.partition("This reverts commit ")
            if marker:
                found.append(rest[:40])
        return found

    def kinds(self) -> list[str]:
        return [body["kind"] for body in self.server.heard]

    @property
    def incident(self) -> dict[str, Any]:
        """The only incident."""
        assert len(self.server.heard) == 1, self.kinds()
        return self.server.heard[0]

    def builds(self) -> int:
        return len(self.counted.read_text().splitlines())

    def is_clean(self) -> None:
        """Assert that there is nothing left over, and nothing wrong."""
        self.git("fsck", "--strict", "--no-dangling")
        assert len(self.git("worktree", "list").splitlines()) == 1
        kept = self.top / ".git" / "evox"
        assert list((kept / "work").glob("*")) == [] if (kept / "work").exists() else True
        for name in ("journal.json", "judging/*"):
            assert list(kept.glob(name)) == []
        for name in ("index.lock", "evox-index"):
            assert not (self.top / ".git" / name).exists()
