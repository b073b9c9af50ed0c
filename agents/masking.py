"""Secrets leave a text before it is stored, logged or fingerprinted.

What is masked: tokens of known shape (`agents.masking_tokens`), what stands in headers, addresses
and commands where credentials do (`agents.masking_headers`), and values whose name says that they
are secret (`agents.masking_pairs`). What stands there instead names the kind: `[github-token]`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from agents.masking_bound import MOST, SHORT, bounded, work
from agents.masking_foreign import mask_foreign, may_hold_foreign
from agents.masking_headers import has_command, mask_addresses, mask_arguments, mask_headers
from agents.masking_pairs import mask_pairs, mask_value
from agents.masking_tokens import mask_tokens, may_hold_token
from agents.masking_values import is_name, lower

_STEPS = (mask_tokens, mask_headers, mask_addresses, mask_arguments, mask_pairs, mask_foreign)
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
    if "%40" in text or (
        "@" in text
        and (":/" in text or "@//" in text or "(" in text or "\\/" in text or "thin:" in text)
    ):
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
        or (not text.isascii() and may_hold_foreign(shadow))
    )


def scrub_value(value: Any) -> Any:
    """`value`, as parsed from JSON, with every string scrubbed, keys too.

    A string or number below a key that says secret is masked as if it stood beside it in a text.
    """
    return Scrubber().value(value)


def _says_secret(name: str) -> bool:
    return name.lower() in _HEADERS or mask_value(name, "a1B2c3D4e5F6g7H8") is not None


NODE_COST = 3


def _cost(text: str) -> int:
    """What masking `text` takes, in µs: a half to five times what was measured of 20 kinds."""
    if not _may_hold_secret(text):
        return 2 + len(text) // 30
    if len(text) < SHORT:
        return 20 + len(text) // 8
    return 20 + 5 * min(work(text), MOST) + len(text) // 20


class TooMuchToMaskError(Exception):
    """So much of what came may be secret that masking it would hold up everybody else."""

    def __init__(self, at: object) -> None:
        super().__init__("There is too much here to be masked at once.")
        self.at = at
        """The text, list or object that was one too many: the very one that was given."""


class Scrubber:
    """For many values at once: each text costs once, however often it is repeated.

    `budget` is the most that may be spent on them, by estimate in µs; what would cost more raises
    TooMuchToMaskError.
    """

    def __init__(self, *, budget: int | None = None) -> None:
        self._known: dict[str, str] = {}
        self._left = budget

    def value(self, value: Any) -> Any:
        """As `scrub_value`."""
        if isinstance(value, str):
            return self.text(value)
        if self._left is not None and isinstance(value, list | dict):
            self._spend(NODE_COST * len(value), value)
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
            if self._left is not None:
                self._spend(_cost(text), text)
            masked = self._known[text] = scrub(text)
        return masked

    def _spend(self, cost: int, at: object) -> None:
        self._left = (self._left or 0) - cost
        if self._left < 0:
            raise TooMuchToMaskError(at)

    def _name(self, key: str, value: dict[str, Any]) -> str:
        """Whose value `key` holds: `{"name": "DB_PASSWORD", "value": …}` says it beside."""
        name = value.get("name", value.get("key")) if key == "value" else key
        return name if isinstance(name, str) else key

    def _below(self, name: str, value: Any) -> Any:
        if isinstance(value, list) and value and _says_secret(name):
            if self._left is not None:
                self._spend(NODE_COST * len(value), value)
            return [self._listed(name, *pair) for pair in pairwise([None, *value])]
        if isinstance(value, bool) or not isinstance(value, str | int):
            return self.value(value)
        text = self.text(value) if isinstance(value, str) else str(value)
        if (masked := mask_value(name, text)) is not None:
            return masked
        if name.lower() in _HEADERS and isinstance(value, str):
            return self._beside(f"{name}: ", text)
        return text if isinstance(value, str) else value

    def _listed(self, name: str, before: Any, item: Any) -> Any:
        """An item of a list below `name`; a message about the field is no value of it."""
        if not isinstance(item, str) or (isinstance(before, str) and before.startswith("--")):
            return self._after(before, item)
        if name.lower() not in _HEADERS and (" " in item or is_name(item)):
            return self.text(item)
        return self._below(name, item)

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
        if self._left is not None:
            self._spend(_cost(name + text), text)
        masked = scrub(name + text)
        return masked.removeprefix(name) if masked.startswith(name) else text
