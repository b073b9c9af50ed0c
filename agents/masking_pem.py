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
# Lines of a key behind whatever a log or a listing puts between them, and the last one, cut off.
_START = r"(?s:.){1,100}?(?<![A-Za-z0-9/+])"
_RUN_OF_LINE = r"(?P<run>(?:[A-Za-z0-9/+]|\\/|%%2[BbFf]){%d,110}+)"
_NEXT_LINE = re.compile(_START + _RUN_OF_LINE % 40 + "={0,2}")
_LAST_LINE = re.compile(_START + _RUN_OF_LINE % 20 + "={0,2}")
_CUT_LINE = re.compile(rf"{_START}[A-Za-z0-9/+]{{4,80}}+={{0,2}}(?=[\"'.…]{{0,3}}\Z)")
_GAP = 100
_LINE = re.compile(r"(?<![A-Za-z0-9/+])" + _RUN_OF_LINE % 40)
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
            start, end = _start_of_key(text, max(done, seen), marker.start()), marker.end()
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
    short = _SHORT_LINE.match(text, at, limit) or _CUT_LINE.match(text, at, limit)
    return short.end() if short else at


def _end_of_logged(text: str, at: int, limit: int) -> int:
    begin = at
    for _ in range(_MOST_LINES):
        line = _NEXT_LINE.match(text, at, limit)
        if line is None or not is_mixed(line["run"]):
            break
        at = line.end()
    last = _LAST_LINE.match(text, at, limit) if at > begin else None
    return last.end() if last and is_mixed(last["run"]) else at


def _start_of_key(text: str, first: int, end: int) -> int | None:
    """Where the key begins that ends at `end` and whose first marker was cut off."""
    first = max(first, end - 8000)
    start, after = None, end - _GAP
    for line in reversed(list(_LINE.finditer(text, first, end))):
        if line.end() < after - _GAP or not is_mixed(line[0]):
            break
        start = after = line.start()
    return start if start is not None else _start_of_base64(text, first, end)


def _start_of_base64(text: str, first: int, end: int) -> int | None:
    start, length, after = None, 0, end
    for run in reversed(list(_RUN.finditer(text, first, end))):
        if not _ONLY_BREAKS.fullmatch(text, run.end(), after):
            break
        if len(run[0]) < 16 and after != end:
            break
        start, after, length = run.start(), run.start(), length + len(run[0])
    return start if length >= 16 else None
