"""No text may hold up who waits for it: what is too dense with names of secrets is cut.

The time that masking takes grows with the places where a secret may stand. Logs and code have a
few in a kilobyte; a text of thousands is a dump of secrets or an attack.
"""

from __future__ import annotations

import re

from agents.masking_values import lower

SHORT = 1_650
"""What is shorter can't be too dense."""
REST = "[masked]"
"""What stands for the rest of a text that was cut."""
MOST = 2_200
"""So many places are looked at, less one for each 100 characters of the first 100 kB.

Of 3,500 files of Python's library and of packages, cut to 100 kB, the densest had 1,711, another
908; 100 kB of log have some 10 to 300. A place takes some 10 µs in all, 100 characters
without one some 10 to 15.
"""
_PLACES = (
    *("pass", "secret", "token", "key", "pwd", "cred", "sig", "auth", "sess", "cookie", "bearer"),
    *("basic", "identified", "://", "@", "-p", "-u", "-a", "eyj", "gh", "sk-", "-----", "xox"),
    *(":\\/", "парол", "密", "ключ", "токен"),
)
_PLACEHOLDER = re.compile(r"\[[a-z-]{3,24}\]")
_LAST_BREAK = re.compile(r".*[\s,;&]", re.DOTALL)
_WORD = re.compile(r"\S+")


def bounded(text: str) -> str:
    """`text`, or as much of it as can be masked in time, and `[masked]` for the rest.

    Masking adds no places, so what was cut once is not cut again.
    """
    size = len(text)
    if size < SHORT or (found := work(text)) <= MOST:
        return text
    while found > MOST:
        size = size * MOST * 31 // (found * 32)
        found = work(text[:size] + REST)
    return text[: _end_of_whole(text, size)] + REST


def work(text: str) -> int:
    """How many places of `text` are looked at, and one for each 100 of 100,000 characters.

    One of them takes some 5 µs in all.
    """
    shadow = _PLACEHOLDER.sub(" ", lower(text))
    return sum(map(shadow.count, _PLACES)) + min(len(shadow), 100_000) // 100


def _end_of_whole(text: str, size: int) -> int:
    """Where the last word before `size` ends that is surely whole, and no line of a key."""
    first = max(0, size - 4000)
    tail = _LAST_BREAK.match(text[first:size])
    if tail is None:
        return size
    end = first + tail.end()
    short = 0
    for word in reversed(list(_WORD.finditer(text, first, end))):
        # A key's last line and the marker at its end are five short words.
        short = short + 1 if len(word[0]) < 16 else 0
        if short == 6:
            break
        if short == 0:
            end = word.start()
    return end
