"""Drain3 beside EVOX: in a virtual environment and a process of its own, with its defaults."""

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from pathlib import Path

REQUIREMENT = "drain3==0.9.11"
KEPT = Path(tempfile.gettempdir()) / "evox-drain3"

# Reads a JSON text a line; writes the seconds that it took, then the group of each line.
_RUN = """
import json, sys, time
from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig
miner, seconds, found = TemplateMiner(config=TemplateMinerConfig()), 0.0, []
while batch := [json.loads(line) for _, line in zip(range(10000), sys.stdin)]:
    started = time.process_time()
    found += [miner.add_log_message(text)["cluster_id"] for text in batch]
    seconds += time.process_time() - started
    print(".", end="", flush=True, file=sys.stderr)
print(file=sys.stderr)
json.dump([seconds, found], sys.stdout)
"""


def python_with_drain(folder: Path = KEPT) -> Path:
    """The interpreter that knows Drain3; installs it into `folder` when need be."""
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not (stamp.is_file() and stamp.read_text() == REQUIREMENT):
        print(f"Installing {REQUIREMENT} into {folder} …", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        pip = (python, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q")
        subprocess.run([*pip, "install", REQUIREMENT], check=True)
        stamp.write_text(REQUIREMENT)
    return python


def drain(python: Path, messages: Iterable[str]) -> tuple[float, list[int]]:
    """Seconds of processor time, and each message's group."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as lines:
        lines.writelines(json.dumps(text) + "\n" for text in messages)
        lines.seek(0)
        run = subprocess.run([python, "-c", _RUN], check=True, stdin=lines, stdout=subprocess.PIPE)
    seconds, found = json.loads(run.stdout)
    return seconds, found
