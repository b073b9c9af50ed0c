"""An embedded Redis (or Valkey): unix socket only."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from evox.embedded.binaries import redis_version
from evox.embedded.children import Child
from evox.embedded.processes import MARKER


@dataclass(frozen=True, kw_only=True)
class EmbeddedRedis:
    """Where one server keeps its data and its socket, and what is run with them."""

    program: Path
    """redis-server or valkey-server."""
    data: Path
    """Its folder; made by `initialise`."""
    sockets: Path
    """The folder for its socket, closed to others."""
    durable: bool = True
    """False keeps nothing on disk."""
    marker: str = ""
    """The data folder whose `up` it belongs to."""

    @property
    def socket(self) -> Path:
        """Its socket."""
        return self.sockets / "redis.sock"

    @property
    def url(self) -> str:
        """Its address, in the form that redis-py takes."""
        return f"unix://{quote(str(self.socket))}?db=0"

    @property
    def folder(self) -> Path:
        """Where its files are: one folder a version, since an older one can't read a newer's."""
        return self.data / ".".join(map(str, redis_version(self.program)))

    def initialise(self) -> None:
        """Make its folder, closed to others."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def child(self) -> Child:
        """The server as a program to supervise."""
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",
            "set-proc-title": "no",  # a title would overwrite the marker in its environment
            "appendonly": "yes" if self.durable else "no",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return Child(
            name="redis",
            command=(str(self.program), *options),
            env=env | {MARKER: self.marker} if self.marker else env,
            folder=self.folder,
            stop_seconds=15,
        )

    def is_ready(self) -> bool:
        """Whether it answers now; not while it still loads its data."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False
