"""The words of a text that are worth looking for, and the paths that it names."""

from __future__ import annotations

import re
from collections.abc import Iterable

SHORTEST = 3
LONGEST = 64
READ = 8_000
"""So many characters of a text are looked at."""
PATH_LENGTH = 300

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,7}$")
_AROUND = "\"'`()[]{}<>,;:!?*="
# What stands in nearly every error and every command says nothing about which one it is.
_COMMON = re.compile(
    r"about|after|all|and|any|are|because|been|before|but|can|cannot|could|did|does|down|error"
    r"|errors|fail|failed|fails|failure|failures|file|files|find|for|found|from|get|got|had|has"
    r"|have|how|into|its|line|lines|make|more|must|new|not|now|off|one|only|our|out|over|please"
    r"|run|runs|running|should|some|than|that|the|their|them|then|there|this|too|try|under"
    r"|unknown|until|use|used|using|was|were|what|when|where|which|will|with|without|work|you"
    r"|your"
)


def search_words(texts: Iterable[str], *, most: int) -> list[str]:
    """Up to `most` different words of `texts`, the first ones first, in lower case.

    They hold letters and digits alone, so that they can stand in a query as they are. Numbers and
    words of fewer than three letters are left out, and so are those that every error has.
    """
    found: dict[str, None] = {}
    for text in texts:
        for word in _WORD.findall(text[:READ]):
            for part in (word, *_CAMEL.split(word)):
                lower = part.lower()
                if _says_something(lower):
                    found.setdefault(lower)
        if len(found) >= most:
            break
    return list(found)[:most]


def _says_something(word: str) -> bool:
    return SHORTEST <= len(word) <= LONGEST and not word.isdigit() and not _COMMON.fullmatch(word)


def paths_in(text: str, *, most: int) -> list[str]:
    """Up to `most` different paths that `text` names: words with a slash, or with an ending."""
    found: dict[str, None] = {}
    for raw in text[:READ].split():
        word = raw.strip(_AROUND).rstrip(".")
        if looks_like_path(word):
            found.setdefault(word)
            if len(found) == most:
                break
    return list(found)


def looks_like_path(word: str) -> bool:
    """Whether `word` may be a file's path; an address or an option is none."""
    if not 1 < len(word) <= PATH_LENGTH or "://" in word or word.startswith(("-", "@")):
        return False
    if "/" in word:
        return any(char.isalnum() for char in word)
    return _ENDING.search(word) is not None
