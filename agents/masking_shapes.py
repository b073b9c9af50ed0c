"""The shapes that vendors give their secrets: what starts each, and what tells it from words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agents.masking_values import is_mixed

Judge = Callable[[str], bool]

_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_RUN = re.compile(r"[A-Za-z0-9]+")
_DIGIT = re.compile(r"[0-9]")
_VOWEL = re.compile(r"[aeiouAEIOU]")
_UPPER = re.compile(r"[A-Z]")


def varied(text: str) -> bool:
    """Whether it is none of the stand-ins of documentation: one letter over and over."""
    return len(set(text)) > 6


def _issued(text: str) -> bool:
    """Whether it is neither one letter over and over nor words, as stand-ins are."""
    if not varied(text):
        return False
    return _DIGIT.search(text) is not None or _drawn(max(_RUN.findall(text), key=len))


def _drawn(letters: str) -> bool:
    """Whether mere letters were drawn by chance: few vowels, short pieces, or one too long.

    Of letters drawn a fifth are vowels, and pieces have 2.7 on average; in names of code more than
    a third are, and pieces have 5 to 8.
    """
    pieces = _PIECE.findall(letters)
    if not varied(letters):
        return False
    few_vowels = 4 * len(_VOWEL.findall(letters)) < len(letters)
    return few_vowels or 2 * len(letters) < 9 * len(pieces) or max(map(len, pieces)) > 20


def _no_words(text: str) -> bool:
    # `sk-` and `pypi-` also start names of style classes and packages.
    if not varied(text) or not _DIGIT.search(text):
        return False
    return bool(_UPPER.search(text)) or max(map(len, text.split("-"))) >= 24


def _placed(text: str) -> bool:
    # Where it stands says what it is.
    return text != ""


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


_SLASH = r"(?:\\{0,4}/|%2[Ff])"
_BOT = r"([A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])"

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
        r"((?:[A-Za-z0-9/_-]|\\{1,4}/|%2[Ff]){16,}+)",
        inside=True,
    ),
    # An address without its host, as clients log it.
    _rule(
        "slack-webhook",
        "/services/T /workflows/T /triggers/T",
        r"/(?:services|workflows|triggers)/"
        r"(T[A-Z0-9]{6,12}+/[A-Z0-9]{6,16}+/(?:[0-9]{10,22}+/)?[A-Za-z0-9]{20,}+)",
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
        "discord-webhook",
        "api/webhooks/ api/v",
        r"api/(?:v[0-9]{1,2}/)?webhooks/([0-9]{15,22}+/[A-Za-z0-9_-]{50,}+)",
        inside=True,
    ),
    _rule(
        "webhook",
        "webhookb2 office.com office365.com",
        rf"(?:webhookb2|office(?:365)?\.com{_SLASH}webhook){_SLASH}"
        r"((?:[A-Za-z0-9@/_-]|\\{1,4}/|%2[Ff]|%40){40,}+)",
        inside=True,
    ),
    _rule(
        "webhook",
        "/hooks/catch/ /v2/hook/ /webhook/send?key= /with/key/ .make.com/ .integromat.com/",
        r"(?:/hooks/catch/[0-9]+/|/bot/v2/hook/|/webhook/send\?key=|/with/key/"
        r"|hook\.(?:[a-z0-9]+\.)?(?:make|integromat)\.com/)([A-Za-z0-9_-]{6,}+)",
        _placed,
        inside=True,
    ),
    _rule("stripe-key", "k_live_ k_test_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}+"),
    _rule("stripe-key", "_secret_", r"(?:pi|seti|src)_[A-Za-z0-9]{14,}+_secret_[A-Za-z0-9]{16,}+"),
    _rule("stripe-key", "whsec_", r"whsec_[A-Za-z0-9/+]{20,}+={0,2}"),
    _rule("anthropic-key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{20,}+", _no_words),
    _rule("openai-key", "sk-", r"sk-[A-Za-z0-9_-]{20,}+", _no_words),
    _rule("google-api-key", "AIza", r"AIza[A-Za-z0-9_-]{30,}+"),
    _rule("google-api-key", "AQ.Ab", r"AQ\.Ab[A-Za-z0-9_-]{30,}+"),
    _rule("google-oauth", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}+"),
    _rule(
        "google-oauth",
        "ya29.",
        r"ya29\.(?:[a-z]\.)?[A-Za-z0-9_-]{20,}+(?:\.[A-Za-z0-9_-]{10,}+)*+",
    ),
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
    _rule("aws-bedrock-key", "ABSK", r"ABSK[A-Za-z0-9+/]{80,}+={0,2}"),
    _rule(
        "aws-session-token",
        "ZXIvYXdz IQoJb3JpZ2lu",
        r"(?:F[wQ]oGZXIvYXdz|IQoJb3JpZ2lu)(?:[A-Za-z0-9/+]|%2[BbFf]){40,}+={0,2}",
    ),
    _rule(
        "jwt",
        "eyJ",
        # Not within a word: else each start in a long run of them would read on to its end.
        r"eyJ(?:(?<![A-Za-z0-9_-]eyJ)|(?<=%[0-9A-Fa-f][0-9A-Fa-f]eyJ)|(?<=\\[nrt]eyJ)"
        r"|(?<=\\u00[0-9a-f][0-9a-f]eyJ)|(?<=[0-9]meyJ))"
        r"[A-Za-z0-9_-]{8,}+(?:\.{1,2}[A-Za-z0-9_-]{2,}+){1,4}+",
    ),
    _rule(
        "service-token",
        "dop_v1_ doo_v1_ shpat_ shpss_ shpca_ shppa_ dckr_pat_ dckr_oat_ hvs. hvb. sntrys_ sntryu_"
        " PMAK- figd_ lsv2_ tvly- nvapi- AGE-SECRET-KEY-1 sgp_ glc_eyJ glsa_ ATATT3 ATCTT3 NRAK-"
        " gsk_ xai- pplx- r8_ sbp_ tskey- pscale_ ntn_ dapi rubygems_",
        r"(?:do[opr]_v1_|shp(?:at|ss|ca|pa)_|dckr_[po]at_|hv[sb]\.|sntry[su]_|PMAK-|figd_"
        r"|lsv2_[ps][tk]_|tvly-|nvapi-|AGE-SECRET-KEY-1|sgp_|glc_eyJ|glsa_|AT[AC]TT3|NRAK-|gsk_|xai-|pplx-|r8_|sbp_|tskey-|pscale_[a-z]+_|ntn_|dapi"
        r"|rubygems_)[A-Za-z0-9_=-]{24,}+",
        _no_words,
    ),
    _rule(
        "private-key",
        "Private-Lines:",
        r"Private-Lines: [0-9]{1,3}"
        r"((?:(?:\s|\\[rn]){1,4}+[A-Za-z0-9+/]{16,64}+={0,2}(?![:\w-]))++"
        r"(?:(?:\s|\\[rn]){1,4}+[A-Za-z0-9+/]{1,15}+(?:={1,2}|(?=\s{0,4}Private-MAC)))?)",
        inside=True,
    ),
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
