"""Chaos, small: a whole system is broken for half a minute, and its books are in order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.full
def test_nothing_is_lost_done_twice_or_late_when_everything_is_killed():
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", "--small"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr[-4000:]}"
