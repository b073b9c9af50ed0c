"""What follows from a try to send a message outside. No Django here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=10)
LONGEST_ASKED = timedelta(hours=1)
"""A receiver may ask by Retry-After for this much; more is not believed."""
GIVE_UP_AFTER = timedelta(hours=24)
WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
"""The 4xx that speak of the moment rather than of the request (RFC 9110, 8470, 6585)."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a try: a status, or why there was none."""

    status: int | None = None
    retry_after: str = ""
    """The header as it came: seconds, or a date."""
    sent: bool = False
    error: str = ""
    hopeless: bool = False
    """Nothing was sent, and never will be: the target is refused or can't be read."""


@dataclass(frozen=True)
class Sent:
    """The receiver has it."""


@dataclass(frozen=True)
class TryAgain:
    """It may work at `at`."""

    at: datetime
    why: str


@dataclass(frozen=True)
class GiveUp:
    """It won't work, or a day has gone by."""

    why: str


Verdict = Sent | TryAgain | GiveUp


def judge(
    answer: Answer, *, tries: int, created_at: datetime, draw: float, now: datetime
) -> Verdict:
    """What follows from the answer to try number `tries`, from 1; `draw` is from 0 up to 1."""
    if answer.sent:
        return Sent()
    why = _reason(answer)
    if answer.hopeless or _is_final(answer.status):
        return GiveUp(why)
    asked = asked_wait(answer.retry_after, now=now)
    at = now + max(back_off(tries, draw=draw), asked)
    if at > created_at + GIVE_UP_AFTER:
        return GiveUp(f"{why} It was tried for a day.")
    return TryAgain(at, why)


def back_off(tries: int, *, draw: float) -> timedelta:
    """How long to wait after try number `tries`: full jitter over 5 s, 10 s, 20 s … 10 min.

    Full jitter spreads receivers' load best:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(tries - 1, 20)) * draw


def asked_wait(header: str, *, now: datetime) -> timedelta:
    """What Retry-After asks for, from nothing to an hour; nonsense asks for nothing."""
    text = header.strip()[:64]
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text), LONGEST_ASKED.total_seconds()))
    try:
        at: datetime = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return timedelta(0)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return min(max(at - now, timedelta(0)), LONGEST_ASKED)


def _is_final(status: int | None) -> bool:
    return status is not None and 300 <= status < 500 and status not in WORTH_ANOTHER_TRY


def _reason(answer: Answer) -> str:
    if answer.error:
        return answer.error
    if answer.status is not None and 300 <= answer.status < 400:
        return f"It answered {answer.status}, and redirects are not followed: name the new address."
    return f"It answered {answer.status}."
