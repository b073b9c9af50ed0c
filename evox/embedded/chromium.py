"""The browser of the tests: Debian's Chromium, installed by apt where one may.

Without it the browser's tests are skipped, and both this and pytest say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from evox.embedded.logs import say

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")
SECONDS = 600
MISSING = "There is no Chromium, so the tests in a browser are SKIPPED"


def find() -> str | None:
    """The path of the first Chromium on PATH."""
    for name in NAMES:
        found = shutil.which(name)
        # Ubuntu's package of that name is a snap in disguise, which has no folder for tests.
        if found and not os.path.realpath(found).endswith("/snap"):
            return found
    return None


def ensure() -> str | None:
    """The path of a Chromium, installed first when there is none; None, said aloud, when not."""
    found = find()
    if found:
        return found
    root = _becoming_root()
    if root is None or shutil.which("apt-get") is None:
        say(f"{MISSING}: install it (Debian: apt install chromium).")
        return None
    say(f"Installing {' and '.join(PACKAGES)} by apt for the tests in a browser ...")
    for arguments in (("update",), ("install", "--yes", "--no-install-recommends", *PACKAGES)):
        failure = _failure([*root, "apt-get", "-qq", *arguments])
        if failure:
            say(f"{MISSING}: apt-get {arguments[0]} failed: {failure}")
            return None
    found = find()
    if found is None:
        say(f"{MISSING}: apt's package brought none that can be run here.")
    return found


def _becoming_root() -> list[str] | None:
    """What a command is put behind to run as root; None when one may not."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and not _failure([sudo, "-n", "true"]):
        return [sudo, "-n"]
    return None


def _failure(command: list[str]) -> str:
    """What went wrong with `command`, in a line; empty when nothing did."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if not done.returncode:
        return ""
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
