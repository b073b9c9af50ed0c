"""The small chaos run of escalation: hard kills, 503, people who act; and that it can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.full


def chaos(*options):
    command = [sys.executable, "-m", "benchmarks.escalation", "chaos", "--small", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def test_no_level_is_missed_or_doubled_or_undelivered_however_often_its_processes_are_killed():
    ran = chaos()

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "| hard kills | 24 |" in ran.stdout
    assert "| levels missed, doubled | 0, 0 |" in ran.stdout
    assert "| undelivered | 0 |" in ran.stdout


def test_the_same_run_fails_when_nothing_keeps_a_level_to_one_line():
    ran = chaos("--without", "unique")

    assert ran.returncode == 1
    assert "levels doubled" in ran.stdout
