"""What ./scripts/up and ./scripts/test install, and when they need not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from evox.embedded import install
from evox.embedded.errors import StartError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout without a virtual environment, and a pip that only notes what it was told."""
    for name in ("requirements.txt", "requirements-embedded.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    venv = tmp_path / ".venv"
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "VENV", venv)
    monkeypatch.setattr(install, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(install, "STAMP", venv / "stamp.json")
    monkeypatch.setattr(install, "LOG", venv / "install.log")
    return tmp_path


@pytest.fixture
def made(checkout):
    """A virtual environment whose Python answers every pip with success and notes the call."""
    python = install.PYTHON
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> {checkout}/calls\necho "Collecting django"\n')
    python.chmod(0o755)
    return checkout


def pip_calls(checkout):
    calls = (checkout / "calls").read_text().splitlines()
    return [call for call in calls if "pip install" in call]


def test_up_needs_no_embedded_servers_when_both_are_given(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("REDIS_URL", "redis://x")
    assert install.wanted_files("up") == ["requirements.txt"]
    monkeypatch.delenv("REDIS_URL")
    assert install.wanted_files("up") == ["requirements.txt", "requirements-embedded.txt"]
    assert install.wanted_files("test")[-1] == "requirements-dev.txt"


def test_an_unchanged_file_is_not_installed_again(made):
    install.ensure(["requirements.txt"])
    install.ensure(["requirements.txt"])
    assert len(pip_calls(made)) == 1


def test_a_changed_file_is_installed_again(made):
    install.ensure(["requirements.txt"])
    (made / "requirements.txt").write_text("django==5.2.19\n")
    install.ensure(["requirements.txt"])
    assert len(pip_calls(made)) == 2


def test_a_damaged_stamp_only_costs_an_installation(made):
    install.STAMP.write_text("{")
    install.ensure(["requirements.txt"])
    assert json.loads(install.STAMP.read_text()).keys() == {"requirements.txt"}


def test_a_failed_installation_is_one_line_and_tried_again(made):
    install.PYTHON.write_text('#!/bin/sh\n[ "$3" = pip ] || exit 0\necho "ERROR: no net"\nexit 1\n')
    with pytest.raises(StartError, match=r"pip failed: ERROR: no net \(all it said is in"):
        install.ensure(["requirements.txt"])
    assert not install.STAMP.exists()


@pytest.mark.usefixtures("checkout")
def test_a_python_without_venv_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(StartError, match=r"lacks venv: install it .* python3\.\d+-venv"):
        install.ensure(["requirements.txt"])


@pytest.mark.parametrize("script", ["up", "test"])
def test_no_suitable_python_is_one_line(tmp_path, script):
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / script, tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dirname").symlink_to(shutil.which("dirname"))
    old = tmp_path / "bin" / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    answer = subprocess.run(
        ["/bin/sh", tmp_path / "scripts" / script],
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr == "EVOX needs Python 3.11 or newer, and finds none on PATH.\n"


def test_every_pinned_package_is_pinned_exactly_and_installed_so():
    for name in ("requirements.txt", "requirements-embedded.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            pin = line.partition("#")[0].strip()
            if not pin:
                continue
            requirement = Requirement(pin)
            assert [clause.operator for clause in requirement.specifier] == ["=="], line
            if requirement.marker is None or requirement.marker.evaluate():
                assert metadata.version(requirement.name) in requirement.specifier


@pytest.mark.full
@pytest.mark.skipif("CI" not in os.environ, reason="downloads every package anew")
def test_a_bare_checkout_starts_by_its_script_alone(tmp_path):
    shutil.copytree(
        ROOT, tmp_path / "checkout", ignore=shutil.ignore_patterns(".venv", ".evox", ".git")
    )
    answer = subprocess.run(
        [tmp_path / "checkout" / "scripts" / "test", "--", "tests/evox/test_embedded_logs.py"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert "passed" in answer.stdout
