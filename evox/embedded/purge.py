"""Removes what EVOX keeps for one data folder, and nothing else."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from evox.embedded.errors import StartError
from evox.embedded.places import OWN_PARTS, ROOT_HOMES, Places


def purge(places: Places) -> list[Path]:
    """Remove it and return what was removed. The data folder itself goes when it is then empty.

    Raises StartError when something can't be removed. The caller makes sure that nothing runs.
    """
    removed = []
    home = places.root_home()
    try:
        if home is not None and home.is_dir() and places.is_owner_of(home):
            shutil.rmtree(home)
            removed.append(home)
            with suppress(OSError):
                ROOT_HOMES.rmdir()
        for part in OWN_PARTS:
            path = places.data_dir / part
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
                removed.append(path)
            elif path.exists():
                path.unlink()
                removed.append(path)
    except OSError as error:
        raise StartError(f"{error.filename} can't be removed ({error.strerror}).") from None
    with suppress(OSError):
        places.data_dir.rmdir()
    return removed


def purge_below(folder: Path) -> None:
    """Remove what root keeps under /var/lib/evox for data folders below `folder`.

    For a temporary `folder` about to be removed, where an `up` was interrupted.
    """
    for note in ROOT_HOMES.glob("*/data_dir"):
        if Path(note.read_text(encoding="utf-8").strip()).is_relative_to(folder):
            shutil.rmtree(note.parent)
    with suppress(OSError):
        ROOT_HOMES.rmdir()
