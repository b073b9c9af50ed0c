"""Brings the database to this version of EVOX, before the web starts: `python -m evox.upgrade`.

Refuses a schema that is newer than the code, dumps an embedded database before it changes it,
migrates, makes the first team and the administrator, and carries failure groups over to a new
version of the fingerprint. Prints what the reader should know; ends with one line on standard
error when it can't go on.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import django
import redis
from django.core.management import CommandError, call_command
from django.db import Error as DatabaseError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from evox import env
from evox.embedded.errors import StartError
from evox.embedded.postgres import dump

KEPT_DUMPS = 5
REJOIN_SECONDS = 60.0
"""A start waits no longer for old groups; some four thousand are carried over meanwhile."""
UPGRADE_LOCK = 0x45564F58
"""Key of the advisory lock that two machines on one database take in turn."""


def main() -> None:
    """Upgrade and exit: 0, or 1 with one line."""
    try:
        django.setup()
        check_servers()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [UPGRADE_LOCK])
        migrate()
        call_command("seed_team", if_empty=True)
        call_command("ensure_admin")
        call_command("rejoin_groups", if_behind=True, seconds=REJOIN_SECONDS)
    except (StartError, CommandError, DatabaseError) as error:
        sys.exit(" ".join(str(error).split()))


def check_servers() -> None:
    """Raise StartError when the database or Redis does not answer."""
    try:
        connection.ensure_connection()
    except OperationalError as error:
        raise StartError(f"the database does not answer: {_reason(error)}") from None
    url = env.cache_url(env.redis_url())
    try:
        redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5).ping()
    except redis.RedisError as error:
        place = urlsplit(url)
        name = place.hostname or place.path
        raise StartError(f"Redis at {name} does not answer: {_reason(error)}") from None


def migrate() -> None:
    """Apply what is missing. Raises StartError when the schema is newer than the code."""
    executor = MigrationExecutor(connection)
    unknown = unknown_migrations(executor.loader)
    if unknown:
        raise StartError(
            f"the database was upgraded by a newer EVOX ({', '.join(unknown)}):"
            " start that version, or restore a dump from before."
        )
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return
    if executor.loader.applied_migrations:
        _dump_first()
    call_command("migrate", interactive=False, verbosity=0)


def unknown_migrations(loader: MigrationLoader) -> list[str]:
    """What the database has and this code has not, as `app.name`, of the apps it knows."""
    replaced = {key for migration in loader.disk_migrations.values() for key in migration.replaces}
    known = set(loader.disk_migrations) | replaced
    return sorted(
        f"{app}.{name}"
        for app, name in loader.applied_migrations
        if app in loader.migrated_apps and (app, name) not in known
    )


def _dump_first() -> None:
    """Dump an embedded database; others are their owner's to back up."""
    program, folder = os.environ.get("EVOX_DUMP_PROGRAM"), os.environ.get("EVOX_DUMP_FOLDER")
    if not program or not folder:
        return
    file = Path(folder) / time.strftime("before-migration-%Y%m%dT%H%M%SZ.dump", time.gmtime())
    dump(program, env.database_url(), file)
    sys.stdout.write(f"The database was dumped to {file} before migrating.\n")
    for old in sorted(Path(folder).glob("before-migration-*.dump"))[:-KEPT_DUMPS]:
        old.unlink()


def _reason(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


if __name__ == "__main__":
    main()
