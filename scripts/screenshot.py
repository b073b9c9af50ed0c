"""Take a picture of a page: `python scripts/screenshot.py URL OUT.png [--width W] [--theme dark]`.

Needs a Chromium or Chrome on PATH (or named by CHROMIUM), and nothing but the standard library.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)
NARROWEST = 500
"""A headless window is never narrower."""


def browser() -> str:
    """The path of a Chromium; ends with one line when there is none."""
    for name in (os.environ.get("CHROMIUM", ""), *BROWSERS):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise SystemExit("No Chromium found: install one, or name it in CHROMIUM.")


def command(arguments: argparse.Namespace, *, url: str, profile: str) -> list[str]:
    """The browser's command line; the scheme is 0 for dark, 1 for light."""
    return [
        browser(),
        *QUIET,
        f"--user-data-dir={profile}",
        f"--window-size={arguments.width},{arguments.height}",
        f"--force-device-scale-factor={arguments.scale}",
        f"--blink-settings=preferredColorScheme={0 if arguments.theme == 'dark' else 1}",
        # Time for the page's script to turn instants into ages.
        "--virtual-time-budget=3000",
        f"--screenshot={Path(arguments.out).absolute()}",
        url,
    ]


def main(argv: list[str] | None = None) -> int:
    """Parse, shoot, say where the picture is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("out")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1600)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    arguments = parser.parse_args(argv)
    if arguments.width < NARROWEST:
        parser.error(f"--width: a headless window has {NARROWEST} pixels at least.")
    with tempfile.TemporaryDirectory(prefix="evox-shot-", ignore_cleanup_errors=True) as profile:
        done = subprocess.run(  # noqa: S603 - the browser that was found, with our own arguments
            command(arguments, url=arguments.url, profile=profile),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    if done.returncode or not Path(arguments.out).is_file():
        sys.stderr.write(f"The browser took no picture of {arguments.url}.\n{done.stderr[-800:]}\n")
        return 1
    print(f"{arguments.out}: {arguments.width} × {arguments.height}, {arguments.theme}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
