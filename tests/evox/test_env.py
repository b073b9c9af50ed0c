"""The environment's readers: tables of good values, and nonsense that ends in one line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evox import env

NAME = "EVOX_TESTED"


def read(monkeypatch: pytest.MonkeyPatch, value: str, reader: Callable[[], Any]) -> Any:
    monkeypatch.setenv(NAME, value)
    return reader()


READERS: dict[str, Callable[[], Any]] = {
    "integer": lambda: env.integer(NAME, 7, minimum=1, maximum=100),
    "number": lambda: env.number(NAME, 0.5, minimum=0, maximum=1),
    "flag": lambda: env.flag(NAME),
    "choice": lambda: env.choice(NAME, "auto", ("auto", "manual")),
    "durations": lambda: env.durations(NAME, "60,300"),
    "seconds": lambda: env.seconds(NAME, 5, maximum=60),
    "time_zone": lambda: env.time_zone(NAME, "UTC"),
}


@pytest.mark.parametrize(
    ("reader", "value", "result"),
    [
        ("integer", "", 7),
        ("integer", " 12 ", 12),
        ("number", "", 0.5),
        ("number", "1", 1.0),
        ("flag", "", None),
        ("flag", "1", True),
        ("flag", "Yes", True),
        ("flag", "off", False),
        ("choice", "", "auto"),
        ("choice", "manual", "manual"),
        ("durations", "", (timedelta(seconds=60), timedelta(seconds=300))),
        ("durations", "0.5, 2,2", tuple(timedelta(seconds=s) for s in (0.5, 2, 2))),
        ("seconds", "60", timedelta(seconds=60)),
        ("time_zone", "", "UTC"),
        ("time_zone", "Europe/Zurich", "Europe/Zurich"),
    ],
)
def test_a_good_value_is_read(
    monkeypatch: pytest.MonkeyPatch, reader: str, value: str, result: Any
) -> None:
    assert read(monkeypatch, value, READERS[reader]) == result


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        *(("integer", value) for value in ("x", "0", "101", "-1", "1.5", "٣", "9" * 5000)),
        *(("number", value) for value in ("x", "-0.1", "1.1", "nan", "inf")),
        *(("flag", value) for value in ("maybe", "2")),
        ("choice", "other"),
        *(("durations", value) for value in ("x", "0", "5,1", "-1", "nan", "1,,2", "9e9")),
        *(("seconds", value) for value in ("0", "61", "soon")),
        *(("time_zone", value) for value in ("Mars/Base", "../etc/passwd", "Europe")),
    ],
)
def test_nonsense_ends_with_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, reader: str, value: str
) -> None:
    with pytest.raises(env.EnvError) as refusal:
        read(monkeypatch, value, READERS[reader])

    line = str(refusal.value.code)
    assert line.startswith(f"EVOX cannot start: {NAME} ")
    assert "\n" not in line


def test_a_secret_is_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n", encoding="utf-8")
    monkeypatch.setenv(f"{NAME}_FILE", str(file))
    assert env.text(NAME, "default") == "hush"

    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path))
    with pytest.raises(env.EnvError, match=f"{NAME}_FILE"):
        env.text(NAME)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("evox", False),
    ],
)
def test_other_machines_need_a_key(
    monkeypatch: pytest.MonkeyPatch, host: str, loopback: bool
) -> None:
    monkeypatch.delenv("EVOX_REQUIRE_KEY", raising=False)
    if loopback:
        assert env.require_key(host) is False
    else:
        with pytest.raises(env.EnvError, match="EVOX_REQUIRE_KEY=1"):
            env.require_key(host)
    monkeypatch.setenv("EVOX_REQUIRE_KEY", "1")
    assert env.require_key(host) is True


@pytest.mark.parametrize(
    ("name", "reader", "value"),
    [
        ("DATABASE_URL", env.database_url, "sqlite:///x"),
        ("DATABASE_URL", env.database_url, "postgresql://[half/x"),
        ("DATABASE_URL", env.database_url, "postgresql://host:port/x"),
        ("REDIS_URL", env.redis_url, "http://x"),
        ("REDIS_URL", env.redis_url, "redis://host:99999/0"),
        ("EVOX_DATA_DIR", env.data_dir, "~nobody-of-this-name/x"),
    ],
)
def test_an_address_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, reader: Callable[[], Any], value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(env.EnvError, match=name):
        reader()


def test_one_redis_address_serves_the_broker_and_the_cache() -> None:
    assert env.broker_url("unix:///r.sock?db=2") == "redis+socket:///r.sock?virtual_host=2"
    assert env.cache_url("redis+socket:///r.sock?virtual_host=2") == "unix:///r.sock?db=2"
    for same in ("redis://h:1/0", "rediss://h:1/0"):
        assert env.broker_url(same) == env.cache_url(same) == same


def test_without_servers_a_command_says_how_to_start_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVOX_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("REDIS_URL", "")

    assert env.database_url() == env.NOT_STARTED
    assert env.redis_url() == "redis://127.0.0.1:1/0"
    with pytest.raises(SystemExit, match=r"start it with \./scripts/up"):
        env.require_servers()
