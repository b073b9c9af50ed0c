"""Secrets known by their own shape: what vendors issue, PEM blocks, addresses that are keys.

Each rule names substrings of which a text must hold one before its pattern is tried; searching
for a substring is some thirty times cheaper. Patterns start with a literal wherever they can, and
repeat possessively, so that each takes time in proportion to the text.
"""

from __future__ import annotations

import re

from agents.masking_pem import mask_private_keys
from agents.masking_shapes import TOKEN_RULES, Rule
from agents.masking_values import is_mixed

# An escape before a token ends in a letter or a digit, and yet the token starts there.
_ESCAPE_BEFORE = re.compile(
    r"(?:%[0-9A-Fa-f]{2}|\\+(?:[nrtbf]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})|\[[0-9;]{0,8}m)\Z"
)


def starts_token(text: str, at: int) -> bool:
    """Whether a token may start at `at`: not within a word."""
    if at == 0:
        return True
    before = text[at - 1]
    if not (before.isascii() and before.isalnum()):
        return True
    return _ESCAPE_BEFORE.search(text, max(0, at - 10), at) is not None


_DIGIT = re.compile("[0-9]")
_OWN = re.compile(r"(?:[:.]|%3A)[A-Za-z0-9_-]{32}")
_TWILIO_ACCOUNT = re.compile(r"AC[0-9a-f]{32}(?![A-Za-z0-9])")
_TWILIO_SECRET = re.compile(r"(?<![A-Za-z0-9])[0-9a-f]{32}(?![A-Za-z0-9])")
_AWS_KEY = re.compile(r"A[KS]IA[A-Z0-9*.…]{3}")
_AWS_SECRET = re.compile(r"[A-Za-z0-9/+]{40,}+(?![A-Za-z0-9=])")


_LONG = re.compile(r"[A-Za-z0-9_.-]{16,}+")
# What starts with a dash, and hints of texts that are let pass for another word.
_KNOWN_BY_MORE = re.compile("^-|hook|office|discord|(?i:secret)|AKIA|ASIA")
_HINT = re.compile(
    "|".join(
        re.escape(hint) + ("[0-9a-f]{8}" if hint in {"SK", "AC"} else "")
        for rule in TOKEN_RULES
        for hint in rule.hints
        if re.fullmatch(r"[A-Za-z0-9_.-]{2,}", hint) and not _KNOWN_BY_MORE.search(hint)
    )
)


_HINT_OF_LETTERS = re.compile(
    "hf_|api_org_|k_live_|k_test_|whsec_|GOCSPX-|gh[pousr]_|gl[a-z]{2,5}-|npm_|lin_|AIza|xox"
)
"""Whose tokens may be of letters alone, by rule or by chance: of 20 characters, some 3 in 100."""


def may_hold_token(text: str) -> bool:
    """Whether a rule is worth trying, told in a fraction of the time that the rules take.

    But for addresses and markers, each shape shows its hint within a run of 16 characters.
    """
    if "-----" in text or "1//" in text or "1%2F%2F" in text or "AKIA" in text or "ASIA" in text:
        return True
    runs = " ".join(_LONG.findall(text))
    if not _DIGIT.search(runs):
        return _HINT_OF_LETTERS.search(runs) is not None or ("hook" in text and ".com" in text)
    return (
        _HINT.search(runs) is not None
        or _OWN.search(text) is not None
        or "hook" in text
        or "/services/T" in text
    )


def mask_tokens(text: str) -> str:
    """`text` with each known shape replaced by its kind."""
    if "-----" in text:
        text = mask_private_keys(text)
    if ("AKIA" in text or "ASIA" in text) and _AWS_KEY.search(text):
        text = _AWS_SECRET.sub(_aws_secret, text)
    if "AC" in text and _TWILIO_ACCOUNT.search(text):
        text = _TWILIO_SECRET.sub("[twilio-key]", text)
    for rule in TOKEN_RULES:
        for hint in rule.hints:
            if hint in text:
                text = _apply(rule, text)
                break
    return text


def _apply(rule: Rule, text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        whole = match[0]
        if not rule.inside and not starts_token(text, match.start()):
            return whole
        secret = match[match.lastindex or 0]
        if not rule.judge(secret):
            return whole
        return f"{whole[: len(whole) - len(secret)]}[{rule.kind}]"

    return rule.pattern.sub(replace, text)


def _aws_secret(match: re.Match[str]) -> str:
    """A secret key beside its access key has no shape but 40 characters."""
    secret = match[0]
    if match.string[match.start() - 1 : match.start()] == "\\" and secret[0] in "nrt":
        secret = secret[1:]
    if len(secret) != 40 or not is_mixed(secret):
        return match[0]
    return match[0][: -len(secret)] + "[aws-secret-key]"
