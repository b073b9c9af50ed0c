"""Reduce a masked line to what identifies the mistake."""

import re

from failures.mask_values import PLACEHOLDER

_PLACEHOLDER = re.compile(PLACEHOLDER)
_LOCATOR = re.compile(
    r"(?:[\s,;(:]{0,3}\b(?:(?:at|in|on|near|from) )?(?:line|lines|column|col|char|character|position|offset)s?"
    r"[ :]{1,2}\*(?::\*)*\)?){1,4}"
)
_SIZE = re.compile(r" ?\(\s*\*?(?:\s?\*| [a-z]{1,6}| ?, ?| ?[-/<>=]{1,2} ?)*\s*\)")
_RUN = re.compile(r"\*(?:[\s,:;/|&.+=()\[\]{}#@~<>%!?*-]{0,8}(?:\b(?:and|or|to) )?\*){1,100}")
_BRACKET = re.compile(r"[\[({<]\s?\*\s?[\])}>]")
_KIND = re.compile(
    r"(?<!public )(?<!private )(?<!special )(?<!nested )"
    r"\b(?:(?:async|static|private|generator|arrow) ){0,3}(?:function|method|getter|setter|constructor)s?\b"
    r"(?: \*)?"
)
_PLURAL = re.compile(r"(\* [a-z-]{2,30}(?: [a-z-]{3,30})?)s\b")
_BOLD = re.compile(r"\*|\b(?:a|an|the|async|arrow|generator|static|private|class|function|method|getter|setter|constructor|property|variable|parameter|argument|and|or)s?\b|[^\w\s]")


def skeleton(template: str, *, bold: bool) -> str:
    key = _PLACEHOLDER.sub("*", template).lower()
    if bold:
        return " ".join(_BOLD.sub(" ", key).split())
    key = _RUN.sub("*", key)
    key = _LOCATOR.sub("", key)
    key = _SIZE.sub("", key)
    key = _BRACKET.sub("*", key)
    key = _KIND.sub("fn", key)
    key = _PLURAL.sub(r"\1", key)
    key = _RUN.sub("*", key)
    return " ".join(key.split()).strip(" .:;,")
