"""One call of Apprise: an order in by standard input, its result out as JSON.

The order holds `url`, `title`, `body`, `allow` and `seconds`. It ends itself when its time is over,
even when whoever started it is gone.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from typing import Any
from urllib.parse import unquote

from apprise import Apprise, AppriseAsset, NotifyFormat

from agents.policy_sinks import LOCAL_SCHEMES
from monitoring.sinks import guard

ERROR_LIMIT = 300
SECRET_LENGTH = 4
"""Parts of the address of this length or longer are left out of what is said about a failure."""


class _Heard(logging.Handler):
    """Keeps what Apprise complains of, and nothing else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage()[:2000])
        del self.said[:-20]


def deliver(order: dict[str, Any]) -> dict[str, Any]:
    """Send what the order says; the result: `sent`, `status`, `error`, `hopeless`."""
    heard = _Heard()
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [heard], False
    logger.setLevel(logging.WARNING)
    # A followed redirect turns a POST into a GET, which would count as sent.
    asset = AppriseAsset(
        async_mode=False, secure_logging=True, storage_mode="memory", http_redirects=False
    )
    service = Apprise.instantiate(order["url"], asset=asset)
    if service is None:
        return _failed("Apprise can't read this address.", hopeless=True)
    if _schemes(service) & LOCAL_SCHEMES:
        return _failed("It runs on this machine; a sink is outside.", hopeless=True)
    caller = Apprise(asset=asset)
    caller.add(service)
    gate = guard.guard_process(order["allow"])
    sent = caller.notify(
        body=order["body"],
        title=order["title"],
        body_format=NotifyFormat.TEXT,
        interpret_escapes=False,
    )
    if sent:
        return {"sent": True, "status": None, "error": "", "hopeless": False}
    if gate.refused:
        return _failed(f"EVOX refused {gate.refused[-1]}.", hopeless=True)
    return _failed(*_complaint(heard.said, order["url"]))


def without_secrets(text: str, url: str) -> str:
    """`text` without any part of the address but its service."""
    _, _, rest = url.partition("://")
    raw = {rest, *re.split(r"[/:?&=@,;#+]+", rest), *re.split(r"\W+", rest)}
    parts = raw | {unquote(part) for part in raw}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SECRET_LENGTH:
            text = text.replace(part, "…")
    return text


def _complaint(said: list[str], url: str) -> tuple[str, int | None]:
    statuses = re.findall(r"\berror=(\d{3})\b", " ".join(said))
    last = without_secrets(said[-1] if said else "", url)[:ERROR_LIMIT]
    return last or "The service did not take it.", int(statuses[-1]) if statuses else None


def _failed(error: str, status: int | None = None, *, hopeless: bool = False) -> dict[str, Any]:
    return {"sent": False, "status": status, "error": error, "hopeless": hopeless}


def _schemes(service: Any) -> set[str]:
    found: set[str] = set()
    for declared in (service.protocol, service.secure_protocol):
        found |= {declared} if isinstance(declared, str) else set(declared or ())
    return found


def main() -> None:
    """Read the order, carry it out, say what came of it."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())  # A service that prints must not spoil the result.
    order = json.loads(sys.stdin.buffer.read(200_000))
    signal.alarm(int(order["seconds"]))
    result = deliver(order)
    out.write(json.dumps(result))
    out.close()


if __name__ == "__main__":
    main()
