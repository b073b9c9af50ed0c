"""Choose the line of an error text that says what went wrong."""

import re

HEAD = 6_000
TAIL = 6_000
LONGEST_LINE = 800

_NOISE = re.compile(
    r"\x1b\[[0-9;?]{0,20}[A-Za-z]|[\x00-\x08\x0e-\x1f\x7f\u200b-\u200f\u2060\ue000-\uf8ff]"
)
_TRACEBACK = "Traceback (most recent call last)"
_CAUSED_BY = "Caused by: "
_PYTEST = "E  "
_JEST = "\u25cf"  # a bullet in front of the failed test's name
_EXCEPTION = re.compile(
    r"(?:Uncaught |Caused by: |Unhandled [a-z ]{0,20}:? ?|Exception in thread \S{1,80} )?"
    r"((?:[A-Za-z_][\w$]{0,60}\.){0,10}[A-Z]\w{0,60}"
    r"(?:Error|Exception|Warning|Exit|Interrupt|Failure|Timeout)\b(?: ?\[\w{1,40}\])?(?::|$).*)"
)
_DOTTED_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w{0,60}\.){1,10}[A-Za-z_]\w{0,60}(?::|$)")
_FRAME = re.compile(r"at \S|File \"")
_ERROR_LINE = re.compile(
    r"(?:[^\s:]{1,200}:\d{1,7}:(?:\d{1,7}:?)?\s{1,4}|\d{1,7}:\d{1,7}\s{1,4}-? ?"
    r"|\S{1,200}\(\d{1,7},\d{1,7}\): |(?:npm|yarn|pnpm) )?"
    r"(?:(?:fatal )?error\b|fatal:|panic:|err!|\[error\]|[\u274c\u2716\u2718])",
    re.IGNORECASE,
)
# Clippy names the lint in each diagnostic only by the address of its page.
_LINT_PAGE = re.compile(r"/rust-clippy/[^\s#]{1,60}#(\w{2,60})")
_PLACED_LINE = re.compile(r"[\w./~@][^\s:]{0,300}:\d{1,7}(?::\d{1,7})?(?::|(?= -)) ?\S")
_NUMBERED_LINE = re.compile(r"[A-Z]{1,8}-?\d{2,6}: ")
# A line of the source that the message is about.
_EXCERPT = re.compile(r"L?\d{0,7} ?\|")
# A diagnostic of several lines may end in its code.
_CODE_BELOW = re.compile(r"\s(\([a-z]\w{0,40}(?:[A-Z-]\w{1,40}){1,8}\)|\[-?[a-z][\w:-]{2,60}\])$")
# An answer of an HTTP API: the first text under one of these names says what went wrong.
_JSON_TEXT = re.compile(
    r"\"(?:message|detail|error|errors|error_description|title|reason|msg)\"\s{0,4}:\s{0,4}\[?\s{0,4}\"([^\"\n]{1,400})\""
)

# A line of `key=value` pairs, one of which is what was said.
_PAIRS = re.compile(
    r"(?:[\w.@-]{1,40}=(?:\"(?:[^\"\\\n]|\\.){0,300}\"|[^\s\"]{0,200}) ){0,8}"
    r"(?:msg|message)=\"((?:[^\"\\\n]|\\.){1,600})\""
)

# The same inside a line that says more: `HTTP 400: {"error": {"message": "…"}}`.
_JSON_INSIDE = re.compile(
    r"\{(?=\")[^\n]{0,400}?\"(?:message|detail|error_description)\"\s{0,4}:\s{0,4}"
    r"\"((?:[^\"\\\n]|\\.){1,400})\"[^\n]{0,800}"
)


def significant_line(text: str) -> str:
    """The one line of `text` to group by, without control characters and outer space.

    Looks at the first and last few thousand characters only, so the work is bounded. Of chained
    Python tracebacks the innermost exception counts, which is printed first; of Java's, the last
    ``Caused by``.
    """
    if len(text) > HEAD + TAIL:
        text = text[:HEAD] + "\n" + text[-TAIL:]
    if not text.isprintable():
        text = _NOISE.sub("", text)
    text = text.strip()
    if text[:1] in "{[" and (found := _JSON_TEXT.search(text)):
        return found[1]
    if '="' in text[:300] and (pairs := _PAIRS.match(text)):
        text = pairs[1].replace('\\"', '"') + text[pairs.end() :]
    if "\n" not in text and "\r" not in text:
        return _said_in_json(text[:LONGEST_LINE])
    lines = [line[:LONGEST_LINE] for raw in text.splitlines() if (line := raw.strip())]
    line = _said_in_json(_from_exception(text, lines) or _from_marks(lines))
    if page := _LINT_PAGE.search(text):
        return f"{line} [clippy::{page[1]}]"
    return line


def _said_in_json(line: str) -> str:
    if '{"' in line and (found := _JSON_INSIDE.search(line)):
        return line[: found.start()] + found[1]
    return line


def _from_exception(text: str, lines: list[str]) -> str:
    if _TRACEBACK in text:
        return _after_traceback(lines)
    if _CAUSED_BY in text:
        causes = [line for line in lines if line.startswith(_CAUSED_BY)]
        if causes:
            return causes[-1][len(_CAUSED_BY) :]
    if any(_FRAME.match(line) for line in lines):
        for line in lines:
            if match := _EXCEPTION.match(line):
                return match[1]
    return ""


def _after_traceback(lines: list[str]) -> str:
    inside = False
    for line in lines:
        if _TRACEBACK in line:
            inside = True
        elif inside and (_EXCEPTION.match(line) or _DOTTED_EXCEPTION.match(line)):
            return line
    return ""


def _from_marks(lines: list[str]) -> str:
    for line in lines:
        if line.startswith(_PYTEST):
            return line[len(_PYTEST) :].strip()
    for index, line in enumerate(lines[:-1]):
        if line.startswith(_JEST):
            return lines[index + 1]
    for says_it in (_ERROR_LINE, _PLACED_LINE):
        for index, line in enumerate(lines):
            if says_it.match(line):
                return _with_code_below(_continued(lines, index), lines[index + 1 :])
    first = next((n for n, line in enumerate(lines) if not _EXCERPT.match(line)), 0)
    return _continued(lines, first) if lines else ""


def _with_code_below(line: str, below: list[str]) -> str:
    if below and (code := _CODE_BELOW.search(below[-1])) and not _CODE_BELOW.search(line):
        return f"{line} {code[1]}"
    return line


def _continued(lines: list[str], index: int) -> str:
    """A line that ends in a colon announces what the next one says, or where that is."""
    if lines[index].endswith(":") and index + 1 < len(lines):
        if _NUMBERED_LINE.match(lines[index + 1]):
            return lines[index + 1]
        return f"{lines[index]} {lines[index + 1]}"[:LONGEST_LINE]
    return lines[index]
