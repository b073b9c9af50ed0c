"""The demonstration of `./scripts/up --demo`: real commands, three agents, real reasons to fail.

It makes a scratch clone of EVOX's own checkout under the data folder, queues a dozen commands
against it and starts three `evoxctl work` agents. Some commands fail for a reason that goes away
(a port, a lock, a server that still starts), some until an attempt does what its strategy says,
one for good. No exit code is made up: what fails, fails by itself.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parent))

import evoxctl

ROOT = Path(__file__).resolve().parent.parent
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
AGENTS = ("SAM", "LEO", "ALEX")
SETTLED_SECONDS = 120.0
SETTLED = {"completed", "exhausted", "cancelled", "blocked"}
REPEATING = 3
PYTHON = shlex.quote(sys.executable)
SKIPPED = ("__pycache__", "node_modules", "htmlcov", ".*")

# What the three copies lack until an attempt starts afresh, as its strategy says.
HALF_EDIT = ("_D.EXHAUSTED: frozenset({_D.PENDING}),", "# _D.EXHAUSTED: to be written")
CHECK_MOVES = """\
if [ "$EVOX_STRATEGY" = fresh_start ]; then rm -rf ../{copy} && cp -R . ../{copy}; fi
cd ../{copy} && {python} -B -c '
from agents.states import DISPATCH_MOVES, DispatchStatus
missing = sorted(set(DispatchStatus) - set(DISPATCH_MOVES))
assert not missing, f"DISPATCH_MOVES lacks {{missing}}"
{then}'"""

# The second attempt gets the first one's error as evidence, and makes the module that it names.
MISSING_MODULE = """\
missing=$(printf '%s' "$EVOX_INSTRUCTIONS" | sed -n "s/.*No module named '\\([a-z_]*\\)'.*/\\1/p")
for name in $missing; do
    echo "MODULES = $(find . -name '*.py' | wc -l)" > "$name.py" && echo "made $name.py"
done
{python} -B -c 'import module_count; print(module_count.MODULES, "modules")'"""

TAKE_PORT = """{python} -c '
import json, socket
with socket.create_server(("127.0.0.1", json.load(open("../staging.json"))["port"])) as server:
    print("listening on", server.getsockname())'"""

TAKE_LOCK = """set -e; set -C; echo $$ > release.lock; trap 'rm release.lock' EXIT
{python} -m compileall -q agents"""

ASK_SERVER = """{python} -c '
import json, urllib.request
web = json.load(open("../staging.json"))["web"]
print(urllib.request.urlopen(f"http://127.0.0.1:{{web}}/", timeout=5).read().decode())'"""

READ_SETTING = """{python} -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    print(tomllib.load(file){path})'"""


def main() -> int:
    """Run the demonstration, then keep the agents at work until a signal ends it."""
    url, data = os.environ.get("EVOX_URL", ""), os.environ.get("EVOX_DATA_DIR", "")
    if not url or not data:
        return complain(
            "EVOX_URL and EVOX_DATA_DIR say where EVOX is; ./scripts/up --demo does it."
        )
    for number in ENDINGS:
        signal.signal(number, leave)
    try:
        server = evoxctl.Server(url, os.environ.get("EVOX_KEY", ""))
        wait_for(server)
        folder = Path(data) / "demo"
        clone = prepare(folder)
        with obstacles(folder), agents_at_work(clone, url, folder):
            queued = queue(server, commands())
            report(server, settled(server, queued))
            while True:
                time.sleep(3600)
    except (evoxctl.EvoxctlError, OSError) as error:
        return complain(str(error))


def leave(_: int, __: Any) -> NoReturn:
    """End it once; further signals must not cut the cleaning up short."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def complain(text: str) -> int:
    """One line, and the exit code."""
    print(f"The demo can't run: {text}", file=sys.stderr)
    return 1


def wait_for(server: evoxctl.Server, seconds: float = 60) -> None:
    """Return when EVOX answers; raises UnreachableError when it doesn't in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            server.call("GET", "/healthz")
        except evoxctl.UnreachableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return


def prepare(folder: Path) -> Path:
    """A scratch clone of the checkout, and three copies of it with a half-done edit."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    clone = folder / "clone"
    git = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)]
    try:
        subprocess.run(git, check=True, capture_output=True, timeout=60)  # noqa: S603 - our own
    except (OSError, subprocess.SubprocessError):
        # No git, no repository, or one that belongs to somebody else: the files will do.
        shutil.rmtree(clone, ignore_errors=True)
        shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(*SKIPPED, folder.parent.name))
    for number in (1, 2, 3):
        copy = folder / f"copy-{number}"
        shutil.copytree(clone, copy, symlinks=True)
        states = copy / "agents" / "states.py"
        text = states.read_text(encoding="utf-8")
        states.write_text(text.replace(*HALF_EDIT), encoding="utf-8")
    return clone


def commands() -> list[dict[str, Any]]:
    """What the agents shall do, what has to wait first."""

    def work(key: str, title: str, command: str, kind: str = "") -> dict[str, Any]:
        payload = {"errorType": kind} if kind else {}
        known = {"title": title, "command": command, "payload": payload}
        return {**known, "uniqueKey": f"demo-{key}", "ticketId": "DEMO"}

    def moves(number: int, title: str, then: str) -> dict[str, Any]:
        command = CHECK_MOVES.format(copy=f"copy-{number}", python=PYTHON, then=then)
        return work(f"moves-{number}", title, command, "test")

    read = READ_SETTING.format
    return [
        work("port", "Listen on the staging port", TAKE_PORT.format(python=PYTHON)),
        work("lock", "Build under the release lock", TAKE_LOCK.format(python=PYTHON), "build"),
        work("api", "Ask the staging server", ASK_SERVER.format(python=PYTHON), "api"),
        work("module", "Count the modules", MISSING_MODULE.format(python=PYTHON), "build"),
        moves(1, "List where a dispatch can end", "print(sorted(DispatchStatus))"),
        moves(2, "Count a dispatch's moves", "print(sum(map(len, DISPATCH_MOVES.values())))"),
        moves(3, "Look for dead ends", "print([s for s, to in DISPATCH_MOVES.items() if not to])"),
        work(
            "poetry", "Read the settings of Poetry", read(python=PYTHON, path='["tool"]["poetry"]')
        ),
        work("version", "Read the version", read(python=PYTHON, path='["project"]["version"]')),
        work("compile", "Compile every module", f"{PYTHON} -m compileall -q -f ."),
        work("tests", *tests(), "test"),
        work("lint", *linter(), "build"),
    ]


def tests() -> tuple[str, str]:
    """A test run, with what is installed."""
    if importlib.util.find_spec("pytest") and importlib.util.find_spec("pytest_django"):
        options = "-q -p no:cacheprovider tests/failures/test_merging.py"
        return "Test the merging of groups", f"{PYTHON} -m pytest {options}"
    return "Run Django's own checks", f"{PYTHON} manage.py check"


def linter() -> tuple[str, str]:
    """A linter, with what is installed."""
    if importlib.util.find_spec("ruff"):
        return "Lint the agents", f"{PYTHON} -m ruff check --no-cache agents"
    return "Look for bad indentation", f"{PYTHON} -m tabnanny agents"


@contextmanager
def obstacles(folder: Path) -> Iterator[None]:
    """Another process that is in the way for a while; staging.json holds its ports."""
    program = ROOT / "scripts" / "demo_obstacles.py"
    command = [sys.executable, str(program), str(folder / "clone" / "release.lock")]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        try:
            folder.joinpath("staging.json").write_bytes(process.stdout.readline())
            yield
        finally:
            process.kill()


@contextmanager
def agents_at_work(clone: Path, url: str, folder: Path) -> Iterator[None]:
    """Three agents that take what is queued; none of them is left when it ends."""
    own = {"EVOX_URL": url, "XDG_STATE_HOME": str(folder / "state"), "NO_PROXY": "127.0.0.1"}
    environment = {**os.environ, **own, "no_proxy": "127.0.0.1"}
    environment.pop("PYTHONPATH", None)  # The commands shall see the clone, not the checkout.
    script = [sys.executable, str(ROOT / "scripts" / "evoxctl.py"), "work"]
    options = ["--poll", "1", "--timeout", "60", "--cwd", str(clone)]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name in AGENTS:
            command = [*script, *options, "--agent", name]
            running.append(
                subprocess.Popen(  # noqa: S603 - our own client
                    command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
                )
            )
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(6)
            process.kill()
            process.wait()


def queue(server: evoxctl.Server, wanted: list[dict[str, Any]]) -> list[int]:
    """Queue the work; what an earlier demo left waiting is taken as it is. Returns the ids."""
    there = {
        found["uniqueKey"]: found["id"]
        for status in ("pending", "running", "retrying", "blocked")
        for found in server.call("GET", f"/api/v1/dispatches?status={status}&limit=200")["results"]
    }
    return [
        there.get(new["uniqueKey"]) or server.call("POST", "/api/v1/dispatches", new)["id"]
        for new in wanted
    ]


def settled(server: evoxctl.Server, ids: list[int]) -> list[dict[str, Any]]:
    """The dispatches, once none of them goes on by itself, or after two minutes as they are."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while True:
        with suppress(evoxctl.UnreachableError):
            rows = [server.call("GET", f"/api/v1/dispatches/{pk}") for pk in ids]
            done = all(row["status"] in SETTLED for row in rows)
            if done or time.monotonic() > deadline:
                return rows
        time.sleep(1)


def report(server: evoxctl.Server, rows: list[dict[str, Any]]) -> None:
    """What happened, read from the API."""
    lines = ["", "What the demo's commands came to:"]
    for row in rows:
        tries = ", ".join(f"{a['strategy']} {a['outcome']}" for a in row["attempts"])
        lines.append(f"  #{row['id']} {row['title']}: {row['status']} ({tries})")
    healed = [r for r in rows if r["status"] == "completed" and len(r["attempts"]) > 1]
    exhausted = [r for r in rows if r["status"] == "exhausted"]
    lines.append(f"{len(healed)} were healed by a retry, {len(exhausted)} exhausted every try.")
    groups = server.call("GET", "/api/v1/failure-groups?limit=50")["results"]
    often = [group for group in groups if group["count"] >= REPEATING]
    lines += [f"Repeating, {g['count']} times: {g['errorClass']} {g['template']}" for g in often]
    lines.append(f"See {server.url}/ ; {', '.join(AGENTS)} go on taking work until you stop it.")
    print("\n".join(evoxctl.clean(line) for line in lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
