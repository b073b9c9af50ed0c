"""The browser of the tests is found, or installed where one may, or said to be missing."""

from __future__ import annotations

import os
import sys

import pytest

from evox.embedded import chromium


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A PATH of our own; whoever runs the tests is nobody special."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def program(name, body="pass"):
        file = tmp_path / name
        log = tmp_path / "log"
        lines = (
            f"#!{sys.executable}",
            "import sys, pathlib",
            f"log = open({str(log)!r}, 'a')",
            f"print({name!r} + repr(sys.argv[1:]), file=log, flush=True)",
            body,
        )
        file.write_text("\n".join(lines))
        file.chmod(0o755)
        return str(file)

    program.log = tmp_path / "log"
    program.folder = tmp_path
    return program


def said(machine):
    return machine.log.read_text() if machine.log.exists() else ""


def test_the_one_on_path_is_taken_and_nothing_is_installed(machine, capsys):
    found = machine("chromium")
    assert chromium.ensure() == found
    assert capsys.readouterr().out == said(machine) == ""


def test_a_snap_in_disguise_is_none(machine):
    (machine.folder / "chromium-browser").symlink_to(machine("snap"))
    assert chromium.find() is None


@pytest.mark.parametrize("sudo", [None, "sys.exit(1)"])
def test_who_may_not_install_hears_that_tests_are_skipped(machine, capsys, sudo):
    machine("apt-get")
    if sudo:
        machine("sudo", sudo)
    assert chromium.ensure() is None
    assert "SKIPPED: install it (Debian: apt install chromium)" in capsys.readouterr().out
    assert "apt-get" not in said(machine)


def test_where_one_may_apt_installs_it(machine, monkeypatch, capsys):
    target = machine.folder / "chromium"
    made = f"p = pathlib.Path({str(target)!r}); p.write_text('#!/bin/sh'); p.chmod(0o755)"
    machine("apt-get", made)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert chromium.ensure() == str(target)
    assert "'install', '--yes', '--no-install-recommends', 'chromium'" in said(machine)
    assert "SKIPPED" not in capsys.readouterr().out


def test_by_sudo_when_it_asks_for_no_password(machine):
    machine("sudo")
    machine("apt-get")
    assert chromium.ensure() is None
    lines = said(machine).splitlines()
    assert lines[0] == "sudo['-n', 'true']"
    assert lines[1].startswith("sudo['-n', 'apt-get', '-qq', 'update']")


def test_an_apt_that_fails_is_quoted(machine, monkeypatch, capsys):
    machine("apt-get", "print('E: no network', file=sys.stderr); sys.exit(100)")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert chromium.ensure() is None
    assert "SKIPPED: apt-get update failed: E: no network" in capsys.readouterr().out


def test_an_apt_that_brings_none_is_said(machine, monkeypatch, capsys):
    machine("apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert chromium.ensure() is None
    assert "brought none that can be run" in capsys.readouterr().out
