"""Private keys between their markers: whole, cut off at either end, escaped, quoted or in a log."""

from __future__ import annotations

import re
from itertools import pairwise

from agents.masking_values import is_mixed

_SPACE = r"(?:[ +]|%20)"
_KIND = rf"(?:[A-Z0-9]{{1,12}}{_SPACE}){{0,3}}PRIVATE{_SPACE}KEY(?:{_SPACE}BLOCK)?-----"
_MARKER = re.compile(rf"-----(?:(?P<begin>BEGIN)|END){_SPACE}{_KIND}")
_BREAK = r"(?:\s|\\+[nr]|%0[AaDd]|&#1[03];|[>|+] )"
_BASE64 = r"(?:[A-Za-z0-9/+=]|\\/|%2[BbFf]|%3[Dd])"
# Headers of old formats and lines of base64 alone.
_LINES = re.compile(
    rf"(?:{_BREAK}*+(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash):[^\n\\]{{0,200}}+"
    rf"|{_BASE64}{{16,}}+(?![A-Za-z:(_])))*+"
)
_SHORT_LINE = re.compile(rf"{_BREAK}*+{_BASE64}{{1,15}}+(?={_BREAK}{{0,8}}(?:=|[\"'.…]|\Z))")
_SHORT_BODY = re.compile(rf"(?:{_BREAK}|{_BASE64})++")
# A line of a key behind what a log or a listing puts before it, and the last one, cut off.
_LOGGED_LINE = re.compile(
    r"[^\n]{0,20}?(?:\n|\\n)[^\n]{0,80}?(?<![A-Za-z0-9/+])(?P<run>[A-Za-z0-9/+]{40,80}+)={0,2}"
    r"(?=[\s\"'\\,]|\Z)"
)
_LOGGED_REST = re.compile(
    r"[^\n]{0,20}?(?:\n|\\n)[^\n]{0,80}?[A-Za-z0-9/+]{4,80}+={0,2}(?=[\"'.…]{0,3}\Z)"
)
_LOGGED_TAIL = re.compile(r"(?P<run>(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40,80}={0,2})[\"'\\n,+ \r]*\Z")
_LONG = re.compile(r"[A-Za-z0-9/+]{40}")
_RUN = re.compile(r"[A-Za-z0-9/+=]+")
_ONLY_BREAKS = re.compile(rf"{_BREAK}{{0,8}}+")
_MOST = 20_000
"""Characters between two markers: a key of 8,192 bits has 6,400, and lines may have prefixes."""
_MOST_LINES = 200


def mask_private_keys(text: str) -> str:
    """`text` with each private key replaced, from its first marker to its last line."""
    pieces, done, seen = [], 0, 0
    for marker, follower in pairwise([*_MARKER.finditer(text), None]):
        if marker is None or marker.start() < done:
            continue
        start: int | None = marker.start()
        if marker["begin"]:
            end = _end_of_key(text, marker, follower)
        else:
            start, end = _start_of_base64(text, max(done, seen), marker.start()), marker.end()
        seen = marker.end()
        if start is not None and end is not None:
            pieces += [text[done:start], "[private-key]"]
            done = end
    return "".join(pieces) + text[done:] if pieces else text


def _end_of_key(text: str, marker: re.Match[str], follower: re.Match[str] | None) -> int | None:
    begin, limit = marker.end(), follower.start() if follower else len(text)
    if (
        follower
        and not follower["begin"]
        and begin < limit < begin + _MOST
        # Else a marker without an end would meet that of another key at the second time.
        and text.find("[private-key]", begin, limit) < 0
        and (_LONG.search(text, begin, limit) or _SHORT_BODY.fullmatch(text, begin, limit))
    ):
        return follower.end()
    lines = _LINES.match(text, begin, limit)
    at = _end_of_logged(text, lines.end() if lines else begin, limit)
    if at == begin:
        return None
    short = _SHORT_LINE.match(text, at, limit) or _LOGGED_REST.match(text, at, limit)
    return short.end() if short else at


def _end_of_logged(text: str, at: int, limit: int) -> int:
    for _ in range(_MOST_LINES):
        line = _LOGGED_LINE.match(text, at, limit)
        if line is None or not is_mixed(line["run"]):
            break
        at = line.end()
    return at


def _start_of_base64(text: str, first: int, end: int) -> int | None:
    """Where the key begins that ends at `end` and whose first marker was cut off."""
    start, length, after = None, 0, end
    for run in reversed(list(_RUN.finditer(text, max(first, end - 8000), end))):
        if not _ONLY_BREAKS.fullmatch(text, run.end(), after):
            break
        if len(run[0]) < 16 and after != end:
            break
        start, after, length = run.start(), run.start(), length + len(run[0])
    return start if length >= 16 else _start_of_logged(text, first, end)


def _start_of_logged(text: str, first: int, end: int) -> int | None:
    first = max(first, end - 8000)
    start, at = None, text.rfind("\n", first, end)
    for back in range(_MOST_LINES):
        begin = text.rfind("\n", first, at) + 1 if at > first else 0
        if begin <= first:
            break
        line = _LOGGED_TAIL.search(text, begin, at)
        if line is not None and is_mixed(line["run"]):
            start = line.start("run")
        elif back > 0:
            break
        at = begin - 1
    return start
