"""Typed readers of the environment: nonsense is refused with one line, whoever asked.

Every reader also looks at `NAME_FILE`, a file that holds the value, for secrets.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from ipaddress import ip_address, ip_network
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from evox.embedded.state import running_urls

BASE_DIR = Path(__file__).resolve().parent.parent
NOT_STARTED = "postgresql://evox@127.0.0.1:1/evox"
TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


class EnvError(SystemExit):
    """A variable that can't be used. As a SystemExit it ends any entry point with its one line."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"EVOX cannot start: {name} {why}.")


def text(name: str, default: str = "") -> str:
    """The variable `name`, or what the file named by `name`_FILE holds, or `default`."""
    file = os.environ.get(f"{name}_FILE", "")
    if file:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise EnvError(f"{name}_FILE", f"names a file that cannot be read ({error})") from None
    value = os.environ.get(name, "").strip()
    return value or default


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 10**9) -> int:
    """A whole number between `minimum` and `maximum`."""
    value = text(name)
    if not value:
        return default
    plain = value.isascii() and value.isdigit() and len(value) <= 12
    if not plain or not minimum <= int(value) <= maximum:
        raise EnvError(name, f"is {value!r}; it takes a whole number from {minimum} to {maximum}")
    return int(value)


def number(name: str, default: float, *, minimum: float, maximum: float) -> float:
    """A decimal number between `minimum` and `maximum`."""
    value = text(name)
    if not value:
        return default
    try:
        parsed = float(value)
    except ValueError:
        parsed = float("nan")
    if not minimum <= parsed <= maximum:
        raise EnvError(name, f"is {value!r}; it takes a number from {minimum} to {maximum}")
    return parsed


def flag(name: str, *, default: bool | None = None) -> bool | None:
    """A yes or no (1/0, true/false, yes/no, on/off); `default` when unset."""
    value = text(name).lower()
    if not value:
        return default
    if value not in TRUE | FALSE:
        raise EnvError(name, f"is {value!r}; it takes 1 or 0")
    return value in TRUE


def http_url(name: str, default: str) -> str:
    """An address that begins with http:// or https:// and names a host."""
    value = text(name, default)
    if _scheme(name, value) not in {"http", "https"} or not urlsplit(value).hostname:
        raise EnvError(name, f"is {value!r}; it takes an address such as {default}")
    return value


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of `choices`."""
    value = text(name, default)
    if value not in choices:
        raise EnvError(name, f"is {value!r}; it takes one of {', '.join(choices)}")
    return value


def durations(name: str, default: str, *, exactly: int | None = None) -> tuple[timedelta, ...]:
    """A rising list of seconds, such as "60,300,900", of any or exactly that length."""
    value = text(name, default)
    try:
        seconds = [float(part) for part in value.split(",")]
    except ValueError:
        seconds = []
    rising = all(a <= b for a, b in pairwise(seconds))
    rising = rising and len(seconds) == (exactly or len(seconds))
    if not seconds or not rising or not all(0 < s <= 7 * 86400 for s in seconds):
        raise EnvError(name, f"is {value!r}; it takes rising seconds such as {default!r}")
    return tuple(timedelta(seconds=s) for s in seconds)


def seconds(name: str, default: int, *, minimum: int = 1, maximum: int = 7 * 86400) -> timedelta:
    """A duration in whole seconds."""
    return timedelta(seconds=integer(name, default, minimum=minimum, maximum=maximum))


def targets(name: str) -> tuple[str, ...]:
    """Host names, addresses and networks with commas between, such as "10.0.0.0/8,hooks.lan"."""
    found = tuple(part.strip().lower() for part in text(name).split(",") if part.strip())
    for target in found:
        try:
            ip_network(target)
        except ValueError:
            # What is digits and dots alone was meant as an address.
            if not HOST_NAME.fullmatch(target) or not re.search("[a-z]", target):
                why = f"holds {target!r}; it takes host names and networks such as 10.0.0.0/8"
                raise EnvError(name, why) from None
    return found


def time_zone(name: str, default: str) -> str:
    """A name of the IANA time zone database, such as Europe/Zurich."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EnvError(name, f"is {value!r}; it takes a zone such as Europe/Zurich") from None
    return value


def data_dir() -> Path:
    """Where EVOX keeps what must survive a restart; made by `scripts/up`."""
    try:
        return Path(text("EVOX_DATA_DIR", str(BASE_DIR / ".evox"))).expanduser().absolute()
    except RuntimeError:
        raise EnvError("EVOX_DATA_DIR", "names the home of a user that there is not") from None


def is_loopback(host: str) -> bool:
    """Whether `host` can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_key(host: str) -> bool:
    """Whether every call needs a key. Raises EnvError when an open address would go without."""
    wanted = flag("EVOX_REQUIRE_KEY")
    if not is_loopback(host) and not wanted:
        raise EnvError(
            "EVOX_HOST", f"is {host!r}, which other machines can reach: set EVOX_REQUIRE_KEY=1"
        )
    return bool(wanted)


def database_url() -> str:
    """DATABASE_URL, else the embedded server that `scripts/up` runs, else an address that fails."""
    url = text("DATABASE_URL")
    if url:
        if _scheme("DATABASE_URL", url) not in {"postgres", "postgresql"}:
            raise EnvError("DATABASE_URL", "must begin with postgresql:// (EVOX needs PostgreSQL)")
        return url
    running = running_urls(data_dir())
    return running[0] if running else NOT_STARTED


def redis_url() -> str:
    """REDIS_URL (redis://, rediss://, unix:// or redis+socket://), else the embedded server's."""
    url = text("REDIS_URL")
    if url:
        if _scheme("REDIS_URL", url) not in {"redis", "rediss", "unix", "redis+socket"}:
            raise EnvError("REDIS_URL", "must begin with redis://, rediss:// or unix://")
        return url
    running = running_urls(data_dir())
    return running[1] if running else "redis://127.0.0.1:1/0"


def _scheme(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Reading it refuses what is no port.
    except ValueError:
        raise EnvError(name, "is no address: its host or port can't be read") from None
    return parts.scheme


def broker_url(url: str) -> str:
    """The form that kombu takes: a socket is redis+socket://, its database `virtual_host`."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={database}"


def cache_url(url: str) -> str:
    """The form that redis-py takes: a socket is unix://, its database `db`."""
    parts = urlsplit(url)
    if parts.scheme != "redis+socket":
        return url
    database = parse_qs(parts.query).get("virtual_host", ["0"])[0]
    return f"unix://{parts.path}?db={database}"


def require_servers() -> None:
    """End with one line when neither the variables nor a running `scripts/up` name the servers."""
    if text("DATABASE_URL") and text("REDIS_URL"):
        return
    if running_urls(data_dir()) is None:
        raise SystemExit(
            "EVOX is not running: start it with ./scripts/up, or set DATABASE_URL and REDIS_URL."
        )
