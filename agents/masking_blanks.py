"""Values that a blank or a comma parts from the name: `--password …`, `put("token", "…")`."""

from __future__ import annotations

import re

from agents.masking_grammar import BLANK, BLANK_NEXT
from agents.masking_values import is_mixed, is_name, looks_random

_SETTING = frozenset({"env", "arg", "set", "setx", "put", "setenv", "define", "#define"})
_DIGIT = re.compile("[0-9]")
_NAME_OF_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_FIRST_ARGUMENT = re.compile(r"[({]\s{0,3}\\{0,7}[\"'][\w.-]{0,40}\Z")
_QUOTED_NAME = re.compile(r"[\"'][\w.-]{0,40}\Z")
_OPTIONS_OF_ONE_DASH = ("-store", "-key", "-srcstore", "-deststore", "require")
_LONG_WORD = re.compile(r"[ \t]\\{0,3}[\"'`]?(?=[a-z_+/=.-]{0,60}[0-9])[a-z0-9_+/=.-]{16,500}")


def is_spoken(word: str) -> bool:
    """Whether a mere blank may part the word from its value, as in SQL."""
    return word == "password" or word.startswith("identified")


def is_told(text: str, name: re.Match[str]) -> bool:
    """Whether more than a blank tells that a value follows: a command, an option, SQL."""
    begin = name.start()
    return is_spoken(name[0]) or not _is_alone(text, begin) or _is_set(text, begin)


def _is_alone(text: str, begin: int) -> bool:
    return begin == 0 or text[begin - 1] in " \n"


def _is_set(text: str, begin: int) -> bool:
    return not _SETTING.isdisjoint(text[max(0, begin - 8) : begin].lower().split()[-1:])


def is_argument(text: str, name: re.Match[str], match: re.Match[str], value: str) -> bool:
    """Whether a comma parts a name from its value, and not one name of a list from the next."""
    begin = name.start()
    if text[match.start("sep") - 1] not in "\"'`":
        return False
    if "--" in text[max(0, begin - 40) : begin]:
        return True
    if text[begin - 1 : begin] != "_" and not is_spoken(name[0]):
        first = _FIRST_ARGUMENT.search(text, max(0, begin - 60), begin) is not None
        return looks_random(value) and len(value) > 9 and (first or is_mixed(value))
    if text[begin].isupper():
        return not _NAME_OF_VARIABLE.match(value)
    return not is_name(value) or is_mixed(value)


def after_blank(shadow: str, name: re.Match[str]) -> re.Match[str] | None:
    """What follows after a mere blank: `--password …`, netrc's and SQL's `password …`."""
    if not BLANK_NEXT.match(shadow, name.end()):
        return None
    begin = name.start()
    if _is_alone(shadow, begin) and not is_spoken(name[0]):
        # The common case, told by the last few characters, or by a value that is no word.
        told = _is_set(shadow, begin) or _LONG_WORD.match(shadow, name.end())
        return BLANK.match(shadow, name.end()) if told else None
    return _after_blank_in_line(shadow, name, begin)


def _after_blank_in_line(shadow: str, name: re.Match[str], begin: int) -> re.Match[str] | None:
    before = shadow[max(0, begin - 90) : begin].split()
    inside = begin > 0 and not shadow[begin - 1].isspace()
    start = before.pop() if inside and before else ""
    option = start.lstrip("\"'[(").startswith("--") or start in _OPTIONS_OF_ONE_DASH
    spoken = is_spoken(name[0])
    in_quotes = _QUOTED_NAME.search(shadow, max(0, begin - 45), begin) is not None
    setting = bool(before) and before[-1] in _SETTING
    if not (option or spoken or start.endswith("_") or setting or in_quotes):
        return None
    match = BLANK.match(shadow, name.end())
    if match is None or option or setting:
        return match
    if start.endswith("_") and "," not in match["sep"]:
        return None
    quoted = match.lastgroup == "quoted"
    if "," in match["sep"] and (start.endswith("_") or in_quotes):
        # A call with the name of a variable and its value.
        return match if quoted else None
    if quoted:
        return match if _is_said(name[0], before, match) else None
    return match if len(before) > 1 and before[-2] in {"login", "user"} else None


def _is_said(word: str, before: list[str], match: re.Match[str]) -> bool:
    """Whether SQL or a message shows the password in quotes, and does not name a thing of code."""
    quoted = match["quoted"]
    if match["tail"]:
        return False
    if quoted[0] == "`":
        return word == "password" and _DIGIT.search(quoted) is not None
    return quoted[0] == "'" or (quoted[0] == '"' and word != "password" and "user" in before)
