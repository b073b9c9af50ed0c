"""The fingerprint that says whether two failures are the same mistake."""

import hashlib
import re
from dataclasses import dataclass

from failures.mask_values import Boldness, mask
from failures.significant import significant_line
from failures.skeleton import skeleton
from failures.tool_code import take_apart

FINGERPRINT_VERSION = "v1"

_LONGEST_TEMPLATE = 200
_WORD = re.compile(r"[a-z]{2,}")
_WRAPPED = re.compile(r"\(?[bru]?['\"<](.*)[\"'>],?.{0,200}$")


@dataclass(frozen=True, slots=True)
class Grouping:
    """What a failure is grouped by, and what its group is called."""

    fingerprint: str
    family: str
    template: str
    tool_code: str
    error_class: str


def grouping(error_type: str, message: str) -> Grouping:
    """Group a failure."""
    code, error_class, text = take_apart(significant_line(message))
    template, key = _template_and_key(error_type, text, code, error_class)
    family = _digest(error_type, code or error_class) if code or error_class else ""
    return Grouping(
        fingerprint=f"{FINGERPRINT_VERSION}:{_digest(error_type, code, error_class, key)}",
        family=family and f"{FINGERPRINT_VERSION}f:{family}",
        template=template[:_LONGEST_TEMPLATE],
        tool_code=code,
        error_class=error_class,
    )


def fingerprint(error_type: str, message: str) -> str:
    """The fingerprint alone of `grouping`."""
    return grouping(error_type, message).fingerprint


def _template_and_key(
    error_type: str, text: str, code: str, error_class: str
) -> tuple[str, str]:
    boldness = _boldness(error_type, code, error_class)
    template = mask(text, boldness)
    key = skeleton(template, coded=bool(code))
    if not code and not _WORD.search(key):
        wrapped = _WRAPPED.match(text)
        if wrapped and " " in wrapped[1]:
            template = mask(wrapped[1], boldness)
            key = skeleton(template, coded=False)
    # A tool that numbers its diagnostics, or names each by a lint, has grouped them already.
    if code[-1:].isdigit() or "::" in code:
        key = ""
    return " ".join(template.split()), key


def _boldness(error_type: str, code: str, error_class: str) -> Boldness:
    if code:
        return Boldness.CODED
    if error_class:
        return Boldness.EXCEPTION
    return Boldness.BUILD if error_type == "build" else Boldness.LOG


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:20]
