"""A virtual environment with the peers, kept between runs, away from the project's own."""

import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path

PEERS = {"procrastinate": "3.10.0", "chancy": "0.26.0", "pgqueuer": "1.6.0"}
REQUIREMENTS = [
    *(f"{name}=={version}" for name, version in PEERS.items()),
    "psycopg[binary,pool]==3.3.9",
    "asyncpg==0.32.0",
    "uvloop==0.23.0",
]
"""Drivers as the peers' documentation recommends them, and the fastest event loop for all three."""


def python_of_peers(folder: Path) -> Path:
    """The interpreter that knows the peers; installs them into `folder` when need be."""
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256(" ".join(REQUIREMENTS).encode()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == wanted):
        print(f"Installing {', '.join(REQUIREMENTS)} into {folder} …", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        pip = (python, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q")
        subprocess.run([*pip, "install", *REQUIREMENTS], check=True)
        stamp.write_text(wanted)
    return python


def versions(python: Path, *names: str) -> dict[str, str]:
    """What is installed there."""
    code = (
        "import importlib.metadata as m, json, sys;"
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    )
    run = subprocess.run([python, "-c", code, *names], check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(run.stdout)
    return found
