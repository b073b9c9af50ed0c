"""Secrets known by where they stand: headers, credentials in addresses, arguments of commands."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import lru_cache

from agents.masking_values import (
    Style,
    is_mixed,
    is_password_in_url,
    is_secret,
    looks_random,
    lower,
)

_GAP = r"(?:\s|%20|\+){1,3}"
_SCHEME = (
    r"(?:bearer|basic|aws|token|apikey|api-key|key|negotiate|ntlm|bot|oauth|digest|hawk|splunk|genie"
    r"key|aws4-hmac-sha256)"
)
_AUTHORIZATION = re.compile(
    r"(?:a(?<![a-z]a)uthorization|x(?<![a-z]x)-auth)(?:\\{0,7}[\"'](?:\]|,(?=\s?[bruf]?[\"']))?|%22)?+\s{0,3}(?:[:=]|%3a|=>|(?<=,))(?:\s|%20|\+){0,3}"
    rf"(?:[bruf]?\\{{0,7}}[\"'`]|%22)?+(?:(?P<scheme>{_SCHEME}){_GAP})?+"
    r"(?P<value>[^\s\"'`\\,;<>{}()\[\]]{3,}+)"
)
_OF_MANY_PARTS = ("digest", "hawk", "oauth", "aws4-hmac-sha256")
_PARTS = re.compile(r"[^\n`\\']*+")
_BEARER = re.compile(
    rf"bearer(?:{_GAP}|[\"']\s?:\s?[\"'])(?P<value>[a-z0-9._~+/-]{{8,}}+={{0,2}})(?![=\w])"
)
_BASIC = re.compile(rf"basic{_GAP}(?P<value>[a-z0-9+/]{{8,}}+={{0,2}})")
_COOKIE = re.compile(
    r"(?:cookie(?:\\{0,7}[\"'](?:\]|,(?=\s?[bruf]?[\"']))?)?+\s{0,3}(?:[:=]|=>|(?<=,)|(?=[\"'])"
    r"|(?<=<cookie )(?=\w))"
    r"|-(?<=\s-)b)\s{0,3}(?:\[\s{0,3})?"
    r"(?:[bruf]?\\{0,7}[\"'`])?+(?P<value>"
    r"[\w.!#$%&*+^|~-]{1,100}=[^\s;\"'`\\]*+"
    r"(?:;\s{0,2}[\w.!#$%&*+^|~-]{1,100}+(?:=[^\s;\"'`\\]*+(?:\ [0-9][^;\"'`\\\n]{1,40})?)?)*+"
    r"|[a-z0-9%+/_-]{20,}+={0,2})"
)
_AUTH_PAIR = re.compile(
    r"(?:auth\s?(?P<set>=)\s?|auth|login|credentials)\(\s?[\"'][^\"'\n]{0,100}+[\"'],\s?[\"'](?P<value>[^\"'\n]{1,200}+)[\"']"
)
_COOKIE_PAIR = re.compile(r"([\w.!#$%&*+^|~-]{1,100})=([^\s;\"'`\\]+)")
_HARMLESS = frozenset(
    """
    path domain expires max-age samesite priority version comment theme lang language locale
    timezone tz country currency consent color_scheme color-mode
    """.split()  # noqa: SIM905
)
"""Attributes of cookies, and the names of those that keep what people like to see."""
_COOKIE_DICT = re.compile(
    r"cookies?[\"']?\s{0,3}[:=(]\s{0,3}(?:\[\s{0,30})?\{"
    r"(?P<value>[^{}]{8,2000}+(?:\}\s{0,30},\s{0,30}\{[^{}]{8,2000}+){0,20})"
)
_COOKIE_IN_DICT = re.compile(r"(:\s{0,3}\\{0,7}([\"']))([\w.%+/=-]{16,500}+)(?=\\{0,7}\2)")
_AUTHORITY = (
    r"(?P<user>[^\s/?#\"'<>@:\\]{0,200}+)"
    # Not a port, as before the settings in an address of JDBC.
    r"(?::(?P<value>(?![0-9]{1,5};)[^\s\"'<>/\\]{0,300})(?<!@))?@(?=[\w\[.%-])"
)
_IN_URL = re.compile(f"://{_AUTHORITY}")
_IN_ESCAPED_URL = re.compile(rf":(?:\\{{1,4}}/){{2}}{_AUTHORITY}")
# As a driver cites an address that it couldn't read.
_IN_CUT_URL = re.compile(
    r"(?:postgres(?:ql)?|mysql|mariadb|rediss?|mongodb|amqps?):/[^\s/:@\"'<>]{0,100}+:"
    r"(?P<value>[^\s@\"'<>/]{1,300}+)@(?=[\w\[.%-])"
)
# A password in a database's address may hold a slash that should have been escaped.
_IN_DSN = re.compile(
    r"(?:sql|postgres|mariadb|rediss?|mongodb|srv|amqps?|asyncpg|psycopg[23]?)://[^\s/:@\"'<>]{0,100}+:"
    r"(?P<value>[^\s:@\"'<>/]{1,200}+/[^\s@\"'<>]{0,200}+)@(?=[\w\[.-])"
)
_IN_ENCODED_URL = re.compile(
    r"%3a%2f%2f(?P<user>(?:[\w.+-]|%(?!3a|40|2f)){0,100}+)%3a(?P<value>(?:[^\s%\"'&]|%(?!40|2f)){1,300}+)%40"
)
_DSN = re.compile(r"(?<![\w.-])[\w.-]{1,64}+:(?P<value>[^\s@/\"']{1,128}+)@(?:tcp|unix)\(")
_ORACLE = re.compile(r"thin:[\w$#]{1,64}+/(?P<value>[^\s@/\"']{1,128}+)@")
_ORACLE_EASY = re.compile(r"(?<![\w$#./-])[\w$#]{1,64}+/(?P<value>[^\s@/\"']{1,128}+)@//(?=\w)")
_GLUED_P = ("mysql", "mariadb", "sshpass", "mongo", "sqlcmd", "clickhouse", "7z ", "zip ")
_SPACED_P = ("sshpass", "twine", " login", "mongo", "sqlcmd", "redis-cli", "ldap", "bcp ")
_USERS = ("curl", "wget", "http ", "https ", "svn ", "ldap")
_COMMANDS = tuple(sorted({*_GLUED_P, *_SPACED_P, *_USERS}))
_ARGUMENT = (
    r"-(?<![\w-]-)(?:"
    r"(?:u|-user|-proxy-user|-auth)(?:[=\s]|[\"'],?\s?)?[\"']?[^\s:<\"'/]{1,80}+:(?P<pair>[^\s\"']{1,200}+)"
    r"|[pa](?P<gap>\s|[\"'],?\s?[\"']?)?[\"']?(?P<value>[^\s\"']{3,200}+))|(?P<command>"
)
_CAREFULLY = 300
"""So many arguments of one text are judged with care, the rest is masked; see masking_pairs."""


@lru_cache(maxsize=64)
def _finder(commands: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"{_ARGUMENT}{'|'.join(commands)})")


def mask_headers(text: str) -> str:
    """`text` with the credentials in headers replaced."""
    shadow = lower(text)
    if "authorization" in shadow or "x-auth" in shadow:
        text = _mask(_AUTHORIZATION, text, _authorization)
    if "bearer" in shadow:
        text = _mask(_BEARER, text, _bearer)
    if "basic" in shadow:
        text = _mask(_BASIC, text, _basic)
    if "auth" in shadow or "login(" in shadow or "credentials(" in shadow:
        text = _mask(_AUTH_PAIR, text, _auth_pair)
    if "cookie" in shadow or ("curl" in shadow and " -b" in shadow):
        text = _mask(_COOKIE, text, _cookie)
        text = _mask(_COOKIE_DICT, text, _cookie_dict)
    return text


def mask_addresses(text: str) -> str:
    """`text` with the passwords in URLs and DSNs replaced."""
    if "@" in text:
        if ":/" in text:
            text = _mask(_IN_URL, text, _url)
            text = _mask(_IN_DSN, text, _password)
            text = _mask(_IN_CUT_URL, text, _password)
        if "\\/" in text:
            text = _mask(_IN_ESCAPED_URL, text, _url)
        if "@tcp(" in text or "@unix(" in text:
            text = _mask(_DSN, text, _password)
        if "@//" in text:
            text = _mask(_ORACLE_EASY, text, _password)
        if "thin:" in text:
            text = _mask(_ORACLE, text, _password)
    if "%40" in text:
        text = _mask(_IN_ENCODED_URL, text, _password)
    return text


def has_command(shadow: str) -> bool:
    """Whether it names a command that takes a password among its arguments."""
    return any(command in shadow for command in _COMMANDS)


def mask_arguments(text: str) -> str:
    """`text` with the passwords that commands were given as `-u name:…` and `-p…` replaced."""
    shadow = lower(text)
    present = tuple(command for command in _COMMANDS if command in shadow)
    if "-" not in text or not present:
        return text
    pieces, done, judged, seen, commands = [], 0, 0, 0, set[str]()
    for match in _finder(present).finditer(shadow):
        if shadow.find("\n", seen, match.start()) >= 0:
            commands.clear()
        seen = match.end()
        if command := match["command"]:
            commands.add(command)
        elif group := _password_of(match, commands):
            judged += 1
            start, end = match.span(group)
            if _is_masked(text, start, end) or (
                judged <= _CAREFULLY and not _likely(text, match, group)
            ):
                continue
            pieces += [text[done:start], "[password]"]
            done = end
    return "".join(pieces) + text[done:]


def _is_masked(text: str, start: int, end: int) -> bool:
    return text[start] == "[" and text[end - 1] == "]"


def _password_of(match: re.Match[str], commands: set[str]) -> str | None:
    """The group that is a password to one of the commands that stood before it on its line."""
    if match["pair"] is not None:
        return "pair" if not commands.isdisjoint(_USERS) else None
    takers = _GLUED_P if match["gap"] is None else _SPACED_P
    return "value" if not commands.isdisjoint(takers) else None


Found = tuple[int, int, str] | None
"""From where to where, and what stands there instead."""


def _mask(pattern: re.Pattern[str], text: str, judge: Callable[[str, re.Match[str]], Found]) -> str:
    shadow = lower(text)
    pieces, done, at = [], 0, 0
    while match := pattern.search(shadow, at):
        found = judge(text, match)
        if found is None:
            at = match.end()
            continue
        start, end, instead = found
        pieces += [text[done:start], instead]
        done = at = end
    return "".join(pieces) + text[done:] if pieces else text


def _likely(text: str, match: re.Match[str], group: str = "value") -> bool:
    value = text[match.start(group) : match.end(group)]
    return is_secret(value, "password", Style.TIGHT, last=True)


def _password(text: str, match: re.Match[str]) -> Found:
    return (*match.span("value"), "[password]") if _likely(text, match) else None


def _auth_pair(text: str, match: re.Match[str]) -> Found:
    value = text[match.start("value") : match.end("value")]
    return _password(text, match) if match["set"] or looks_random(value) else None


def _authorization(text: str, match: re.Match[str]) -> Found:
    start, end = match.span("value")
    scheme = match["scheme"]
    if scheme in _OF_MANY_PARTS:
        parts = _PARTS.match(text, start)
        return (start, parts.end() if parts else end, "[authorization]")
    if end < len(text) and text[end] in "{(":
        return None
    quoted = end < len(text) and text[end] in "\"'`\\"
    value = text[start:end]
    listed = "," in text[match.start() : start]
    if scheme is None and (listed or not quoted) and not looks_random(value):
        return None
    last = end == len(text) or not text[end : end + 2].strip(" ").isalpha()
    if not is_secret(value, "password", Style.COLON, last=last):
        return None
    return start, end, "[authorization]"


def _bearer(text: str, match: re.Match[str]) -> Found:
    start, end = match.span("value")
    while text[end - 1] == ".":
        end -= 1
    return (start, end, "[bearer-token]") if looks_random(text[start:end]) else None


def _basic(text: str, match: re.Match[str]) -> Found:
    start, end = match.span("value")
    raw = text[start:end]
    try:
        pair = base64.b64decode(raw + "=" * (-len(raw) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return (start, end, "[basic-auth]") if b":" in pair and pair.isascii() else None


def _cookie(text: str, match: re.Match[str]) -> Found:
    def replace(pair: re.Match[str]) -> str:
        name, value = pair[1], pair[2]
        if name.lower() in _HARMLESS or len(value) < 6 or value.startswith(("[", "$", "<", "{")):
            return pair[0]
        return f"{name}=[cookie]"

    start, end = match.span("value")
    if "=" not in text[start:end].rstrip("="):
        value = text[start:end]
        return (start, end, "[cookie]") if is_mixed(value) or looks_random(value) else None
    masked = _COOKIE_PAIR.sub(replace, text[start:end])
    return (start, end, masked) if masked != text[start:end] else None


def _cookie_dict(text: str, match: re.Match[str]) -> Found:
    def replace(pair: re.Match[str]) -> str:
        return f"{pair[1]}[cookie]" if looks_random(pair[3]) else pair[0]

    start, end = match.span("value")
    masked = _COOKIE_IN_DICT.sub(replace, text[start:end])
    return (start, end, masked) if masked != text[start:end] else None


def _url(text: str, match: re.Match[str]) -> Found:
    if match["value"] and match["value"] not in {"x", "x-oauth-basic"}:
        start, end = match.span("value")
        return (start, end, "[password]") if is_password_in_url(text[start:end]) else None
    start, end = match.span("user")
    return (start, end, "[token]") if end - start > 15 and looks_random(text[start:end]) else None
