"""How a value may be written after the name of a secret, in small letters.

Every repeat is possessive or bounded, so that a search takes time in proportion to the text.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agents.masking_names import TAIL, WORDS

_QUOTED = (
    r"\"{3}(?:[^\"\n]|\"(?!\"\"))++\"{3}"
    r"|'{3}(?:[^'\n]|'(?!''))++'{3}"
    r"|\"(?:[^\"\\\n]|\\[^\n])*+\""
    r"|'(?:[^'\\\n]|\\[^\n])*+'"
    r"|`(?:[^`\\\n]|\\[^\n])*+`"
    # Within a string of JSON: its quotes are escaped, and the secret's own twice.
    r"|\\\"(?:[^\"\\\n]|\\\\\\\"|\\(?!\"))*+\\\""
    r"|\\'(?:[^'\\\n]|\\\\\\'|\\(?!'))*+\\'"
    r"|\\{2,7}\"(?:[^\"\\\n]|\\(?!\\{0,6}\"))*+\\{2,7}\""
    r"|&quot;(?:[^&\n]|&(?!quot;))*+&quot;"
    r"|%22(?:[^%\s\"]|%(?!22))*+%22"
    r"|%27(?:[^%\s']|%(?!27))*+%27"
)
_BARE = (
    r"(?:[^\s\"'`,;&<>(){}\[\]|\\%\x1b\u201d\xbb\u3002\uff0c]|%(?!2[267]|0a|0d|20|3b|7d)|\\(?![nrtbfu\"'`\\])"
    r"|&(?!amp;|lt;|gt;|quot;|apos;|#)(?=[^\s\"'`&=;]{1,30}(?:[\s;\"'`]|$))){1,200}+"
)
_SEPARATOR = (
    r"\??\s{0,3}(?::=|=>|\?=|\|\|=|[=!]==?|=|%3d|%3a"
    # A colon, and the type that an annotated name has before its value.
    r"|(?<!:):(?!:)(?:\s{0,3}&?[a-z_][a-z_.\[\]|, ]{0,60}=(?!=))?+)"
    # {"name": "DB_PASSWORD", "value": "…"}, also as YAML and XML.
    r"|\s{0,3}[,:]?\s{0,30}\{?\s{0,3}[\"']?value[\"']?\s{0,3}[:=]"
    r"|\ is\ generated\ for\ [^\s:]{1,80}+:"
    r"|\ (?:is|was)(?::|(?=\ ))|\ (?:provided|given|used|supplied|received):"
    # .password("…"), setPassword("…")
    r"|\((?=[\"'])"
)
_BLANK_SEPARATOR = r"(?:[\"']?,?[ \t]{1,4}+|,(?=\\{0,7}[\"']))"
_WRAP = r"(?:(?:secret)?(?:str|bytes|string(?:::from)?|some|buffer\.from|atob)\((?=[\"'b]))?"
_VALUE = (
    rf"(?:\s{{0,40}}+(?P<list>\[\s{{0,3}}+)?+[bruf]{{0,2}}(?P<quoted>{_QUOTED})"
    # Go writes a header's values in brackets.
    rf"|(?:\[(?=[a-z_.+/=-]{{0,60}}[0-9][^\]\[\s\"']{{4,200}}\]))?+(?P<bare>{_BARE})"
    r"|(?P<cut>\\{0,7}[\"'`][^\s\"'`\\]{1,200}+))"
)


def _following(separator: str) -> str:
    return (
        rf"(?P<tail>{TAIL})"
        rf"(?:\"?>(?P<element>[^<\n]{{1,500}}+)(?=</)|"
        r"(?:\\{0,7}[\"'`]\]?|%22|%27|&quot;|\ \[(?:none|\*{1,20}[^\]\n]{0,8})\])?+"
        rf"(?P<sep>{separator})(?P<gap>[ \t]*+(?:[|>][-+]?[ ]*\n\s*+)?){_WRAP}{_VALUE})"
    )


FOLLOWING = re.compile(_following(_SEPARATOR))
BLANK_NEXT = re.compile(rf"{TAIL}[\"'`\\]{{0,3}}(?:,?[ \t]|,\\{{0,7}}[\"'])")
BLANK = re.compile(_following(_BLANK_SEPARATOR))
_MASKED = r"(?!\s{0,40}(?:\[\s{0,3})?[bruf]{0,2}\\{0,7}[\"'`%27]{0,3}\[[a-z-]{1,40}\])"


# What was masked before is passed over without a look at it.
_UNMASKED = rf"(?!{TAIL}[\"']?[:=] ?[\"']?\[[a-z-]{{1,40}}\])"


@lru_cache(maxsize=256)
def finder(words: tuple[str, ...]) -> re.Pattern[str]:
    """What finds these words; one of few, searched for from a literal, is many times as fast."""
    return re.compile(f"(?:{'|'.join(WORDS[word] for word in words)}){_UNMASKED}")


@lru_cache(maxsize=64)
def coarse(words: tuple[str, ...]) -> re.Pattern[str]:
    """What finds whole pairs: all that care would mask, and more."""
    names = "|".join(WORDS[word] for word in words)
    following = _following(f"{_SEPARATOR}|{_BLANK_SEPARATOR}").replace(_VALUE, _MASKED + _VALUE)
    return re.compile(f"(?:{names}){following}")
