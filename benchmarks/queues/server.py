"""A PostgreSQL of the benchmark's own: durable (fsync on), default settings, thrown away after."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from evox.embedded import children, throwaway
from evox.embedded.binaries import copy_postgres, postgres_install
from evox.embedded.postgres import EmbeddedPostgres


@contextmanager
def fresh_server() -> Iterator[str]:
    """The address of an empty server; it ends, and its data with it, when the block does."""
    account = children.server_account()
    with ExitStack() as stack:
        folder = throwaway.temporary_folder(account)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        install, sockets, data = postgres_install(), folder / "s", folder / "p"
        for made in (sockets, data):
            made.mkdir(mode=0o700)
        if account:
            install = copy_postgres(install, folder / "programs")
            for made in (sockets, data):
                os.chown(made, account.uid, account.gid)
        server = EmbeddedPostgres(
            programs=install, data=data / "data", sockets=sockets, account=account, durable=True
        )
        server.initialise()
        throwaway._start(server, folder / "postgres.log", stack)
        yield server.url


def database(url: str, name: str) -> str:
    """The address of a new database of that name on the same server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return url.rsplit("/", 1)[0] + f"/{name}"


def settle(url: str) -> None:
    """Write out what the fill left, so that no system pays for another's."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def postmaster(url: str) -> int:
    """The id of the server's first process, whose children all others are; 0 without /proc."""
    with psycopg.connect(url) as connection:
        stat = Path(f"/proc/{connection.info.backend_pid}/stat")
        return int(stat.read_text().rpartition(")")[2].split()[1]) if stat.exists() else 0


def described(url: str) -> dict[str, str]:
    """The server's version and what decides on its speed."""
    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
    with psycopg.connect(url) as connection:
        return {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in names}
