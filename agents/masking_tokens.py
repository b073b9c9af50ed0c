"""Secrets known by their own shape: what vendors issue, PEM blocks, addresses that are keys.

Each rule names substrings of which a text must hold one before its pattern is tried; searching
for a substring is some thirty times cheaper. Patterns start with a literal wherever they can, and
repeat possessively, so that each takes time in proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agents.masking_values import is_mixed

Judge = Callable[[str], bool]

# An escape before a token ends in a letter or a digit, and yet the token starts there.
_ESCAPE_BEFORE = re.compile(
    r"(?:%[0-9A-Fa-f]{2}|\\+(?:[nrtbf]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})|\[[0-9;]{0,8}m)\Z"
)
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_DIGIT = re.compile(r"[0-9]")
_UPPER = re.compile(r"[A-Z]")


def starts_token(text: str, at: int) -> bool:
    """Whether a token may start at `at`: not within a word."""
    if at == 0:
        return True
    before = text[at - 1]
    if not (before.isascii() and before.isalnum()):
        return True
    return _ESCAPE_BEFORE.search(text, max(0, at - 10), at) is not None


def varied(text: str) -> bool:
    """Whether it is none of the stand-ins of documentation: one letter over and over."""
    return len(set(text)) > 6


def _issued(text: str) -> bool:
    """Whether it is neither one letter over and over nor words, as stand-ins are."""
    if not varied(text):
        return False
    pieces = _PIECE.findall(text)
    return _DIGIT.search(text) is not None or len(text) < 3 * len(pieces)


def _no_words(text: str) -> bool:
    # `sk-` and `pypi-` also start names of style classes and packages.
    if not varied(text) or not _DIGIT.search(text):
        return False
    return bool(_UPPER.search(text)) or max(map(len, text.split("-"))) >= 24


@dataclass(frozen=True)
class Rule:
    """One shape: group 1 is the secret if there is one, else the whole match."""

    kind: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    judge: Judge = _issued
    inside: bool = False
    """Whether it may start within a word: its own text leaves no doubt."""


def _rule(
    kind: str, hints: str, pattern: str, judge: Judge = _issued, *, inside: bool = False
) -> Rule:
    return Rule(kind, tuple(hints.split()), re.compile(pattern), judge, inside)


def _anything(text: str) -> bool:
    return True


_SLASH = r"(?:/|%2[Ff])"
_BOT = r"([A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])"
_SPACE = r"(?:[ +]|%20)"
_BREAK = r"(?:\s|\\+[nr]|%0[AaDd]|&#1[03];|[>|+] )"
_BASE64 = r"(?:[A-Za-z0-9/+=]|%2[BbFf]|%3[Dd])"
_PEM_KIND = rf"(?:[A-Z0-9]{{1,12}}{_SPACE}){{0,3}}PRIVATE{_SPACE}KEY(?:{_SPACE}BLOCK)?-----"
_PEM_END = rf"-----END{_SPACE}{_PEM_KIND}"
# The marker, then headers of old formats and lines of base64 alone, then the end unless cut off.
_PEM = (
    rf"-----BEGIN{_SPACE}{_PEM_KIND}"
    rf"(?:{_BREAK}*+(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash):[^\n\\]{{0,200}}+"
    rf"|{_BASE64}{{16,}}+(?![A-Za-z:(_])|{_BASE64}{{1,15}}(?={_BREAK}{{0,8}}-----END|=|[\"'.…]|\Z)))++"
    rf"(?:{_BREAK}*+{_PEM_END})?+"
)

TOKEN_RULES: tuple[Rule, ...] = (
    _rule("github-token", "ghp_ gho_ ghu_ ghr_", r"gh[pour]_[A-Za-z0-9]{20,}+"),
    _rule("github-token", "ghs_", r"ghs_[A-Za-z0-9_-]{20,}+(?:\.[A-Za-z0-9_-]{6,}+)*+"),
    _rule("github-token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,}+"),
    _rule(
        "gitlab-token",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- gloas- glsoat- glffct-"
        " glwt-",
        r"gl(?:pat|dt|rtr?|cbt|ptt|ft|imt|agent|oas|soat|ffct|wt)-"
        r"[A-Za-z0-9_=-]{16,}+(?:\.[A-Za-z0-9_-]{2,}+)*+",
    ),
    _rule("gitlab-token", "GR1348941", r"GR1348941[A-Za-z0-9_-]{20,}+"),
    _rule(
        "slack-token",
        "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe- xoxe. xoxo- xoxc- xoxd- xapp- xwfp-",
        r"x(?:ox[a-z](?:\.xox[a-z])?|app|wfp)-(?:(?<=xoxd-)[A-Za-z0-9%/+=-]{10,}+|[A-Za-z0-9-]{10,}+)",
    ),
    _rule(
        "slack-webhook",
        "hooks.slack",
        rf"hooks\.slack(?:-gov)?\.com{_SLASH}(?:services|workflows|triggers){_SLASH}"
        r"((?:[A-Za-z0-9/_-]|%2[Ff]){16,}+)",
        inside=True,
    ),
    _rule(
        "discord-webhook",
        "discord.com discordapp.com",
        rf"discord(?:app)?\.com{_SLASH}api{_SLASH}(?:v[0-9]{{1,2}}{_SLASH})?webhooks{_SLASH}"
        rf"([0-9]{{10,22}}+{_SLASH}[A-Za-z0-9_-]{{30,}}+)",
        inside=True,
    ),
    _rule(
        "webhook",
        "webhook.office.com",
        r"webhook\.office\.com/webhookb2/([A-Za-z0-9@/_-]{40,}+)",
        inside=True,
    ),
    _rule("stripe-key", "k_live_ k_test_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}+"),
    _rule("stripe-key", "whsec_", r"whsec_[A-Za-z0-9/+]{20,}+={0,2}"),
    _rule("anthropic-key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{20,}+", _no_words),
    _rule("openai-key", "sk-", r"sk-[A-Za-z0-9_-]{20,}+", _no_words),
    _rule("google-api-key", "AIza", r"AIza[A-Za-z0-9_-]{30,}+"),
    _rule("google-oauth", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}+"),
    _rule("google-oauth", "ya29.", r"ya29\.[A-Za-z0-9_-]{20,}+(?:\.[A-Za-z0-9_-]{10,}+)*+"),
    _rule("google-oauth", "1// 1%2F%2F", r"1(?://|%2F%2F)0[A-Za-z0-9_-]{30,}+"),
    _rule("npm-token", "npm_", r"npm_[A-Za-z0-9]{30,}+(?![A-Za-z0-9_])"),
    _rule("pypi-token", "pypi-", r"pypi-[A-Za-z0-9_-]{30,}+", _no_words),
    _rule("sendgrid-key", "SG.", r"SG\.[A-Za-z0-9_-]{16,40}+\.[A-Za-z0-9_-]{20,}+"),
    _rule("twilio-key", "SK AC", r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])"),
    _rule("huggingface-token", "hf_ api_org_", r"(?:hf|api_org)_[A-Za-z0-9]{30,}+(?![A-Za-z0-9_])"),
    _rule("linear-key", "lin_", r"lin_(?:api|oauth|wh)_[A-Za-z0-9]{24,}+"),
    _rule(
        "aws-access-key",
        "AKIA ASIA ABIA ACCA",
        r"A(?:KI|SI|BI|CC)A[A-Z0-9]{16}(?![A-Za-z0-9])",
        varied,
    ),
    _rule(
        "aws-session-token",
        "ZXIvYXdz IQoJb3JpZ2lu",
        r"(?:F[wQ]oGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9/+]{40,}+={0,2}",
    ),
    _rule(
        "jwt",
        "eyJ",
        # Not within a word: else each start in a long run of them would read on to its end.
        r"eyJ(?:(?<![A-Za-z0-9_-]eyJ)|(?<=%[0-9A-F][0-9A-F]eyJ)|(?<=\\[nrt]eyJ)|(?<=[0-9]meyJ))"
        r"[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]{2,}+){1,4}+",
    ),
    _rule(
        "service-token",
        "dop_v1_ doo_v1_ shpat_ shpss_ dckr_pat_ dckr_oat_ hvs. hvb. sntrys_ sntryu_ PMAK- figd_"
        " glsa_ ATATT3 ATCTT3 NRAK- gsk_ xai- pplx- r8_ sbp_ tskey- pscale_ ntn_ dapi rubygems_",
        r"(?:do[opr]_v1_|shp(?:at|ss)_|dckr_[po]at_|hv[sb]\.|sntry[su]_|PMAK-|figd_"
        r"|glsa_|AT[AC]TT3|NRAK-|gsk_|xai-|pplx-|r8_|sbp_|tskey-|pscale_[a-z]+_|ntn_|dapi"
        r"|rubygems_)[A-Za-z0-9_=-]{24,}+",
        _no_words,
    ),
    _rule("private-key", "-----BEGIN", _PEM, _anything, inside=True),
    # Numbers of its own bot, a colon, 35 characters; and this server's own keys.
    _rule("telegram-token", ":", rf":(?<=[0-9]{{8}}:){_BOT}", is_mixed, inside=True),
    _rule("telegram-token", "%3A", rf"%3A(?<=[0-9]{{8}}%3A){_BOT}", is_mixed, inside=True),
    _rule(
        "evox-key",
        ".",
        r"\.(?<=[A-Za-z0-9]{8}\.)([A-Za-z0-9]{32})(?![A-Za-z0-9_])",
        is_mixed,
        inside=True,
    ),
)

_PEM_TAIL = re.compile(_PEM_END)
_OWN = re.compile(r"(?:[:.]|%3A)[A-Za-z0-9_-]{32}")
_RUN = re.compile(r"[A-Za-z0-9/+=]+")
_ONLY_BREAKS = re.compile(rf"{_BREAK}{{0,8}}+")
_TWILIO_ACCOUNT = re.compile(r"AC[0-9a-f]{32}(?![A-Za-z0-9])")
_TWILIO_SECRET = re.compile(r"(?<![A-Za-z0-9])[0-9a-f]{32}(?![A-Za-z0-9])")
_AWS_KEY = re.compile(r"A[KS]IA[A-Z0-9*.…]{3}")
_AWS_SECRET = re.compile(r"[A-Za-z0-9/+]{40,}+(?![A-Za-z0-9=])")


_LONG = re.compile(r"[A-Za-z0-9_.-]{16,}+")
_HINT = re.compile(
    "|".join(
        re.escape(hint) + ("[0-9a-f]{8}" if hint in {"SK", "AC"} else "")
        for rule in TOKEN_RULES
        for hint in rule.hints
        if re.fullmatch(r"[A-Za-z0-9_.-]{2,}", hint) and not hint.startswith("-")
    )
)


def may_hold_token(text: str) -> bool:
    """Whether a rule is worth trying, told in a fraction of the time that the rules take.

    But for addresses and markers, each shape shows its hint within a run of 16 characters.
    """
    if "-----" in text or "1//" in text or "1%2F%2F" in text or "AKIA" in text or "ASIA" in text:
        return True
    runs = " ".join(_LONG.findall(text))
    if not _DIGIT.search(runs):
        return ".com" in text and ("hooks.slack" in text or "office.com" in text)
    return (
        _HINT.search(runs) is not None
        or _OWN.search(text) is not None
        or "hooks.slack" in text
        or "office.com" in text
        or ("discord" in text and "webhooks" in text)
    )


def mask_tokens(text: str) -> str:
    """`text` with each known shape replaced by its kind."""
    if "-----END" in text:
        text = _without_headless_pem(text)
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


def _without_headless_pem(text: str) -> str:
    """`text` without the base64 before an end marker whose beginning was cut off."""
    pieces, done, seen = [], 0, 0
    for end in _PEM_TAIL.finditer(text):
        start = _start_of_base64(text, seen, end.start())
        seen = end.end()
        if start is not None:
            pieces += [text[done:start], "[private-key]"]
            done = seen
    return "".join(pieces) + text[done:]


def _start_of_base64(text: str, first: int, end: int) -> int | None:
    start, length, after = None, 0, end
    for run in reversed(list(_RUN.finditer(text, max(first, end - 8000), end))):
        if not _ONLY_BREAKS.fullmatch(text, run.end(), after):
            break
        if len(run[0]) < 16 and after != end:
            break
        start, after, length = run.start(), run.start(), length + len(run[0])
    return start if length >= 16 else None
