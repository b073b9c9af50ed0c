"""Makes `.venv`, installs what is pinned, then becomes the wanted command.

`python -m evox.embedded.install up|test ARGUMENTS`, with any Python of at least 3.11.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from evox import env
from evox.embedded.errors import StartError
from evox.embedded.logs import say

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "evox-installed.json"
LOG = VENV / "evox-install.log"
MODULES = {"up": "evox.embedded.up", "test": "evox.embedded.checks"}
WITHOUT_INSTALLING = {"-h", "--help", "--purge"}


def main() -> None:
    """Install if need be and become the command named by the first argument."""
    command, *arguments = sys.argv[1:]
    python = PYTHON
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if WITHOUT_INSTALLING & set(arguments):
            python = Path(sys.executable)
        else:
            ensure(wanted_files(command))
    except StartError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"EVOX can't be installed into {VENV}: {error}.")
    except KeyboardInterrupt:
        sys.exit("Stopped while installing; the next start goes on from here.")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.execv(python, [str(python), "-P", "-m", MODULES[command], *arguments])


def wanted_files(command: str) -> list[str]:
    """The requirement files that `command` needs, given which servers the environment names."""
    files = ["requirements.txt"]
    if command == "test" or not (env.text("DATABASE_URL") and env.text("REDIS_URL")):
        files.append("requirements-embedded.txt")
    if command == "test":
        files.append("requirements-dev.txt")
    return files


def ensure(files: list[str]) -> None:
    """Make `.venv` hold what `files` pin; at once when it already does.

    Raises StartError when Python can't make it or pip fails.
    """
    wanted = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in files}
    if _installed(wanted):
        return
    with _alone():
        if _installed(wanted):
            return
        if not _runs(PYTHON):
            _make_venv()
        _pip_install(files)
        STAMP.write_text(json.dumps(_stamp() | wanted), encoding="utf-8")


def _installed(wanted: dict[str, str]) -> bool:
    return wanted.items() <= _stamp().items() and _runs(PYTHON)


def _stamp() -> dict[str, str]:
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _runs(python: Path) -> bool:
    if python.is_file() and Path(sys.prefix).resolve() == VENV.resolve():
        return True
    try:
        subprocess.run([python, "-I", "-c", ""], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@contextmanager
def _alone() -> Iterator[None]:
    """Hold off a second start that would install at the same time."""
    with (ROOT / "requirements.txt").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_venv() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        raise StartError(
            f"This Python ({sys.executable}) lacks venv: install it"
            f" (Debian, Ubuntu: apt install python{version}-venv) and start again."
        )
    say(f"Making {VENV} with Python {version} ...")
    made = subprocess.run(
        [sys.executable, "-I", "-m", "venv", "--clear", str(VENV)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise StartError(f"{VENV} can't be made: {_last_line(made.stderr or made.stdout)}")


def _pip_install(files: list[str]) -> None:
    """Install, showing how far it is: the first time takes about a minute."""
    pins = sum(
        "==" in line for name in files for line in (ROOT / name).read_text("utf-8").splitlines()
    )
    say(f"Installing {pins} packages; once, for about a minute ...")
    command = [str(PYTHON), "-I", "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--no-input", *(part for name in files for part in ("-r", str(ROOT / name)))]
    last, seen = "", 0
    with (
        LOG.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as pip,
    ):
        try:
            for line in pip.stdout or ():
                log.write(line)
                last = line.strip() or last
                seen += line.startswith("Collecting ")
                if line.startswith("Collecting ") and seen % 20 == 0:
                    say(f"  {seen} of {pins}")
                if line.startswith("Installing collected"):
                    say("  unpacking")
        except KeyboardInterrupt:
            pip.terminate()
            raise
    if pip.returncode:
        raise StartError(f"pip failed: {last} (all it said is in {LOG})")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


if __name__ == "__main__":
    main()
