"""A message as a webhook, signed as https://www.standardwebhooks.com says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from standardwebhooks import Webhook
from urllib3.exceptions import HTTPError, NameResolutionError

from monitoring.policy_sending import Answer
from monitoring.sinks import guard

SECONDS = 10.0
ANSWER_LIMIT = 4096
AGENT = "EVOX (https://www.standardwebhooks.com)"


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What is sent, and how the receiver knows that it is from here and not new."""

    url: str
    secret: str
    key: str
    """The same for each try of one delivery."""
    body: str
    """JSON."""


def body(data: dict[str, Any], *, at: datetime) -> str:
    """The JSON of a message that was created `at`."""
    stamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": "message.created", "timestamp": stamp, "data": data})


def send(
    parcel: Parcel, *, allow: Sequence[str], now: datetime, seconds: float = SECONDS
) -> Answer:
    """Send it once, within that many seconds, to a public address or one in `allow`.

    No redirect is followed, no proxy of the environment used. Raises nothing that the network does;
    the error names no part of the URL but its host, since a path or query may be a password.
    """
    if urlsplit(parcel.url).scheme.lower() not in {"http", "https"}:
        return Answer(error="A webhook's address begins with https:// or http://.", hopeless=True)
    entries = guard.resolved(allow, names_in=parcel.url)
    with guard.guarded(entries, seconds=seconds) as gate, requests.Session() as session:
        session.trust_env = False
        try:
            with session.post(
                parcel.url,
                data=parcel.body.encode(),
                headers=_headers(parcel, now),
                timeout=seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                _read(response)
                return Answer(
                    status=response.status_code,
                    retry_after=response.headers.get("Retry-After", ""),
                    sent=200 <= response.status_code < 300,
                )
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            if gate.refused:
                # An allowed name may have moved between the two questions; it is asked again.
                by_name = bool(guard.allowed_names(allow, names_in=parcel.url))
                why = f"EVOX refused {gate.refused[-1]}."
                return Answer(error=why, hopeless=not by_name)
            return _fault(error, seconds, ended=gate.ended)


def _headers(parcel: Parcel, now: datetime) -> dict[str, str]:
    at = now.astimezone(UTC)  # sign() takes the digits as they are for UTC.
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "Idempotency-Key": parcel.key,
        "webhook-id": parcel.key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(parcel.secret).sign(parcel.key, at, parcel.body),
    }


def _read(response: requests.Response) -> None:
    """Take a little of the answer's body, so that its sender isn't cut off."""
    try:
        response.raw.read(ANSWER_LIMIT)
    except (HTTPError, OSError):
        return  # The status is there, and it is the answer.


def _fault(error: Exception, seconds: float, *, ended: bool) -> Answer:
    if ended or isinstance(error, requests.Timeout):
        return Answer(error=f"No answer within {seconds:g} s.")
    if isinstance(error, requests.exceptions.SSLError):
        return Answer(error="Its TLS certificate or handshake is not in order.")
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NameResolutionError):
        return Answer(error="Its name could not be resolved.")
    if isinstance(error, requests.ConnectionError | OSError):
        kind = type(reason or error).__name__
        return Answer(error=f"It could not be reached, or hung up ({kind}).")
    return Answer(error=f"It could not be sent ({type(error).__name__}).", hopeless=True)
