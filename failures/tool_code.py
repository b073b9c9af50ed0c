"""Take location, tool code and exception class off a diagnostic."""

import re
from typing import NamedTuple


class Diagnostic(NamedTuple):
    """A line taken apart."""

    tool_code: str
    error_class: str
    text: str


# Times, levels, marks and places that tools print in front of what they say; syslog's and glog's
# heads, too.
_LEAD = re.compile(
    r"(?P<place>[^\s:]{1,300}:-?\d{1,7}(?::\d{1,7}(?=[:\s])|(?=:)):?\s{1,8}"
    r"|[^\s:]{1,300}\(\d{1,7}(?:,\d{1,7})?\):\s{1,4}"
    r"|[^\s:]{1,300}(?::\d{1,7}){1,2} (?=[A-Z]{1,8}\d{2,6}\b)"
    r"|[^\s:]{1,300}: line \d{1,7}(?:, col(?:umn)? \d{1,7})?[,:] "
    r"|(?:[A-Za-z]{1,8}:\s{1,8}\d{1,7} \| ){1,3}"
    r"|\d{1,7}:\d{1,7}\s{1,8})"
    r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,16}\s{1,4}"
    r"(?:\[?(?:NOTICE|INFO|DEBUG|TRACE)\]?:?\s{1,4})?"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.:-]{1,255} [\w./()-]{1,80}(?:\[\d{1,10}\])?: "
    r"|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{3,9}\s{1,8}\d{1,10} [\w./-]{1,200}:\d{1,7}\] "
    r"|\[?(?:ERROR|FATAL|CRITICAL|SEVERE|WARNING|WARN)\]?[:\s]\s{0,4}"
    r"|(?i:fatal error|error|warning|fatal|failure|note|info|issue)"
    r"(?:\s{0,4}:\s{0,4}|\s{2,8}|(?=\[\w{1,60}\]:|\[[a-z][\w/-]{1,60}\] )"
    r"|\s(?=[A-Z]{1,8}\d{2,6}:))"
    r"|(?:[\u2716-\u2718\u00d7\u26a0\u2022!^]\ufe0f?|>{1,3})\s{1,4}|[A-Z]: (?=[A-Z])"
    r"|npm (?:ERR!|error)\s{1,4}|E\s{2,8}|FAILED \S{1,300} - |- (?=error|warning)|##\[error\]"
)
_NUMBERED = re.compile(
    r"\[?([A-Z]{1,8}-?\d{2,6})\b(?:[:/(][a-z][\w/-]{1,80}\)?)?\]?(?: \||:|[:\s]{0,3}(?=[\s:])) ?"
)
# What the tool files under a category: `Style/Alias`, `lint/style/useConst`, `plugin(rule)`.
_FILED = re.compile(
    r"([A-Za-z@][\w@-]{1,40}\([\w@/-]{2,60}\)(?=:\s)|[A-Z]\w{1,40}(?:/[A-Z]\w{1,60}){1,3}(?=:\s)"
    r"|[a-z]\w{1,40}(?:/\w{1,60}){1,3}(?=:\s|\s[\u2500-\u257f]))[:\s\u2500-\u257f]{1,300}"
    r"(?:[\u2716-\u2718\u00d7\u26a0\u2022!]\s)?"
)
# `error[rule-name] what` and `warning: [rule] what`.
_RULE_FIRST = re.compile(r"\[([a-z][a-z0-9]{0,40}(?:[-_/][a-z0-9]{1,40}){1,8})\]:? (?=\S)")
_NUMBERED_ALONE = re.compile(r"\[?([A-Z]{1,8}-?\d{3,6})\]?: ?")
_ERRNO = re.compile(
    r"code (E[A-Z\d]{2,24}|ERR_[A-Z_]{3,60})(?: |$)|(E[A-Z]{4,24}|ERR_[A-Z_]{3,60}): ?"
)
_BRACKETED = re.compile(
    r"(?<!:)\s(?:\[(-W[a-z][\w=+-]{1,60}|[a-z][a-z0-9]*(?:(?:::|[-_])[a-z0-9_]{1,60}){1,10})\]"
    r"|\(([a-z][a-z0-9]*(?:-[a-z0-9]{1,40}){1,8}|report[A-Z]\w{2,60})\))$"
)
_PLACED = re.compile(
    r"\s\[([A-Za-z]\w{1,60})\]$|\s\(([A-Z]{1,5}\d{2,6})\)$|\s{2}\(([a-z]{2,40})\)$"
    r"|(?:\s{2}|(?<=[.?!)`…])\s)([a-z@][\w@/-]{2,80})$"
)
# After two spaces the rule, so that what looks like a code in front, `ES2015`, is a word.
_RULE_LAST = re.compile(r"\s{2}[a-z@][\w@/]{0,60}-[\w@/-]{1,60}$")
_CLASS = re.compile(
    r"((?:[A-Za-z_][\w$]{0,60}\.){0,10})([A-Z]\w{0,80}|error)(?: \[\w{1,40}\])?(?:: ?|$)"
)
_CLASS_LIKE = re.compile(
    r"[A-Z]\w{0,80}(?:Error|Exception|Warning|Invalid|Exit|Interrupt|Timeout|Failure|NotFound"
    r"|DoesNotExist)$"
)
_GENERIC = frozenset({"Error", "error", "Exception"})


def take_apart(line: str) -> Diagnostic:
    """`line` without its location, as tool code or exception class, and the text that is left."""
    start, placed = _skip_lead(line)
    line = line[start:]
    code, line = _take_code(line, led=start > 0, placed=placed)
    if code:
        return Diagnostic(code, "", line)
    error_class, line = _take_class(line)
    return Diagnostic("", error_class, line)


def _skip_lead(line: str) -> tuple[int, bool]:
    start = 0
    placed = False
    for _ in range(5):
        match = _LEAD.match(line, start)
        if match is None or match.end() == len(line):
            break
        placed = placed or match["place"] is not None
        start = match.end()
    return start, placed


def _take_code(line: str, *, led: bool, placed: bool) -> tuple[str, str]:
    match = _at_start(line, led=led, placed=placed)
    if match and placed and line.startswith(" ", match.end(1)) and _RULE_LAST.search(line):
        match = None
    if match:
        return match[match.lastindex or 0], line[match.end() :]
    match = _BRACKETED.search(line) if line.endswith(("]", ")")) else None
    if match is None and placed:
        match = _PLACED.search(line)
    if match:
        return match[match.lastindex or 0], line[: match.start()]
    return "", line


def _at_start(line: str, *, led: bool, placed: bool) -> re.Match[str] | None:
    match = (_NUMBERED if led else _NUMBERED_ALONE).match(line)
    if match is None and placed:
        match = _RULE_FIRST.match(line)
    if match is None and led:
        filed = _FILED.match(line)
        # Without a place, `daemon/part:` may be who speaks.
        match = filed if filed and (placed or "(" in filed[1]) else None
    return match or _ERRNO.match(line)


def _take_class(line: str) -> tuple[str, str]:
    match = None if " " in line and ":" not in line and "[" not in line else _CLASS.match(line)
    if match is None:
        return "", line
    module, name = match[1], match[2]
    if not ((module and match[0].rstrip().endswith(":")) or _CLASS_LIKE.match(name)):
        return "", line
    if name in _GENERIC and module:
        name = f"{module.rstrip('.').rpartition('.')[2]}.{name}"
    return name, line[match.end() :]
