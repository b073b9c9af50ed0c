"""JSON in: bounded in size and depth, free of secrets and of what PostgreSQL can't store."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from agents.masking import Scrubber, TooMuchToMaskError, scrub

SINGLE_LIMIT = 1024 * 1024
BULK_LIMIT = 16 * 1024 * 1024
MAX_DEPTH = 20
MASKING_LIMIT = 4_000_000
"""So much may masking a body take, in µs by its own estimate.

16 MiB of logs in a thousand pieces, each with a word such as `key`, are 2,700,000; 1 MiB of short
texts, all different and each with a password, 2,000,000, and 16 MiB of them took 22 s.
"""
# NUL can't be stored as text, a lone surrogate not even encoded; both become U+FFFD, since a
# failure report must not be lost for one odd byte.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MAY_HOLD_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\x00|\xed[\xa0-\xbf]")


class PayloadTooLargeError(APIException):
    """A body over its limit. HTTP 413."""

    status_code = 413
    default_code = "too_large"
    default_detail = "The body is too large."


class BoundedJSONParser(BaseParser):
    """Application/json up to 1 MiB and 20 levels; NaN and infinities are refused."""

    media_type = "application/json"
    limit = SINGLE_LIMIT

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The body as Python values. Raises ParseError (400) and PayloadTooLargeError (413)."""
        return parse_json(self._read(stream))

    def _read(self, stream: IO[bytes]) -> bytes:
        raw = stream.read(self.limit + 1)
        if len(raw) > self.limit:
            raise PayloadTooLargeError(f"The body is over {self.limit:,} bytes.")
        return raw


class BulkJSONParser(BoundedJSONParser):
    """As its parent, up to 16 MiB; a single object is still held to 1 MiB."""

    limit = BULK_LIMIT

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """As BoundedJSONParser.parse."""
        raw = self._read(stream)
        if len(raw) > SINGLE_LIMIT and not raw.lstrip().startswith(b"["):
            raise PayloadTooLargeError(f"The body is over {SINGLE_LIMIT:,} bytes.")
        return parse_json(raw)


def parse_json(raw: bytes) -> Any:
    """`raw` as Python values that PostgreSQL can hold, secrets masked.

    Raises ParseError, and PayloadTooLargeError for more than can be masked at once.
    """
    try:
        value = json.loads(raw, parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise ParseError("The body is not UTF-8.") from None
    except RecursionError:
        raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}") from None
    if _too_deep(value):
        raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.")
    return _masked(_storable(value) if _MAY_HOLD_UNSTORABLE.search(raw) else value)


def _masked(value: Any) -> Any:
    try:
        return Scrubber(budget=MASKING_LIMIT).value(value)
    except TooMuchToMaskError as error:
        place = scrub((_path(value, error.at) or "").lstrip(".") or "body")[:200]
        raise PayloadTooLargeError(
            f"{place}: up to here, the body holds more that may be secret than can be masked at"
            " once. Send less."
        ) from None


def _path(value: Any, wanted: object) -> str | None:
    """Where in `value` that very object stands, such as `[3].context.log`; "" for all of it."""
    if value is wanted:
        return ""
    steps: Iterable[tuple[Any, Any]] = enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, dict):
        steps = value.items()
    for step, inner in steps:
        if step is wanted:
            return ""
        rest = _path(inner, wanted)
        if rest is not None:
            here = f"[{step}]" if isinstance(step, int) else f".{step}"
            return f"{here}{rest}"
    return None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in {float("inf"), float("-inf")}:
        raise ValueError(f"{digits[:20]} is out of range")
    return value


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for node in level
            if isinstance(node, list | dict)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value
