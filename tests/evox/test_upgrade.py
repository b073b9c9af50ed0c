"""The database is brought to this version, and never to an older one."""

from __future__ import annotations

import subprocess

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from evox import upgrade
from evox.embedded.binaries import postgres_install
from evox.embedded.errors import StartError

PG_DUMP = str(postgres_install() / "bin" / "pg_dump")


def test_this_version_knows_its_own_migrations(db):
    assert upgrade.unknown_migrations(MigrationLoader(connection)) == []


def test_a_schema_newer_than_the_code_is_refused(db):
    MigrationRecorder(connection).record_applied("auth", "9999_from_the_future")
    with pytest.raises(StartError, match=r"newer EVOX \(auth\.9999_from_the_future\)"):
        upgrade.migrate()


def test_what_an_app_that_is_gone_once_applied_does_not_count(db):
    MigrationRecorder(connection).record_applied("an_app_that_is_gone", "0001_initial")
    assert upgrade.unknown_migrations(MigrationLoader(connection)) == []


def test_nothing_is_dumped_when_nothing_is_migrated(db, tmp_path, monkeypatch):
    monkeypatch.setenv("EVOX_DUMP_PROGRAM", PG_DUMP)
    monkeypatch.setenv("EVOX_DUMP_FOLDER", str(tmp_path))
    upgrade.migrate()
    assert list(tmp_path.iterdir()) == []


def test_an_embedded_database_is_dumped_before_it_is_migrated(db, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVOX_DUMP_PROGRAM", PG_DUMP)
    monkeypatch.setenv("EVOX_DUMP_FOLDER", str(tmp_path))
    migrated = []
    monkeypatch.setattr(upgrade, "call_command", lambda name, **_: migrated.append(name))
    MigrationRecorder(connection).record_unapplied("django_celery_beat", latest_of_beat())
    for day in range(10, 20):
        (tmp_path / f"before-migration-202001{day}T000000Z.dump").touch()
    upgrade.migrate()
    assert migrated == ["migrate"]
    dumps = sorted(tmp_path.iterdir())
    assert len(dumps) == upgrade.KEPT_DUMPS
    assert f"was dumped to {dumps[-1]} before" in capsys.readouterr().out
    listing = subprocess.run(
        [PG_DUMP.replace("pg_dump", "pg_restore"), "--list", dumps[-1]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PostgreSQL" in listing.stdout or "dbname" in listing.stdout


def latest_of_beat():
    graph = MigrationLoader(connection).graph
    return graph.leaf_nodes("django_celery_beat")[0][1]
