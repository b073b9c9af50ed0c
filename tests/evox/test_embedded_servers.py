"""PostgreSQL and Redis of their own, for anyone, leaving nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
import redis

from evox.embedded.binaries import postgres_install, redis_server, redis_version
from evox.embedded.errors import StartError
from evox.embedded.places import Places, remove_short_folder
from evox.embedded.postgres import EmbeddedPostgres, dump
from evox.embedded.throwaway import open_to_all, temporary_folder, throw_away_servers

ROOT = Path(__file__).resolve().parents[2]


def test_both_servers_answer_and_are_gone_with_their_folder_afterwards():
    with throw_away_servers() as urls:
        with psycopg.connect(urls["DATABASE_URL"]) as connection:
            assert connection.info.server_version // 10000 == 18
            assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        client = redis.Redis.from_url(urls["REDIS_URL"])
        assert client.ping()
        client.close()
        folder = Path(unquote(urlsplit(urls["DATABASE_URL"]).hostname or "")).parent
        assert folder.is_dir()
    assert not folder.exists()


def test_no_port_is_opened_and_the_sockets_are_closed_to_others():
    with throw_away_servers() as urls, psycopg.connect(urls["DATABASE_URL"]) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        folder = Path(unquote(urlsplit(urls["DATABASE_URL"]).hostname or ""))
        assert folder.stat().st_mode & 0o077 == 0
        assert Path(urlsplit(urls["REDIS_URL"]).path).parent.stat().st_mode & 0o077 == 0


def test_the_keeper_ends_its_servers_when_its_input_ends():
    with subprocess.Popen(
        [sys.executable, "-m", "evox.embedded.throwaway", "redis"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as keeper:
        socket = Path(urlsplit(json.loads(keeper.stdout.readline())["REDIS_URL"]).path)
        assert socket.is_socket()
        keeper.stdin.close()
        assert keeper.wait(60) == 0
    assert not socket.parent.exists()


def test_a_database_can_be_dumped_and_restored(tmp_path):
    file = tmp_path / "a.dump"
    programs = postgres_install() / "bin"
    with throw_away_servers(redis=False) as urls:
        with psycopg.connect(urls["DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        dump(str(programs / "pg_dump"), urls["DATABASE_URL"], file)
        with psycopg.connect(urls["DATABASE_URL"]) as connection:
            connection.execute("DROP TABLE kept")
        restore = [programs / "pg_restore", "--dbname", urls["DATABASE_URL"], file]
        subprocess.run(restore, check=True)
        with psycopg.connect(urls["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_failed_dump_leaves_no_file(tmp_path):
    program = str(postgres_install() / "bin" / "pg_dump")
    with pytest.raises(StartError, match="dump before migrating failed"):
        dump(program, "postgresql://nobody@127.0.0.1:1/none", tmp_path / "a.dump")
    assert list(tmp_path.iterdir()) == []


def test_data_of_another_postgresql_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("17\n")
    server = EmbeddedPostgres(programs=postgres_install(), data=tmp_path / "data", sockets=tmp_path)
    with pytest.raises(StartError, match="made by PostgreSQL 17"):
        server.initialise()


def test_a_private_temporary_folder_stays_private(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setattr("tempfile.tempdir", str(home))
    with throw_away_servers(redis=False) as urls, psycopg.connect(urls["DATABASE_URL"]):
        assert home.stat().st_mode & 0o777 == 0o700
    assert not open_to_all(home)
    assert list(home.iterdir()) == []


def test_a_temporary_folder_for_the_present_user_alone_is_closed():
    folder = temporary_folder(None)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()


@pytest.mark.parametrize("name", ["x" * 120, "a b", "a,b", "50%", 'a"b'])
def test_a_path_that_no_socket_or_url_can_have_gets_a_short_one(tmp_path, name):
    places = Places(tmp_path / name, None)
    places.make()
    postgres, redis_folder = places.socket_folders()
    assert len(os.fsencode(postgres / ".s.PGSQL.5432")) <= 107
    assert not postgres.is_relative_to(tmp_path / name)
    remove_short_folder(str(redis_folder))
    assert not postgres.parent.exists()


def test_a_redis_that_is_too_old_or_broken_is_passed_over(tmp_path, monkeypatch):
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=0'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert redis_version(program) == (5, 0)
    assert redis_server() != program
    assert redis_version(tmp_path / "none") == (0, 0)


def test_the_machines_own_redis_comes_first(tmp_path, monkeypatch):
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho 'Redis server v=7.2.1 sha=0'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert redis_server() == program
