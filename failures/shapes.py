"""Find values by their form: addresses, paths, identifiers, objects, lists, what follows `=`.

One pass takes the leftmost value, and of several at one place the first of the list below. Most
lines have only a few of the characters that such values need, so a line is searched with the
pattern of those values alone that it could hold; that finds the same and costs a third.
"""

import re
from functools import lru_cache

_HEX = r"[0-9A-Fa-f]"
# The name of the group becomes the placeholder. Every repetition has an upper bound, so that no
# text makes a pattern try without end.
_URL = r"(?P<url>\b[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s<>\"')\]]{1,500})"
# An object as many languages print it: `Name@1b2c`, `Name(id=3, …)`, `Name{id=3}`.
_PRINTED = (
    r"(?P<printed>\b[A-Z][\w.$]{0,80}(?:@[0-9a-f]{1,16}\b|\[[^\[\]\n]{0,200}=[^\[\]\n]{0,200}\]"
    r"|\((?=[\w.]{1,40}=)[^()\n]{0,300}\)|\{(?=[\w.]{1,40}=)[^{}\n]{0,300}\}))"
)
# A list, an empty one, a map, or what has a number in brackets; not a subscript, nor who speaks.
_LIST = (
    r"(?P<list>(?<=[:=] )\[[^\[\]\n]{1,120}\]"
    r"|(?<![\w\])])\[(?=[^\[\]\n]{0,80}\d)[^\[\]\n]{1,120}\](?!:)"
    r"|(?<![\w\])])\[(?:[^\s,\[\]<>]{1,80}(?:, ?[^\s,\[\]<>]{1,80}){1,40})?\]"
    r"|(?<![\w\])])\{(?:[\w.-]{1,80}=[^\s,{}]{0,80}(?:, ?[\w.-]{1,80}=[^\s,{}]{0,80}){0,40})?\})"
)
_EMAIL = r"(?P<email>\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,5})"
_OBJECT = (
    r"(?P<obj><(?!(?:str|n|path|id|url|email|obj|date)>)[A-Za-z_]"
    r"[^<>\n]{0,200}(?:<[^<>\n]{0,100}>[^<>\n]{0,100}){0,4}>)"
)
_ID = (
    rf"(?P<id>\b{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}\b|\b0[xX]{_HEX}{{1,64}}\b"
    rf"|(?<![\w:.])(?=[:\w]{{0,5}}:)(?:{_HEX}{{0,4}}:){{2,12}}{_HEX}{{0,4}}"
    r"(?:%\w{1,16})?(?![\w:]))"
)
# Between slashes what no path has.
_REGEX = (
    r"(?P<regex>(?<![\w/*.)])/(?=[^\s/]{0,200}[\[\](){}*?|^\\])(?![*/])"
    r"(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.){0,200}\]){1,300}/[a-z]{0,8}(?![\w/]))"
)
_DATE = (
    r"(?P<date>\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\d{1,2} )?"
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b)"
)
_PATH = (
    r"(?P<path>(?<![\w<.])(?:[A-Za-z]:(?=[\\/])|~|\.{1,2}(?=[\\/]))?"
    r"(?:[\\/]{1,3}[\w.@+~%$#:-]{1,120}){1,40}[\\/]{0,3}"
    r"|\b(?:[\w.@+~-]{1,80}/){2,40}[\w.@+~-]{0,120}"
    r"|\b[\w.@+~-]{1,80}/[\w.@+~-]{0,80}\.[A-Za-z]\w{0,5}\b)"
)
_DOTTED = (
    r"(?P<name>\b[a-z0-9][a-z0-9-]{0,60}(?:\.[a-z0-9-]{1,60}){1,20}:\d{2,5}\b"
    r"|\b[A-Za-z][\w-]{0,60}(?:\.(?:<locals>|[\w$-]{1,60})){2,20})"
)
_COMPARED = r"(?P<compared>\b[A-Za-z][\w.-]{0,60}(?:\[[\w,-]{1,40}\])?(?:[=~!]=|[<>]=)[\w.*]{1,40})"
_PAIR = (
    r"(?P<kv>(?<=[\w\])])=(?![=\s])(?:<str>|\[[^\[\]\n]{0,200}\]|\{[^{}\n]{0,200}\}"
    r"|\([^()\n]{0,200}(?:\([^()\n]{0,100}\)[^()\n]{0,100}){0,4}\)"
    r"|[^\s,;)\]}>{]{1,200}(?:\{[^{}\n]{0,100}\})?))"
)
_PLACEHOLDERS = {
    "kv": "=<str>",
    "printed": "<obj>",
    "list": "<str>",
    "compared": "<name>",
    "regex": "<str>",
}


def mask_shapes(line: str) -> str:
    """`line` with a placeholder in place of each value that its form gives away."""
    equals = "=" in line
    at = "@" in line
    held = (
        "://" in line,
        equals or at,
        "[" in line or "{" in line,
        at,
        "<" in line,
        "-" in line or "0x" in line or "0X" in line or line.count(":") > 1,
        "/" in line,
        True,
        "/" in line or "\\" in line,
        "." in line,
        equals,
        equals,
    )
    return _pattern(held).sub(_placeholder, line)


def _placeholder(match: re.Match[str]) -> str:
    kind = match.lastgroup
    return _PLACEHOLDERS.get(kind or "") or f"<{kind}>"


_FORMS = (
    _URL,
    _PRINTED,
    _LIST,
    _EMAIL,
    _OBJECT,
    _ID,
    _REGEX,
    _DATE,
    _PATH,
    _DOTTED,
    _COMPARED,
    _PAIR,
)


@lru_cache(maxsize=256)
def _pattern(held: tuple[bool, ...]) -> re.Pattern[str]:
    """All `_FORMS` that are `held`, in their order."""
    forms = "|".join(form for form, holds in zip(_FORMS, held, strict=True) if holds)
    return re.compile(rf"(?!(?<=\w)\w)(?:{forms})")  # None of them starts within a word.
