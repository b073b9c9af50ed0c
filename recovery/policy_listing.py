"""How GitHub is asked for the open pull requests, and when again. No Django here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EVERY = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a listing, as it was last seen."""

    url: str
    etag: str
    numbers: tuple[int, ...]
    next_url: str = ""


def wait_after_limit(headers: Mapping[str, str], *, now: datetime) -> timedelta:
    """How long GitHub wants to be left alone: Retry-After, else until its limit resets.

    Source: docs.github.com, "Best practices for using the REST API", handling rate limits; never
    over an hour, a minute without a word.
    """
    after = headers.get("Retry-After", "")
    if after.isdigit():
        return min(timedelta(seconds=int(after[:9])), LONGEST_WAIT)
    reset = headers.get("X-RateLimit-Reset", "")
    if headers.get("X-RateLimit-Remaining") == "0" and reset.isdigit():
        until = datetime.fromtimestamp(min(int(reset[:12]), 2**33), tz=UTC)
        return min(max(until - now, timedelta(seconds=1)), LONGEST_WAIT)
    return timedelta(minutes=1)


def next_check(*, every: timedelta, failures: int, now: datetime) -> datetime:
    """When a repository is listed again: every five minutes, and rarer the longer it fails."""
    wait: timedelta = min(every * 2 ** min(failures, 4), max(LONGEST_WAIT, every))
    return now + wait
