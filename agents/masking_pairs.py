"""Secrets known by the name that stands before them: `password=…`, `"api_key": "…"`, `--token …`.

The search runs on a lower-case shadow of the text, whose positions are the text's own; what it
finds is judged by name and value, since code and prose use the same names.
"""

from __future__ import annotations

import re

from agents.masking_names import CORE, TAIL, kind_of
from agents.masking_values import Style, is_secret, looks_random, lower

_QUOTED = (
    r"\"(?:[^\"\\\n]|\\[^\n])*+\""
    r"|'(?:[^'\\\n]|\\[^\n])*+'"
    r"|`(?:[^`\\\n]|\\[^\n])*+`"
    # Within a string of JSON: its quotes are escaped, and the secret's own twice.
    r"|\\\"(?:[^\"\\\n]|\\\\\\\"|\\(?!\"))*+\\\""
    r"|\\'(?:[^'\\\n]|\\\\\\'|\\(?!'))*+\\'"
    r"|\\{2,7}\"(?:[^\"\\\n]|\\(?!\\{0,6}\"))*+\\{2,7}\""
    r"|%22(?:[^%\s\"]|%(?!22))*+%22"
    r"|%27(?:[^%\s']|%(?!27))*+%27"
)
_BARE = (
    r"(?:[^\s\"'`,;&<>(){}\[\]|\\%]|%(?!2[267]|0a|0d|20|3b|7d)|\\(?![nrtbfu\"'`\\])"
    r"|&(?=[^\s\"'`&=;]{1,30}(?:[\s;\"'`]|$))){1,200}+"
)
_SEPARATOR = (
    r"\??\s{0,3}(?::=|=>|[=!]==?|=|(?<!:):(?!:)|%3d|%3a)"
    # {"name": "DB_PASSWORD", "value": "…"}, also as YAML and XML.
    r"|\s{0,3}[,:]?\s{0,30}[\"']?value[\"']?\s{0,3}[:=]"
    r"|\ (?:is|was)(?::|(?=\ ))"
    r"|[\"']?,?[ \t]{1,4}+"
)
_TYPE = r"(?:\s{0,3}[a-z_][a-z_.\[\]| ]{0,40}=(?!=))?"
_WRAP = r"(?:(?:secret)?(?:str|bytes|string(?:::from)?|some|buffer\.from|atob)\((?=[\"'b]))?"
_GROUPS = ("core", "tail", "sep", "gap", "quoted", "bare", "cut")
_PAIR = re.compile(
    rf"(?P<core>{CORE})(?P<tail>{TAIL})"
    rf"(?:>(?P<element>[^<\n]{{1,500}}+)(?=</)|"
    r"(?:\\{0,7}[\"'`]\]?|%22|%27|\])?+"
    rf"(?P<sep>{_SEPARATOR}){_TYPE}(?P<gap>[ \t]*+(?:[|>][-+]?[ ]*\n\s*+)?){_WRAP}"
    rf"(?:\s{{0,40}}+[bruf]{{0,2}}(?P<quoted>{_QUOTED})|(?P<bare>{_BARE})"
    r"|(?P<cut>\\{0,7}[\"'`][^\s\"'`\\]{1,200}+)))"
)
_NAME = re.compile(rf"(?P<core>{CORE})(?P<tail>{TAIL})\Z")
_MORE = re.compile(r"[^\s\"'`,;&<>(){}\[\]|\\]*+")
_MORE_OF_VARIABLE = re.compile(r"[^\s\"'`\\]*+")
_LAST = re.compile(r"[ \t]*+[,;.)}\]\"'`]*+[ \t]*+(?:$|[\r\n\\#]|--?[a-z])", re.MULTILINE)
_NAME_BEFORE = re.compile(r"[\w.\-]*")
_OPTION = re.compile(r"(?<![\w-])--[A-Za-z0-9_-]{0,50}\Z")
_LOGIN = re.compile(r"(?:login|user)\s{1,3}\S{1,80}\s{1,3}\Z")
_OF_PARSERS = re.compile(r"(?:expected|invalid|unknown|bad|next|last|illegal|token|near)[ \t]\Z")
_CAREFULLY = 1500
"""So many pairs of one text are judged with care; the rest is masked whatever its value.

At some 5 µs each, a text of nothing but pairs would take too long; none but a list of variables or
an attack holds as many.
"""


def mask_pairs(text: str) -> str:
    """`text` with the values of secret names replaced, their names kept."""
    shadow = lower(text)
    pieces, done, at, judged = [], 0, 0, 0
    while match := _PAIR.search(shadow, at):
        judged += 1
        found = _Pair(text, match).judge(careful=judged <= _CAREFULLY)
        if found is None:
            # What was taken for its value may hold a pair of its own.
            at = max(match.start(match.lastgroup or 0), match.start() + 1)
            continue
        kind, start, end = found
        pieces += [text[done:start], f"[{kind}]"]
        done = at = end
    return "".join(pieces) + text[done:] if pieces else text


def mask_value(name: str, value: str) -> str | None:
    """What stands for the whole `value` of the field `name`; None if no secret by its name."""
    name = name[-100:]
    match = _NAME.search(lower(name))
    if match is None:
        return None
    kind = kind_of(name, match.start(), match["core"], name[match.start("tail") :])
    if kind is None or kind in {"signature", "session", "auth"}:
        return None
    return f"[{kind}]" if is_secret(value, kind, Style.QUOTED, last=True) else None


class _Pair:
    """One name with what follows it."""

    __slots__ = ("core", "end", "match", "sep", "start", "style", "tail", "text", "value")

    def __init__(self, text: str, match: re.Match[str]) -> None:
        core, tail, sep, gap, quoted, bare, cut = match.group(*_GROUPS)
        self.text, self.match, self.core, self.tail = text, match, core, tail
        self.sep: str = sep or ""
        if bare is not None:
            self.start, self.end = match.span("bare")
            self.style = _style(self.sep, gap)
        elif quoted is not None:
            width = 3 if quoted[0] == "%" else len(quoted) - len(quoted.lstrip("\\")) + 1
            self.start, self.end = match.start("quoted") + width, match.end("quoted") - width
            self.style = Style.QUOTED
        elif cut is not None:
            self.start = match.end("cut") - len(cut.lstrip("\\\"'`"))
            self.end = match.end("cut")
            self.style = Style.QUOTED
        else:
            self.start, self.end = match.span("element")
            self.style = Style.QUOTED
        self.value = text[self.start : self.end]

    def judge(self, *, careful: bool) -> tuple[str, int, int] | None:
        """The secret's kind and place, or None if it is none."""
        if len(self.value) < 3 or (self.value[0] == "[" and self.value[-1] == "]"):
            return None
        begin = self.match.start()
        if self.sep and not self.sep.strip("\"', \t") and not self._follows(begin):
            return None
        if not careful:
            return "secret", self.start, self.end
        start = self.match.start("tail")
        kind = kind_of(self.text, begin, self.core, self.text[start : start + len(self.tail)])
        if kind is None:
            return None
        last = self.style in {Style.QUOTED, Style.TIGHT} or bool(_LAST.match(self.text, self.end))
        if not is_secret(self.value, kind, self.style, last=last) or not self._fits(kind, begin):
            return None
        return kind, self.start, self._whole_end(begin)

    def _follows(self, begin: int) -> bool:
        """Whether a mere blank may part the two: `--password …`, netrc's and SQL's `password …`."""
        if _OPTION.search(self.text, max(0, begin - 60), begin):
            self.style = Style.COLON if self.style is not Style.QUOTED else self.style
            return True
        if self.core == "identified by":
            return True
        if self.core != "password" or self.tail:
            return False
        if self.style is Style.QUOTED:
            return self.text[self.start - 1] == "'"
        return _LOGIN.search(self.text, max(0, begin - 90), begin) is not None

    def _fits(self, kind: str, begin: int) -> bool:
        """What only some names and separators ask for beyond a likely value."""
        if kind in {"signature", "auth", "session"}:
            return self.style in {Style.TIGHT, Style.QUOTED} and looks_random(self.value)
        if "==" in self.sep or "!=" in self.sep:
            return self.style is Style.QUOTED or looks_random(self.value)
        if self.style is Style.WORD and kind != "password":
            return looks_random(self.value)
        before = self.text[max(0, begin - 12) : begin]
        if kind == "token" and before[-1:].isspace() and _OF_PARSERS.search(before.lower()):
            return len(self.value) > 15 and looks_random(self.value)
        alone = self.core == "pass" and not before[-1:].strip(" \t\n,;{(")
        return not (alone and self.style is Style.COLON)

    def _whole_end(self, begin: int) -> int:
        """Where a value without quotes ends; in a list of variables only a blank ends it."""
        end, text = self.end, self.text
        if self.style is Style.QUOTED:
            return end
        if "=" in self.sep and text[begin].isupper() and _starts_line(text, begin):
            end = _end_of(_MORE_OF_VARIABLE, text, end)
        elif end - self.start >= 200:
            end = _end_of(_MORE, text, end)
        while text[end - 1] in ".:;," and (end == len(text) or text[end].isspace()):
            end -= 1
        return max(end, self.start + 1)


def _style(sep: str, gap: str) -> Style:
    if "value" in sep:
        return Style.TIGHT
    if "=" in sep or "%3d" in sep:
        return Style.SPACED if gap or sep[0] == " " else Style.TIGHT
    return Style.COLON if ":" in sep or "%3a" in sep else Style.WORD


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _starts_line(text: str, at: int) -> bool:
    """Whether the name around `at` begins a line, or follows what sets a variable."""
    head = text[max(0, at - 60) : at]
    name = _NAME_BEFORE.match(head[::-1])
    before = head[: len(head) - (name.end() if name else 0)]
    return not before or before[-1] == "\n" or before.endswith(("export ", "-e ", "ENV ", "set "))
