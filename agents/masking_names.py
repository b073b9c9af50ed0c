"""Names that say that a secret follows, and names that only look so."""

from __future__ import annotations

import re

WORDS = {
    "pass": r"pass(?:word|wd|phrase|wort|code)?",
    "secret": "secret",
    "token": "token",
    "key": "key",
    "pwd": "pwd",
    "credential": r"credentials?",
    "sig": r"sig(?:nature)?",
    "auth": r"auth(?=[\"'=:])",
    "sess": r"sess(?:ion)?[_-]?id",
    "identified": r"identified (?:with \w{1,40} )?by",
}
"""What makes a name a secret's: by a text that must be there, the pattern of the word."""
TAIL = r"[a-z0-9_\-]{0,60}+"
"""What may follow it within the name; `kind_of` judges it."""

# What a name may go on with and yet not be a secret's: token_count, password_file, secretName.
_OTHER_THING = re.compile(
    r"(?:ids?|names?|ur[il]s?|files?|paths?|dir|counts?|types?|len|length|size|limits?|expir[a-z]*"
    r"|ttl|age|at|fields?|reset|policy|policies|arn|refs?|reference|version|formats?|provider|hint"
    r"|required|enabled|disabled|errors?|missing|min|max|env|vars?|store|managers?|usage|budget"
    r"|index|pos|position|kind|in|out|rate|class|endpoint|host|issuer|audience|alg|algorithm"
    r"|rotation|strategy|changed|valid|invalid|status|state|exists|present|set|source|mode|scopes?"
    r"|prefix|regex|pattern|label|placeholder|input|form|view|message|msg|help|tests?|date|time"
    r"|timeout|created|updated|backend|handler|func|function|service|middleware|validators?"
    r"|strength|history|info|metadata|location|owner|per|line|column|start|offset|stream"
    r"|exceptions?|encryption|encoding|method|algo|hash(?:er|ing)"
    r"|headers?|params?|words?|list|s|map|args?|lookup|generator|factory|cache|bucket|group)\Z"
)
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SHORT = frozenset({"pass", "pwd", "auth", "sig"})
"""Ends and beginnings of many words, so they must be words of their own: compass, author."""
_GLUED = re.compile(
    r"(?:db|aspx|user|my|root|admin|smtp|mail|redis|mysql|pg|ftp|proxy|http|basic|key|store|trust|ssh"
    r"|sudo|vault|login|rabbit|mongo|ldap|kafka|old|new|require|\\[nrt])\Z"
)
_QUERY = ("?", "&")
_WHOSE_KEY = re.compile(
    r"(api|app|access|secret|private|auth|encryption|encrypt|signing|master|account|shared"
    r"|sharedaccess|service|client|deploy|ssh|storage|webhook|hmac|aes|license|subscription"
    r"|consumer|admin|server|security|session|data)[_\-. ]?\Z"
)
_KINDS = {
    "pass": "password",
    "pwd": "password",
    "iden": "password",
    "sig": "signature",
    "cred": "credential",
    "sess": "session",
}
"""By how the word begins; of others the word is the kind."""


def kind_of(text: str, start: int, word: str, tail: str) -> str | None:
    """The kind of secret that the name says, such as `api-key`; None if it is no secret's.

    `word` stands at `start` of `text`, in small letters; `tail` follows it as it is written.
    """
    if tail and not _may_follow(tail, word, shouted=text[start].isupper()):
        return None
    if word == "key":
        whose = _WHOSE_KEY.search(text[max(0, start - 14) : start].lower())
        if whose:
            return f"{whose[1]}-key"
        before = text[start - 1 : start]
        return "key" if before in _QUERY or (text[start].isupper() and before == "_") else None
    if word == "secret" and _FOREIGN_SECRET.search(text[max(0, start - 9) : start].lower()):
        return None
    if word in _SHORT and not _is_word(text, start):
        return None
    return _KINDS.get(word[:4]) or _KINDS.get(word[:3], word)


_AWS_SECRET = re.compile(r"secret[_\- ]?access[_\- ]?key")
_FOREIGN_SECRET = re.compile(r"(?:existing|pull|tls)[_-]?\Z")
_OWN_SECRET = re.compile(
    r"(?:jwt|client|app|api|auth|session|cookie|webhook|signing|shared|consumer|oauth|hmac)[_-]?\Z"
)


def is_aws_secret(name: str) -> bool:
    """Whether the name is the one that AWS gives the longer half of its keys."""
    return _AWS_SECRET.search(name.lower()) is not None


def is_own_secret(text: str, start: int) -> bool:
    """Whether the `secret` at `start` is what signs, and no name of a store's entry."""
    return _OWN_SECRET.search(text[max(0, start - 9) : start].lower()) is not None


def _is_word(text: str, start: int) -> bool:
    if start == 0 or not text[start - 1].isalpha():
        return True
    if text[start].isupper() and text[start - 1].islower():
        return True
    return _GLUED.search(text[max(0, start - 7) : start].lower()) is not None


def _may_follow(tail: str, word: str, *, shouted: bool) -> bool:
    if word in _SHORT:
        return tail.strip("_-").isdigit()
    glued = tail[0].islower() or (tail[0].isupper() and shouted and tail.isupper())
    if glued and tail not in {"value", "hash", "base"}:
        return False
    parts = _PART.findall(tail)
    return not parts or _OTHER_THING.match(parts[-1].lower()) is None
