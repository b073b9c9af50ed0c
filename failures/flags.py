"""What makes a text unfit to be passed on before a person has read it.

A failure's text may be written by whoever wants other agents to act on it. The flags err towards
review: a flagged pattern is still found and counted, it is only named without its words.
"""

from __future__ import annotations

import re
import unicodedata

from failures.prose import is_foreign, looks_written

_FLAGS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        (
            "url",
            r"[a-z][a-z0-9+.-]{1,15}://|\bwww\.|\b[\w-]{1,60}\.(?:com|net|org|xyz)\b",
        ),
        (
            "shell",
            r"\b(?:curl|wget|npx|sudo|eval|chmod|chown|ssh|scp|powershell|iex)\b"
            r"|\b(?:pipx?3?|npm|pnpm|yarn|uv|cargo|gem|go|apt(?:-get)?|brew)\s{1,4}"
            r"(?:i|install|add|exec|dlx|get|run)\b"
            r"|\|\s{0,4}(?:ba|z)?sh\b|\b(?:ba|z)?sh\s{1,4}-c\b|\brm\s{1,4}-|\$\(|&&|;\s{0,4}rm\b",
        ),
        ("blob", r"[A-Za-z0-9+/]{40,}={0,2}"),
        ("no-verify", r"--(?:no-verify|force|no-check|skip-\w{1,20}|dangerously\S{0,40})\b"),
        (
            "disabling",
            r"\b(?:disabl\w{1,5}|skip\w{0,5}|remov\w{1,4}|delet\w{1,4}|turn(?:ing)? off"
            r"|bypass\w{0,4}|ignor\w{1,4}|disregard\w{0,4}|forget|weaken|comment out)\b.{0,40}\b"
            r"(?:tests?|auth\w{0,12}|security|checks?|verif\w{0,8}|lint\w{0,4}|hooks?|guards?|rules?"
            r"|instructions?|prompts?|polic(?:y|ies)|reviews?)\b",
        ),
        (
            "secret",
            r"\b(?:password|passwd|secret|api[_-]?key|credential)s?\b\s{0,4}[=:]\s{0,4}\S"
            r"|\b(?:AKIA|gh[pousr]_|glpat-|xox[abprs]-|sk-|hf_|npm_|pypi-)\w{8,}|-----BEGIN",
        ),
        ("comment", r"<!--|-->"),
        (
            "addressed",
            r"\b(?:assistants?|agents?|a\.?i\.?|llms?|chatbots?|copilot|claude|gpt)\b"
            r"|\b(?:system|previous|prior|above|new)\s{1,4}(?:prompts?|instructions?|messages?)\b"
            r"|\byou\s{1,4}(?:must|should|shall|have to|need to|are now|will)\b"
            r"|\b(?:please|instructions?|important)\b|\b(?:system|user|human)\s{0,4}:\s",
        ),
    )
)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_TAGS = re.compile("[\U000e0000-\U000e007f]")
_WORD = re.compile(r"[^\W\d_]{2,}")


def review_flags(text: str) -> list[str]:
    """The names of what speaks against passing `text` on unread; empty when nothing does."""
    found = [name for name, pattern in _FLAGS if pattern.search(text)]
    if _INVISIBLE.search(text) or _TAGS.search(text):
        found.append("invisible")
    if any(_mixes_scripts(word) for word in _WORD.findall(text)):
        found.append("mixed-scripts")
    return found


def template_flags(text: str) -> list[str]:
    """The same for a line that should be a tool's: it may not address its reader at all."""
    foreign = ["foreign"] if is_foreign(text) else []
    return review_flags(text) + looks_written(text) + foreign


def _mixes_scripts(word: str) -> bool:
    if word.isascii():
        return False
    scripts = {unicodedata.name(letter, "?").split(" ")[0] for letter in word}
    return len(scripts & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}) > 1


def plain_line(text: str) -> str:
    """`text` as one line without control, invisible or direction characters."""
    kept = "".join(
        " " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char for char in visible(text)
    )
    return " ".join(kept.split())


def visible(text: str) -> str:
    """`text` without characters that a reader can't see; line breaks and tabs stay."""
    text = _TAGS.sub("", _INVISIBLE.sub("", text)).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        char for char in text if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"}
    )
