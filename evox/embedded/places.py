"""Where an `up` keeps what: the data folder, and what root's PostgreSQL needs beside it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evox.embedded.binaries import copy_postgres
from evox.embedded.children import Account
from evox.embedded.errors import StartError

ROOT_HOMES = Path("/var/lib/evox")
LONGEST_SOCKET_PATH = 107
"""Bytes. The kernel's limit for the path of a unix socket."""
OWN_PARTS = ("run", "logs", "redis", "postgres", "postgres.new", "backups", "id", "secret_key")
"""What EVOX keeps in a data folder, and all that --purge removes from it."""


@dataclass(frozen=True)
class Places:
    """The folders of one `up`. `account` is who runs PostgreSQL; None for the present user."""

    data_dir: Path
    account: Account | None

    @property
    def run(self) -> Path:
        """The state file and the lock."""
        return self.data_dir / "run"

    @property
    def logs(self) -> Path:
        """One file a child."""
        return self.data_dir / "logs"

    @property
    def backups(self) -> Path:
        """The dumps that precede migrations."""
        return self.data_dir / "backups"

    def make(self) -> None:
        """Make the folders, closed to others. Raises StartError when the data folder can't be."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.run, self.logs, self.backups):
                folder.mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.run):
                pass
        except OSError as error:
            raise StartError(
                f"the data folder {self.data_dir} can't be used ({error.strerror}):"
                " set EVOX_DATA_DIR to a folder that you may write to."
            ) from None

    def postgres_home(self) -> Path:
        """The folder that holds PostgreSQL's data; made if need be.

        Raises StartError when another user's database is in the data folder.
        """
        if self.account is None:
            return self.data_dir
        if (self.data_dir / "postgres").exists():
            raise StartError(
                f"the database in {self.data_dir} was made by an ordinary user:"
                " run EVOX as that user, or set EVOX_DATA_DIR to another folder."
            )
        return self._root_home()

    def programs(self, install: Path) -> Path:
        """PostgreSQL's programs, where `account` can read them."""
        if self.account is None:
            return install
        copies = self._root_home() / "programs"
        copies.mkdir(mode=0o711, exist_ok=True)
        copies.chmod(0o711)
        release = _release(install)
        for old in copies.iterdir():
            if old.name != release:
                shutil.rmtree(old)
        return copy_postgres(install, copies / release)

    def socket_folders(self) -> tuple[Path, Path]:
        """Make and return the folders for PostgreSQL's and Redis's socket, closed to others."""
        parent = self.run if self.account is None else self._root_home()
        if not fits_sockets(parent):
            parent = _short_folder()
        postgres, redis = parent / "postgres-socket", parent / "redis-socket"
        for folder in (postgres, redis):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(postgres, self.account.uid, self.account.gid)
        return postgres, redis

    def temporary_folder(self, socket_folder: str) -> Path:
        """Make and return an empty folder for what the children would leave in /tmp when killed.

        Beside `socket_folder`, if there is one: children keep sockets in it, too.
        """
        parent = Path(socket_folder).parent if socket_folder else self.run
        folder = parent / "tmp"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def root_home(self) -> Path | None:
        """The folder under /var/lib/evox that belongs to this data folder; None without one."""
        try:
            name = (self.data_dir / "id").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return ROOT_HOMES / name if re.fullmatch(r"[0-9a-f]{32}", name) else None

    def is_owner_of(self, home: Path) -> bool:
        """Whether `home` was made for this data folder, and not for one this was copied from."""
        try:
            owner = Path((home / "data_dir").read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            return True
        if owner == self.data_dir:
            return True
        return Places(owner, self.account).root_home() != home

    def _root_home(self) -> Path:
        home = self.root_home()
        if home is None:
            home = ROOT_HOMES / uuid.uuid4().hex
            (self.data_dir / "id").write_text(f"{home.name}\n", encoding="ascii")
        if not self.is_owner_of(home):
            raise StartError(
                f"{self.data_dir} is a copy of a data folder in use: remove the file"
                f" {self.data_dir / 'id'} to give it a database of its own."
            )
        try:
            home.mkdir(mode=0o711, parents=True, exist_ok=True)
            home.chmod(0o711)
        except OSError as error:
            raise StartError(
                f"{home} can't be made ({error.strerror}): run EVOX as an ordinary user,"
                " or set DATABASE_URL."
            ) from None
        (home / "data_dir").write_text(f"{self.data_dir}\n", encoding="utf-8")
        return home


def remove_short_folder(socket_folder: str) -> None:
    """Remove the folder that was made because the data folder's path was too long for sockets."""
    parent = Path(socket_folder).parent
    if parent.name.startswith("evox-sockets-"):
        with suppress(OSError):
            shutil.rmtree(parent)


def fits_sockets(folder: Path) -> bool:
    """Whether sockets can be below `folder`: it is short and needs no escapes in a URL."""
    path = f"{folder}/postgres-socket/.s.PGSQL.5432"
    return len(os.fsencode(path)) <= LONGEST_SOCKET_PATH and bool(
        re.fullmatch(r"[\w./+@-]+", path, re.ASCII)
    )


def _short_folder() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108
        if fits_sockets(Path(parent, "evox-sockets-12345678")) and os.access(parent, os.W_OK):
            return Path(tempfile.mkdtemp(prefix="evox-sockets-", dir=parent))
    raise StartError("no temporary folder has a path short enough for sockets: set TMPDIR=/tmp.")


def _release(install: Path) -> str:
    """What tells one build of PostgreSQL from another: the size and time of its server."""
    server = (install / "bin" / "postgres").stat()
    return f"{server.st_size:x}-{server.st_mtime_ns:x}"
