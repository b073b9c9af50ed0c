"""A message by Apprise: Slack, Telegram, e-mail and many more.

Apprise runs in a process of its own: only so has a call an end, whatever its service does, can it
neither read files nor start programs, nor write an address with its password to EVOX's log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from monitoring.policy_sending import Answer
from monitoring.sinks import guard

SECONDS = 12
"""About one of them goes to starting Python and loading Apprise."""
ROOT = Path(__file__).resolve().parents[2]
# No proxy: what EVOX may reach is judged by the address that it connects to.
_HANDED_ON = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def send(
    url: str, title: str, body: str, *, allow: Sequence[str], seconds: int = SECONDS
) -> Answer:
    """Send plain text once, within that many seconds. Raises nothing that the service does."""
    order = {
        "url": url,
        "title": title,
        "body": body,
        "allow": guard.resolved(allow, names_in=url),
        "seconds": seconds,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "monitoring.sinks.apprise_process"],
            input=json.dumps(order).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={name: os.environ[name] for name in _HANDED_ON if name in os.environ},
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(error=f"No result within {seconds} s.")
    try:
        said = json.loads(done.stdout)
    except ValueError:
        return Answer(error=f"Apprise ended without a result (exit code {done.returncode}).")
    return Answer(
        status=said["status"],
        sent=said["sent"],
        error=said["error"],
        hopeless=said["hopeless"] and not guard.allowed_names(allow, names_in=url),
    )
