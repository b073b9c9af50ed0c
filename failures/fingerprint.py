"""The fingerprint that says whether two failures are the same mistake.

It is pure and stateless: the same text has the same fingerprint in every process, and no text
changes the fingerprint of another. What is hashed is error type, tool code, exception class and
the words of the significant line, with values masked. The idea to tell a line's constant words
from its variable parts is that of log parsing (He et al., "Drain", ICWS 2017). What is masked
follows the habits of people who write error messages: values stand in quotes, after a colon,
behind an equals sign, or look like numbers, paths, addresses and identifiers.

A change of any rule that moves real messages between groups is a new `FINGERPRINT_VERSION`.
"""

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # Loaded as a file by a tool that doesn't know the project.
    sys.path.append(str(Path(__file__).resolve().parents[1]))

from failures.mask_values import Boldness, mask
from failures.significant import significant_line
from failures.skeleton import skeleton
from failures.tool_code import take_apart

FINGERPRINT_VERSION = "v2"
"""`failures.services.reversion` joins the groups of older ones."""

_LONGEST_TEMPLATE = 200
_SEVERAL = re.compile(r"['\"],\s")
_WORD = re.compile(r"[a-z]{2,}")
# Numbered, named in one word, or filed under a category: `E501`, `-Wshadow`, `nullPointer`,
# `clippy::x`, `plugin(rule)`, `Style/Rule`, `group/style/rule`.
_CATALOGUED = re.compile(
    r"\d$|::|^-W|^[a-z]+[A-Z]|^[^/]{1,60}\(|^[A-Z]\w{0,60}/|^[a-z]\w{0,60}/\w{1,60}/"
)
_WRAPPED = re.compile(r"\(?[bru]?['\"<](.*)[\"'>],?.{0,200}$")


@dataclass(frozen=True, slots=True)
class Grouping:
    """What a failure is grouped by, and what its group is called."""

    fingerprint: str
    """Equal for the same mistake: the version, a colon, 20 hexadecimal digits."""
    family: str
    """Coarser: equal for the same error type and tool code or class; empty without either."""
    template: str
    """The significant line with its values masked, at most 200 characters: the group's title."""
    tool_code: str
    """What the tool calls its diagnostic: ``TS2322``, ``F401``, ``no-unused-vars``; or empty."""
    error_class: str
    """The exception's class without its module: ``ModuleNotFoundError``; or empty."""


def grouping(error_type: str, message: str) -> Grouping:
    """Take apart what a tool printed.

    `error_type` is the failure's type (``build``, ``test``, ``api``, …), which keeps equal words of
    different types apart; `message` is any text of any length, of which a bounded part is read. No
    text raises.
    """
    code, error_class, text = take_apart(significant_line(message))
    template, key = _template_and_key(error_type, text, code, error_class)
    family = _digest(error_type, code or error_class) if code or error_class else ""
    return Grouping(
        fingerprint=f"{FINGERPRINT_VERSION}:{_digest(error_type, code, error_class, key)}",
        family=family and f"{FINGERPRINT_VERSION}f:{family}",
        template=(template or code or error_class)[:_LONGEST_TEMPLATE],
        tool_code=code,
        error_class=error_class,
    )


def fingerprint(error_type: str, message: str) -> str:
    """The `Grouping.fingerprint` of a failure; arguments are those of `grouping`."""
    return grouping(error_type, message).fingerprint


def _template_and_key(error_type: str, text: str, code: str, error_class: str) -> tuple[str, str]:
    boldness = _boldness(error_type, code, error_class)
    template = mask(text, boldness)
    key = skeleton(template, coded=bool(code))
    if not code and not _WORD.search(key):
        wrapped = _WRAPPED.match(text)
        if wrapped and " " in wrapped[1] and not _SEVERAL.search(wrapped[1]):
            template = mask(wrapped[1], boldness)
            key = skeleton(template, coded=False)
    # A tool that keeps a catalogue of its diagnostics has grouped them already.
    if _CATALOGUED.search(code):
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
