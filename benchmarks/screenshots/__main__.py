"""`python -m benchmarks.screenshots FOLDER`: pictures of every state, list and form.

Starts servers of its own, and needs Chromium. `--readme` makes the README's picture alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from evox.embedded import chromium
from evox.embedded.throwaway import throw_away_servers

README = Path(__file__).resolve().parents[2] / "docs" / "images" / "page.png"
README_BYTES = 150_000
LOOKS = {
    "": {"viewport": {"width": 1280, "height": 900}},
    "-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "-phone": {"viewport": {"width": 360, "height": 780}, "device_scale_factor": 2},
}


def main() -> int:
    """Parse, start, picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("screenshots"))
    parser.add_argument("--readme", action="store_true", help="only docs/images/page.png")
    parser.add_argument("--only", default="", help="only names with this in them")
    arguments = parser.parse_args()
    path = chromium.find()
    if path is None:
        sys.exit("There is no Chromium: install one.")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with throw_away_servers() as urls, tempfile.TemporaryDirectory() as data:
        # Playwright keeps a loop of asyncio here, which Django takes for asynchronous code.
        os.environ |= urls | {"EVOX_DATA_DIR": data, "DJANGO_ALLOW_ASYNC_UNSAFE": "1"}
        os.environ["DJANGO_SETTINGS_MODULE"] = "evox.settings"
        import django

        django.setup()
        from benchmarks.screenshots.camera import Camera

        with Camera(path, Path(data), arguments.folder, only=arguments.only) as camera:
            _picture(camera, readme=arguments.readme)
    return 0


def _picture(camera: Any, *, readme: bool) -> None:
    from benchmarks.screenshots.everything import everything
    from benchmarks.screenshots.worlds import STATES

    if readme:
        camera.fill(STATES["one-incident"])
        camera.crop("/", README, height=965)
        size = README.stat().st_size
        print(f"{README}: {size} bytes")
        assert size <= README_BYTES
        return
    for state, fill in STATES.items():
        if not camera.wants(state):
            continue
        camera.fill(fill)
        for suffix, look in LOOKS.items():
            camera.shoot("/", f"{state}{suffix}", **look)
    if camera.wants("page"):
        camera.fill(STATES["busy"])
        camera.details(LOOKS)
    if camera.wants("admin"):
        camera.fill(everything)
        camera.admin(LOOKS)
    if camera.wants("stale"):
        camera.fill(STATES["fine"])
        camera.stale()


if __name__ == "__main__":
    sys.exit(main())
