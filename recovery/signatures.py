"""GitHub's signature of a body: HMAC-SHA256, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "sha256="


def secrets_in(text: str) -> list[str]:
    """The secrets of a setting: one, or two with a comma between them during a rotation."""
    return [secret.strip() for secret in text.split(",") if secret.strip()]


def sign(body: bytes, secret: str) -> str:
    """The header X-Hub-Signature-256 of `body`."""
    return PREFIX + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_signed(body: bytes, header: str, secrets: Sequence[str]) -> bool:
    """Whether `header` is the signature of the raw `body` by one of `secrets`."""
    # Bytes, since compare_digest refuses text beyond ASCII; every secret is tried, whatever fits.
    given = header.encode("utf-8", "replace")
    matches = [hmac.compare_digest(sign(body, secret).encode(), given) for secret in secrets]
    return any(matches)
