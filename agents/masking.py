"""Secrets leave a text before it is stored, logged or fingerprinted.

What is masked: tokens of known shape (`agents.masking_tokens`), what stands in headers, addresses
and commands where credentials do (`agents.masking_headers`), and values whose name says that they
are secret (`agents.masking_pairs`). What stands there instead names the kind: `[github-token]`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from agents.masking_bound import bounded
from agents.masking_headers import has_command, mask_addresses, mask_arguments, mask_headers
from agents.masking_pairs import mask_pairs, mask_value
from agents.masking_tokens import mask_tokens, may_hold_token
from agents.masking_values import lower

_STEPS = (mask_tokens, mask_headers, mask_addresses, mask_arguments, mask_pairs)
_ROUNDS = 5
"""A second round finds nothing, but where the first made two texts meet that were apart."""
SHORTEST = 8
_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token"}
)


def scrub(text: str) -> str:
    """`text` with the secrets that it shows replaced by their kinds, all else byte for byte.

    Takes time in proportion to the text's length, never raises, and changes nothing the second
    time: `scrub(scrub(x)) == scrub(x)`.
    """
    if len(text) < SHORTEST or not _may_hold_secret(text):
        return text
    text = bounded(text)
    quiet = 0
    for mask in _STEPS * _ROUNDS:
        masked = mask(text)
        quiet = quiet + 1 if masked == text else 0
        if quiet == len(_STEPS):
            break
        text = masked
    return text


def _may_hold_secret(text: str) -> bool:
    """Whether any rule is worth trying. An ordinary message costs no more than this."""
    if "%40" in text or ("@" in text and ("://" in text or "(" in text or "thin:" in text)):
        return True
    shadow = lower(text)
    return (
        "pass" in shadow
        or "key" in shadow
        or "token" in shadow
        or "secret" in shadow
        or "auth" in shadow
        or "pwd" in shadow
        or "cred" in shadow
        or "cookie" in shadow
        or "bearer" in shadow
        or "basic" in shadow
        or "sig" in shadow
        or "sess" in shadow
        or "identified" in shadow
        or (("-p" in shadow or "-u" in shadow or "-a" in shadow) and has_command(shadow))
        or may_hold_token(text)
    )


def scrub_value(value: Any) -> Any:
    """`value`, as parsed from JSON, with every string scrubbed, keys too.

    A string or number below a key that says secret is masked as if it stood beside it in a text.
    """
    return Scrubber().value(value)


class Scrubber:
    """For many values at once: each text costs once, however often it is repeated."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def value(self, value: Any) -> Any:
        """As `scrub_value`."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._after(before, item) for before, item in pairwise([None, *value])]
        if isinstance(value, dict):
            return {
                self.text(key): self._below(self._name(key, value), item)
                for key, item in value.items()
            }
        return value

    def text(self, text: str) -> str:
        """As `scrub`."""
        if len(text) < SHORTEST:
            return text
        masked = self._known.get(text)
        if masked is None:
            masked = self._known[text] = scrub(text)
        return masked

    def _name(self, key: str, value: dict[str, Any]) -> str:
        """Whose value `key` holds: `{"name": "DB_PASSWORD", "value": …}` says it beside."""
        name = value.get("name", value.get("key")) if key == "value" else key
        return name if isinstance(name, str) else key

    def _below(self, name: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return self.value(value)
        text = self.text(value) if isinstance(value, str) else str(value)
        if (masked := mask_value(name, text)) is not None:
            return masked
        if name.lower() in _HEADERS and isinstance(value, str):
            return self._beside(f"{name}: ", text)
        return text if isinstance(value, str) else value

    def _after(self, before: Any, item: Any) -> Any:
        """An item of a list; after `--password` it is one, and after a header's name its value."""
        if not (isinstance(item, str) and isinstance(before, str)):
            return self.value(item)
        if before.startswith("--"):
            return self._beside(f"{before} ", self.text(item))
        if before.lower() in _HEADERS:
            return self._below(before, item)
        return self.text(item)

    def _beside(self, name: str, text: str) -> str:
        masked = scrub(name + text)
        return masked.removeprefix(name) if masked.startswith(name) else text
