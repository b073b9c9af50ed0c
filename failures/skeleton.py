"""Reduce a masked line to what identifies the mistake."""

import re

from failures.mask_values import PLACEHOLDER

_PLACEHOLDER = re.compile(PLACEHOLDER)
_LOCATOR = re.compile(
    r"(?:[\s,;(:]{0,3}\b(?:(?:at|in|on|near|from) )?"
    r"(?:line|lines|column|col|char|character|position|offset)s?"
    r"[ :]{1,2}\*(?::\*)*\)?){1,4}"
)
_PLACE = re.compile(r"(?:line|col|char|position|offset)\w{0,8}[ :]{1,2}\*")
_UNIT = re.compile(
    r"\* (?:bytes?|[kmgt]i?b|b|[mun]?s|secs?|seconds?|milliseconds?|minutes?|mins?|hours?|days?)\b"
)
_RUN = re.compile(r"\*(?:[\s,:;/|&.+=()\[\]{}#@~<>%!?*-]{0,8}(?:\b(?:and|or|to) )?\*){1,100}")
_BRACKET = re.compile(r"[\[({<]\s?(?:\*[\s,]{0,2}){1,20}[\])}>]|(?<= )\(\)|[<>]=?\s?\*")
_KIND = re.compile(
    r"(?<!public )(?<!private )(?<!special )(?<!nested )"
    r"\b(?:(?:async|static|private|generator|arrow) ){0,3}"
    r"(?:function|method|getter|setter|constructor)s?\b(?: \*)?"
)
# "3 files" and "1 file" are one mistake; in front of a list, plurals are often texts of their own.
_PLURAL = re.compile(r"s\b(?<=[a-z]{2}[a-rt-z]s)(?! <)")
_BOLD = re.compile(
    r"\*|\b(?:a|an|the|async|arrow|generator|static|private|class|function|method|getter|setter"
    r"|constructor|and|or)s?\b|[^\w\s]"
)


def skeleton(template: str, *, coded: bool) -> str:
    """The words of `template` in order, with its placeholders as ``*`` (dropped when `coded`)."""
    key = _PLURAL.sub("", template.lower()).replace(" are ", " is ").replace(" were ", " was ")
    key = _PLACEHOLDER.sub("*", key)
    if coded:
        return " ".join(_BOLD.sub(" ", key).split())
    if "*" in key:
        key = _UNIT.sub("*", key).replace("*: ", "* ")
    bracketed = any(bracket in key for bracket in "([{<>")
    key = _without_runs(key, bracketed=bracketed)
    if _PLACE.search(key):
        key = _LOCATOR.sub("", key)
    if bracketed:
        key = _BRACKET.sub("*", key)
    if "method" in key or "function" in key or "tter" in key or "constructor" in key:
        key = _KIND.sub("fn", key)
    if "*" in key:
        key = _RUN.sub("*", key)
    return " ".join(key.split()).strip(" .:;,")


def _without_runs(key: str, *, bracketed: bool) -> str:
    if bracketed or key.count("*") > 1:
        for _ in range(4):
            before = key
            key = _RUN.sub("*", _BRACKET.sub("*", key))
            if key == before:
                break
    return key
