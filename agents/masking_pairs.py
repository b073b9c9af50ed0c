"""Secrets known by the name that stands before them: `password=…`, `"api_key": "…"`, `--token …`.

The search runs on a lower-case shadow of the text, whose positions are the text's own; what it
finds is judged by name and value, since code and prose use the same names.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agents.masking_blanks import after_blank, is_argument, is_told
from agents.masking_grammar import FOLLOWING, coarse, finder
from agents.masking_names import WORDS, is_aws_secret, is_own_secret, kind_of
from agents.masking_values import (
    Style,
    is_mixed,
    is_name,
    is_secret,
    is_signature,
    looks_random,
    lower,
)

_MORE = re.compile(r"[^\s\"'`,;&<>(){}\[\]|\\]*+")
_MORE_OF_VARIABLE = re.compile(r"[^\s\"'`\\\x1b]*+")
_LAST = re.compile(r"[ \t]*+[,;.)}\]\"'`]*+[ \t]*+(?:$|[\r\n\\#]|--?[a-z])", re.MULTILINE)
_NAME_BEFORE = re.compile(r"[\w.\-]*")
_SETTER = re.compile(r"(?:\bset_?|\bwith_?|\.)\Z", re.IGNORECASE)
_CALLED = re.compile(r"(?<=[\w.!?])[({\[]|(?<==)[\"'{]")
"""Code goes on: a call, an index, another argument."""
_OF_SQL = re.compile(r"\b(?:user|role|grant|create|alter)\b", re.IGNORECASE)
_IS_PUBLIC = re.compile(r"publi(?:c|shable)[-_]?\Z", re.IGNORECASE)
_LONE = frozenset(" \t\n,;{(")
_LOOSE = frozenset({Style.COLON, Style.SPACED})
_OF_SERVERS = re.compile(r"(?:PHP|J|php|j)\Z")
_IS_DJANGO = re.compile(r"(?=[0-9a-f]*[g-z])(?=[a-z]*[0-9])[0-9a-z]{24,64}")
_PHRASE = re.compile("-.*-|[a-z][0-9]{2}\\Z")
_FRAGMENT = re.compile(r"#[/a-z][a-z_/-]*\Z")
_OF_PARSERS = re.compile(r"(?:expected|invalid|unknown|bad|next|last|illegal|token|near)[ \t]\Z")
_BY_CHANCE: dict[str, Callable[[str], bool]] = {
    "signature": is_signature,
    "session": lambda value: len(value) > 15 and is_mixed(value),
    "auth": looks_random,
    "key": lambda value: is_mixed(value) and is_signature(value),
}
"""Kinds whose names stand for much else: what they hold must look drawn by chance."""
_CAREFULLY = 300
"""So many pairs of one text are judged with care; the rest is masked whatever its value.

At some 5 to 30 µs each, a text of nothing but pairs would take too long; none but a list of
variables or an attack holds as many.
"""


def mask_pairs(text: str) -> str:
    """`text` with the values of secret names replaced, their names kept."""
    shadow = lower(text)
    words = tuple(word for word in WORDS if word in shadow)
    if not words:
        return text
    pieces, done, at, judged = [], 0, 0, 0
    for name in finder(words).finditer(shadow):
        if name.start() < at:
            continue
        match = FOLLOWING.match(shadow, name.end()) or after_blank(shadow, name)
        if match is None:
            continue
        judged += 1
        if judged > _CAREFULLY:
            break
        found = _judge(text, name, match)
        if found is not None:
            kind, start, end = found
            pieces += [text[done:start], f"[{kind}]"]
            done = at = end
    else:
        return "".join(pieces) + text[done:] if pieces else text
    return "".join(pieces) + _mask_coarsely(text, shadow, words, done, name.start())


def _mask_coarsely(text: str, shadow: str, words: tuple[str, ...], done: int, at: int) -> str:
    pieces = []
    for match in coarse(words).finditer(shadow, at):
        start, end = match.span(match.lastgroup or 0)
        pieces += [text[done:start], "[secret]"]
        done = end
    return "".join(pieces) + text[done:]


def mask_value(name: str, value: str) -> str | None:
    """What stands for the whole `value` of the field `name`; None if no secret by its name."""
    name = name[-100:]
    shadow = lower(name)
    for match in finder(tuple(WORDS)).finditer(shadow):
        kind = kind_of(name, match.start(), match[0], name[match.end() :])
        if kind is not None and kind not in _BY_CHANCE:
            kind = _exactly(kind, name, value)
            return f"[{kind}]" if is_secret(value, kind, Style.QUOTED, last=True) else None
    return None


def _judge(text: str, name: re.Match[str], match: re.Match[str]) -> tuple[str, int, int] | None:
    """The secret's kind and place, or None if it is none."""
    start, end = _inside_quotes(text, match)
    if end - start < 3 or (text[start] == "[" and text[end - 1] == "]"):
        return None
    sep = match["sep"] or ""
    listed = sep.startswith(",") and "value" not in sep
    if listed and not is_argument(text, name, match, text[start:end]):
        return None
    kind = kind_of(text, name.start(), name[0], text[name.end() : match.end("tail")])
    if kind is None or _is_no_name(text, name, match):
        return None
    style = _style(match, sep)
    if style is Style.TIGHT and text[name.start()].isupper() and name.end() - name.start() > 1:
        style = Style.VARIABLE if text[name.end() - 1].isupper() else style
    if not _is_value(text, name, match, kind, style, (start, end)):
        return None
    if style is not Style.QUOTED:
        end = _whole_end(text, name.start(), sep, start, end)
    named = text[max(0, name.start() - 16) : match.end("tail")]
    return _exactly(kind, named, text[start:end]), start, end


def _is_no_name(text: str, name: re.Match[str], match: re.Match[str]) -> bool:
    """Whether it is one part of an ARN or of Maven's coordinates, prose, or of a public key."""
    start = name.start()
    if (
        match["sep"] == ":"
        and not match["tail"]
        and not match["gap"]
        and text[start - 1 : start] == ":"
    ):
        return True
    if name[0].startswith("identified") and text[start].islower():
        return _OF_SQL.search(text, max(0, start - 200), start) is None
    return _IS_PUBLIC.search(text, max(0, start - 14), start) is not None


def _exactly(kind: str, name: str, value: str) -> str:
    return "aws-secret-key" if len(value) == 40 and is_aws_secret(name) else kind


def _is_value(
    text: str,
    name: re.Match[str],
    match: re.Match[str],
    kind: str,
    style: Style,
    span: tuple[int, int],
) -> bool:
    sep = match["sep"] or ""
    start, end = span
    value = text[start:end]
    if style is not Style.QUOTED:
        if value.endswith("..."):
            return False
        value = value.rstrip(".:;,")
        if _CALLED.match(text, end):
            return False
    last = _LAST.match(text, end) is not None and (
        style is not Style.SPACED or _starts_line(text, name.start())
    )
    if kind == "secret" and style in _LOOSE and last and _PHRASE.search(value):
        key = match["tail"].strip("_-").startswith("key") and value[-1].isdigit()
        style = Style.TIGHT if key or is_own_secret(text, name.start()) else style
    if match["list"] and (" " in value or is_name(value)):
        # Messages about the field.
        return False
    if not is_secret(value, kind, style, last=last):
        return False
    if kind in _BY_CHANCE:
        sure = style in {Style.TIGHT, Style.VARIABLE, Style.QUOTED}
        return sure and _is_by_chance(text, name, kind, value)
    return _fits(text, name, kind, style, sep, value)


def _is_by_chance(text: str, name: re.Match[str], kind: str, value: str) -> bool:
    if kind == "key" and text[name.start() - 1] != "_":
        return len(value) > 19 and "/" not in value and _BY_CHANCE[kind](value)
    if kind == "session" and text[name.start() : name.end()] == "sessionid":
        return _BY_CHANCE[kind](value) or _IS_DJANGO.fullmatch(value) is not None
    if kind == "session" and _OF_SERVERS.search(text, max(0, name.start() - 3), name.start()):
        return len(value) > 15 and value.isalnum() and looks_random(value)
    return _BY_CHANCE[kind](value)


def _inside_quotes(text: str, match: re.Match[str]) -> tuple[int, int]:
    start, end = match.span(match.lastgroup or 0)
    if match.lastgroup == "quoted":
        width = _width_of_quote(text, start)
        return start + width, end - width
    if match.lastgroup == "cut":
        return start + _width_of_quote(text, start), end
    return start, end


def _width_of_quote(text: str, at: int) -> int:
    if text[at] in "%&":
        return 3 if text[at] == "%" else 6
    if text.startswith(text[at] * 3, at) and text[at] != "\\":
        return 3
    width = 1
    while text[at + width - 1] == "\\":
        width += 1
    return width


def _style(match: re.Match[str], sep: str) -> Style:
    if match.lastgroup != "bare":
        return Style.QUOTED
    if "value" in sep:
        return Style.TIGHT
    if ":" in sep:
        return Style.SPACED if sep[-1] == "=" else Style.COLON
    if "=" in sep or sep.endswith("%3d"):
        return Style.SPACED if match["gap"] or sep[0] == " " else Style.TIGHT
    # A blank parts an option from its value.
    return Style.WORD if sep in {" is", " was"} else Style.COLON


def _fits(text: str, name: re.Match[str], kind: str, style: Style, sep: str, value: str) -> bool:
    """What only some names and separators ask for beyond a likely value."""
    if sep == "(":
        if _SETTER.search(text, max(0, name.start() - 6), name.start()):
            return True
        return len(value) > 15 and is_mixed(value)
    if sep.isspace() and not is_told(text, name):
        return is_mixed(value) and looks_random(value)
    compared = "==" in sep or "!=" in sep
    if (compared and style is not Style.QUOTED) or (style is Style.WORD and kind != "password"):
        return looks_random(value)
    before = text[max(0, name.start() - 12) : name.start()]
    if kind == "token" and before[-1:].isspace() and _OF_PARSERS.search(before.lower()):
        return len(value) > 15 and looks_random(value)
    alone = name[0] == "pass" and (not before or before[-1] in _LONE)
    written = (
        text[name.start()].isupper() or sep != ":" or text[name.end() + 1 : name.end() + 2] == " "
    )
    return not (alone and style is Style.COLON and written)


def _whole_end(text: str, begin: int, sep: str, start: int, end: int) -> int:
    """Where a value without quotes ends; in a list of variables only a blank ends it."""
    if "=" in sep and text[begin].isupper() and _starts_line(text, begin):
        end = _end_of(_MORE_OF_VARIABLE, text, end)
    elif end - start >= 200:
        end = _end_of(_MORE, text, end)
    if "#" in text[start:end] and text[begin - len(_name_before(text, begin)) - 1] in "?&":
        fragment = _FRAGMENT.search(text, start, end)
        end = fragment.start() if fragment else end
    while text[end - 1] in ".:;," and (end == len(text) or text[end].isspace()):
        end -= 1
    return max(end, start + 1)


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _starts_line(text: str, at: int) -> bool:
    """Whether the name around `at` begins a line, or follows what sets a variable."""
    head = text[max(0, at - 60) : at]
    before = head[: len(head) - len(_name_before(text, at))]
    return not before or before[-1] == "\n" or before.endswith(("export ", "-e ", "ENV ", "set "))


def _name_before(text: str, at: int) -> str:
    name = _NAME_BEFORE.match(text[max(0, at - 60) : at][::-1])
    return name[0] if name else ""
