"""What makes a text unfit to be passed on before a person has read it.

A failure's text may be written by whoever wants other agents to act on it. The flags err towards
review: a flagged pattern is still found and counted, it is only named without its words.
"""

from __future__ import annotations

import re
import unicodedata

from failures.prose import is_foreign, looks_written
from failures.stating import stated

# What keeps harm out, and that it is said to be needless.
_GATE = (
    r"(?:reviews?|reviewers?|approvals?|tests?|specs?|checks?|checking|hooks?|verif\w{0,8}|validation"
    r"|signatures?|certificates?|sandbox\w{0,3}|permissions?|csrf|cors|tls|ssl|auth\w{0,12}|2fa|mfa"
    r"|lint\w{0,4}|coverage|gates?|thresholds?|scan\w{0,4}|audits?|protection|firewall|checksums?)"
)
_NEEDLESS = (
    r"(?:(?:not|no longer|never|\w{2,5}n['’]t)\s{1,4}(?:\w{1,12}\s{1,4})?(?:required|needed"
    r"|necessary|mandatory|enforced|expected)|optional|unnecessary|needless|waived|omitted|relaxed|lowered"
    r"|(?:is|are|was|were|been|be|switched|turned)\s{1,4}off|bypassed|commented out"
    r"|disabled|removed|deleted)"
)
_FLAGS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        (
            "url",
            r"[a-z][a-z0-9+.-]{1,15}://|\bwww\.|\b[\w-]{1,60}\.(?:com|net|org|xyz)\b",
        ),
        (
            "shell",
            r"\b(?:curl(?!:)|wget|npx|sudo|eval|chmod|chown|ssh|scp|powershell|iex)\b"
            r"|\b(?:pipx?3?|npm|pnpm|yarn|uv|cargo|gem|go|apt(?:-get)?|brew|bun|deno|poetry|pdm|conda"
            r"|composer|docker|podman|kubectl|helm|terraform)\s{1,4}"
            r"(?:i|install|add|exec|dlx|get|run|apply|destroy|login|push|config)\b"
            r"|\|\s{0,4}(?:ba|z)?sh\b|\b(?:ba|z)?sh\s{1,4}-c\b|\brm\s{1,4}-|\$\(|&&|;\s{0,4}rm\b",
        ),
        ("blob", r"[A-Za-z0-9+/]{40,}={0,2}"),
        ("no-verify", r"--(?:no-verify|force|no-check|skip-\w{1,20}|dangerously\S{0,40})\b"),
        (
            "disabling",
            r"(?<![-/\w])(?:disabl\w{1,5}|skip\w{0,5}|remov\w{1,4}|delet\w{1,4}|turn(?:ing)? off"
            r"|bypass\w{0,4}|ignor\w{1,4}|disregard\w{0,4}|forget|weaken|comment out)\b.{0,40}\b"
            r"(?:tests?|auth\w{0,12}|security|checks?|verif\w{0,8}|lint\w{0,4}|hooks?|guards?|rules?"
            r"|instructions?|prompts?|polic(?:y|ies)|reviews?)\b",
        ),
        (
            "secret",
            r"\b(?<!using )(?:password|passwd|secret|api[_-]?key|credential)s?\b\s{0,4}[=:]\s{0,4}"
            r"\S"
            r"|\b(?:AKIA|gh[pousr]_|glpat-|xox[abprs]-|sk-|hf_|npm_|pypi-)\w{8,}|-----BEGIN",
        ),
        ("comment", r"<!--|-->"),
        (
            "addressed",
            r"\b(?:assistants?|agents?|a\.?i\.?|llms?|chatbots?|copilot|claude|gpt)\b"
            r"|\b(?:system|previous|prior|above|new)\s{1,4}(?:prompts?|instructions?|messages?)\b"
            r"|\b(?:instructions?|important)\b|\b(?:system|user|human)\s{0,4}:\s",
        ),
        (
            "weakening",
            rf"\b{_GATE}\b.{{0,30}}\b{_NEEDLESS}\b|\b{_NEEDLESS}\b.{{0,20}}\b{_GATE}\b"
            r"|\b(?:insecure|unsafe|privileged|unsandboxed)\s{1,4}mode|\bforce[- ]push"
            r"|\bverify\w{0,12}\s{0,2}[=:]|ssl_?verify|strict-ssl|\bNODE_TLS|\bHUSKY\s?=|hooksPath"
            r"|\bcsrf_exempt|\bAllowAny\b|\bno(?:sec|qa)\b|eslint-disable|@?ts-(?:ignore|nocheck)"
            r"|\b0?777\b|\bone-time (?:code|password)"
            r"|\bbypass\w{0,4}\b|\bunsigned (?:commit|package|image)|\bcures?\b|\basked for\b"
            r"|\b(?:secret|password|token|credential|key)s?\b.{0,40}\b(?:printed|shown|console|summary"
            r"|chat|pull request|posted|pasted)\b"
            r"|\bun(?:reviewed|approved|tested|sandboxed|scanned)\b"
            r"|--(?:insecure|privileged|unsafe|allow-root|no-sandbox|auto-approve|ignore-cert)",
        ),
    )
)
UNSTATED = "unstated"
"""Of a line that states no failure, of which no word is passed on."""
SHORTENED = "shortened"
"""Of a line that goes on after what states the failure. The rest reaches nobody, so nothing speaks
against telling the beginning unread."""
_POLITE = re.compile(
    r"\byou\s{1,4}(?:must(?! be logged in)|should|shall|have to|need to|are now|will)\b|\bplease\b",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_TAGS = re.compile("[\U000e0000-\U000e007f]")
_WORD = re.compile(r"[^\W\d_]{2,}")


def review_flags(text: str) -> list[str]:
    """The names of what speaks against passing `text` on unread; empty when nothing does."""
    return _flags(text, text)


def _flags(text: str, passed_on: str) -> list[str]:
    found = [name for name, pattern in _FLAGS if pattern.search(text)]
    if "addressed" not in found and _POLITE.search(passed_on):
        found.append("addressed")
    if _INVISIBLE.search(text) or _TAGS.search(text):
        found.append("invisible")
    if any(_mixes_scripts(word) for word in _WORD.findall(text)):
        found.append("mixed-scripts")
    return found


def template_flags(text: str) -> list[str]:
    """The same for a line that should be a tool's, and for those of its words that are passed on.

    What states the failure may not address its reader at all.
    """
    foreign = ["foreign"] if is_foreign(text) else []
    unstated = [] if (words := stated(text)) or not text.strip() else [UNSTATED]
    return _flags(text, words) + looks_written(words) + foreign + unstated


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
