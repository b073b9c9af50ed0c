"""What a running `up` tells the rest of EVOX: one JSON file in the data folder."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evox.embedded.processes import Process, is_alive


@dataclass
class State:
    """The supervisor, where it serves, its servers' addresses and its children."""

    data_dir: str
    up: Process
    url: str
    ready: bool = False
    database_url: str = ""
    redis_url: str = ""
    socket_folder: str = ""
    children: dict[str, Process] = field(default_factory=dict)


def state_file(data_dir: Path) -> Path:
    """Where the state of this data folder's `up` is kept."""
    return data_dir / "run" / "state.json"


def write_state(data_dir: Path, state: State) -> None:
    """Replace the state file as a whole; it may hold a password, so only its owner reads it."""
    file = state_file(data_dir)
    content = asdict(state) | {
        "children": {name: child.pid for name, child in state.children.items()},
        "children_started": {name: child.started for name, child in state.children.items()},
    }
    temporary = file.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1)
    temporary.replace(file)


def read_state(data_dir: Path) -> State | None:
    """The last state written, whether or not that `up` still runs; None when there is none."""
    try:
        state = _parse(json.loads(state_file(data_dir).read_text(encoding="utf-8")))
        # A copy of a data folder brings along the state of the original's `up`.
        return state if Path(state.data_dir) == data_dir.resolve() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def forget_state(data_dir: Path) -> None:
    """Remove the state file, when all that it names has ended."""
    with suppress(FileNotFoundError):
        state_file(data_dir).unlink()


def running(data_dir: Path) -> State | None:
    """The state of the `up` that runs on this data folder now, else None."""
    state = read_state(data_dir)
    return state if state is not None and is_alive(state.up) else None


def running_urls(data_dir: Path) -> tuple[str, str] | None:
    """(database_url, redis_url) of the `up` that runs on `data_dir` now, else None."""
    state = running(data_dir)
    if state is None or not state.database_url or not state.redis_url:
        return None
    return state.database_url, state.redis_url


def _parse(content: dict[str, Any]) -> State:
    started = content["children_started"]
    return State(
        data_dir=content["data_dir"],
        up=Process(**content["up"]),
        url=content["url"],
        ready=content["ready"],
        database_url=content["database_url"],
        redis_url=content["redis_url"],
        socket_folder=content["socket_folder"],
        children={name: Process(pid, started[name]) for name, pid in content["children"].items()},
    )
