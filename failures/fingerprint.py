"""The fingerprint that says whether two failures are the same mistake."""

import hashlib
import re
from dataclasses import dataclass

from failures import significant, tool_code
from failures.mask_values import mask
from failures.skeleton import skeleton

FINGERPRINT_VERSION = "v1"


@dataclass(frozen=True, slots=True)
class Grouping:
    fingerprint: str
    family: str
    template: str
    tool_code: str
    error_class: str


_GENERIC = {"Error", "error", "Exception"}

def _split(message):
    line = significant.significant_line(message)
    loc = tool_code._LOCATION.match(line)
    code = cls = ""
    if loc:
        line = line[loc.end():]
    lev = tool_code._LEVEL.match(line)
    if lev:
        line = line[lev.end():]
    m = tool_code._PREFIX.match(line)
    if m and (loc or lev):
        code = m[1]
        line = line[m.end():]
    else:
        m = tool_code._SUFFIX.search(line)
        if m and loc:
            code = m[m.lastindex]
            line = line[:m.start()]
    if not code:
        m = tool_code._CLASS.match(line)
        if m and (m[1] or m[2].endswith(("Error", "Exception", "Warning", "Invalid", "Exit", "Interrupt"))):
            cls = m[2]
            if cls in _GENERIC:
                cls = m[1].split(".")[-2] + "." + cls if m[1] else cls
            line = line[m.end():]
    return code, cls, line

_WORDY = re.compile(r"[a-z]{2,}")
_WHOLE = re.compile(r"\(?[bru]?(['\"<])(.*)[\"'>],?.{0,200}$")

def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:20]


def grouping(error_type: str, message: str) -> Grouping:
    code, error_class, line = _split(message)
    names = bool(code or error_class)
    template = mask(line, names=names)
    key = skeleton(template, bold=bool(code))
    if not code and not _WORDY.search(key):
        m = _WHOLE.match(line)
        if m and " " in m[2]:
            template = mask(m[2], names=names)
            key = skeleton(template, bold=False)
    template = " ".join(template.split())
    if code and code[-1].isdigit():
        key = ""
    return Grouping(
        fingerprint=f"{FINGERPRINT_VERSION}:{_digest(error_type, code, error_class, key)}",
        family=f"{FINGERPRINT_VERSION}f:{_digest(error_type, code or error_class)}" if code or error_class else "",
        template=template[:200],
        tool_code=code,
        error_class=error_class,
    )


def fingerprint(error_type: str, message: str) -> str:
    return grouping(error_type, message).fingerprint
