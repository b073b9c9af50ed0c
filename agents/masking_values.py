"""Whether what stands beside a secret's name is a secret, or prose, code or a stand-in."""

from __future__ import annotations

import re
from enum import Enum


class Style(Enum):
    """How a value stands beside its name, which says how likely it is the value itself."""

    QUOTED = "quoted"
    VARIABLE = "variable"  # NAME=value
    TIGHT = "tight"  # name=value
    SPACED = "spaced"  # name = value
    COLON = "colon"  # name: value
    WORD = "word"  # the name is value; --name value


# Types, and what prose and code say beside such names.
_STOP = frozenset(
    """
    string str int integer number float bool boolean bytes byte text char varchar object any unknown
    none null nil undefined true false void never optional required missing invalid incorrect wrong
    empty blank expired revoked denied unset unavailable unauthorized forbidden redacted hidden
    masked filtered removed omitted secret secrets password passwd passwords passphrase pwd pass
    token tokens credentials credential apikey key keys default changed mismatch rejected failed
    failure error errors exception found valid verified ok yes no not is was the a an and or of for
    to in on at by be must should cannot can if when with without from this that your you please
    enter provided given used using value values input data await new old user username args params
    request req response res self cls config settings options option body form ctx props state
    random generate generated env environ environment inherit interactive prompt stdin readonly
    write read admin_password type types field fields header headers auth bearer basic login logout
    reset change update delete create set get post put check test tests example placeholder sample
    dummy fake mock stub todo tbd n/a na enabled disabled on off const let var func function class
    struct enum interface import export return yield async static public private protected final
    expected unexpected actual got received end eof newline indent dedent identifier ident literal
        option flag argument instead file path keyword operator punctuation symbol name id eol colon
    comma semicolon paren brace bracket
    """.split()  # noqa: SIM905 - a list a line would be longer than this module
)
_PROSE = frozenset(
    """
    is are was were be been must should can cannot may might will would has have had the a an this
    that these not no too at least most than your you please enter required missing invalid
    incorrect wrong for of to in on with without from by if when field expected does did do and or
    """.split()  # noqa: SIM905
)
_STAND_IN = re.compile(
    r"""\$(?:[A-Za-z_]\w*$|[{(]) | %\w+%$ | %\(?\w*\)?[sdr]$ | \{\{?|\#\{ | <[^>]*>?$ | &\w+$
    | :|--?[A-Za-z][a-z]*(?:-[a-z]+)*(?:[=:\s]|$) | \#[0-9a-fA-F]{3,8}$ | \[[\w .:-]*\]+$
    | \(\w* | @\w+@?$ | !\w+$ | ENC\[ | (?:id|type|src|env)=[\w./]*$
    | (?:required|nullable|sometimes|string|confirmed)\| # of a form's field
    | (?:xox[a-z]|sk(?:-[a-z]+)*|gh[a-z])[-_]your[-_]
    | (?:vault|op|ssm|arn|secret|awssm|gcpsm|file|https?|env|enc):
    | (?:[Yy]our|YOUR|[Ii]nsert|INSERT|[Rr]eplace|REPLACE|[Ee]nter|ENTER)[-_ ]?[A-Za-z_ -]*$
    | .*(?:\*{3}|•{2}|…|xxxx|XXXX|<[a-z_ -]+>|\.\.\.$|\$\{\{?|%[sdr](?![A-Za-z0-9])|\{\w*\})
    | [*xX.\-_?\#•0=~]+$""",
    re.VERBOSE,
)
_CHAIN = r"[A-Za-z_$][\w$]*(?:(?:\?\.|\.|::|->)[A-Za-z_$][\w$]*)*"
_CALL = re.compile(rf"{_CHAIN}!?[(\[]")
_DOTTED = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\?\.|\.|::|->)[A-Za-z_$][\w$]*)+\Z")
_WORDS = re.compile(r"_{0,2}[A-Za-z]+(?:[-_. ][A-Za-z]+)*_?\Z")
_NUMBERED = re.compile(r"[A-Za-z]+(?:[-_ ][A-Za-z]+)*[-_]?[0-9]{1,2}\Z")
_NUMBER = re.compile(r"[-+]?[0-9][0-9_,.:/TZ+-]*(?:ms|s|m|h|d|kb|mb|gb|%)?\Z", re.IGNORECASE)
_POINTER = re.compile(r"(?:0x[0-9a-fA-F]{1,16}|[A-Za-z][\w.$]*@(?=[0-9]*[a-f])[0-9a-f]{5,16})\Z")
_VERSION = re.compile(r"[v^~<>=]*[0-9]+\.[0-9]+[\w.+-]*\Z")
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:~|\.{1,2})?[/\\](?:[\w.@-]+[/\\])*[\w.@-]*(?::[0-9:]+)?\Z")
_FILE = re.compile(r"[\w@.-]+(?:/[\w@.-]+)*\.(?:[a-z]{1,4}|json|yaml|toml)(?::[\w:]+|)\Z")
_NAMES = re.compile(r"pass|pwd|secret|token|key|cred", re.IGNORECASE)
_DIGIT = re.compile("[0-9]")
_UPPER = re.compile("[A-Z]")
_LOWER = re.compile("[a-z]")
_ALNUM = re.compile("[A-Za-z0-9]")
_SIGNATURE = re.compile(r"(?:[A-Za-z0-9+/_-]|%[0-9A-Fa-f]{2})+={0,2}\Z")
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_VOWEL = re.compile("[aeiouAEIOU]")


def is_mixed(text: str) -> bool:
    """Whether it has capitals, small letters and digits, as chance makes and names seldom do."""
    return bool(_DIGIT.search(text) and _UPPER.search(text) and _LOWER.search(text))


def lower(text: str) -> str:
    """`text` in small letters, each at its place: this one capital alone becomes two characters."""
    return text.replace("İ", "i").lower()


_SURE = frozenset({Style.QUOTED, Style.TIGHT, Style.VARIABLE})
_PART = re.compile("[-_]")
_MADE_UP = re.compile(r"(?:fake|dummy|example|sample|placeholder|change|not|some|todo|a|the)[-_]")
_OF_CODE = frozenset(
    {"token", "credential", "data-key", "session-key", "storage-key", "app-key", "server-key"}
    | {"client-key", "account-key", "service-key", "shared-key", "admin-key"}
)
"""Kinds of which code names the entries, too: storageKey: "my-app-theme"."""
_ENOUGH = 400
"""So many characters of a value are judged."""


def is_secret(value: str, kind: str, style: Style, *, last: bool) -> bool:
    """Whether `value` beside a name of `kind` is a secret; `last` if nothing follows on its line.

    People choose passwords, so even a mere word may be one; all else is drawn by chance.
    """
    if len(value) < 3 or not _ALNUM.search(value) or _is_stand_in(value):
        return False
    value = value[:_ENOUGH]
    if style is not Style.QUOTED and _is_code(value, kind):
        return False
    if " " in value or "\t" in value:
        return kind == "password" and not _is_prose(value)
    if _PATH.match(value) and not _is_random(value.replace("/", "")):
        return False
    if kind == "password":
        return _is_password(value, style, last=last)
    return _is_token(value, kind, style)


_NAME_IN_CAPITALS = re.compile(r"[A-Z]+(?:_[A-Z]+)+\Z")
_PASSWORDS_OF_NOBODY = frozenset(
    """
    password passwd pass pwd passphrase token your-password your_password
    user username redacted masked hidden filtered removed none null undefined
    """.split()  # noqa: SIM905
)


def is_password_in_url(value: str) -> bool:
    """Whether what stands in an address before the `@` is a password, and no stand-in for one."""
    if len(value) < 3 or not _ALNUM.search(value) or _STAND_IN.match(value):
        return False
    if value.lower() in _PASSWORDS_OF_NOBODY or _NAME_IN_CAPITALS.match(value):
        return False
    return len(value) > 3 if value.isdigit() else not _VERSION.match(value)


def _is_code(value: str, kind: str) -> bool:
    if _CALL.match(value):
        return True
    if kind == "password" and _DIGIT.search(value):
        return False
    return bool(_DOTTED.match(value)) and not _is_random(value.replace(".", ""))


def _is_stand_in(value: str) -> bool:
    if value.lower().strip(".:;,!?*\"'`()") in _STOP:
        return True
    return bool(_STAND_IN.match(value) or _POINTER.match(value))


def _is_prose(value: str) -> bool:
    words = value.lower().split()
    return len(words) > 12 or any(word.strip(".,;:!?'\"") in _PROSE for word in words)


def _is_password(value: str, style: Style, *, last: bool) -> bool:
    if _WORDS.match(value):
        return _is_word_for_password(value, style, last=last)
    if _NUMBER.match(value) or _VERSION.match(value):
        sure = style in _SURE or (style is Style.COLON and last and len(value) > 5)
        return sure and value.isdigit() and len(value) > 3
    if style is Style.WORD:
        return bool(_DIGIT.search(value)) and not value[0].isdigit()
    return True


def _is_word_for_password(value: str, style: Style, *, last: bool) -> bool:
    if style is not Style.WORD and len(value) > 9 and value.isalpha() and _is_scrambled(value):
        return True
    plain = not _NAMES.search(value) or _is_coined(value) or _is_phrase(value, style)
    if style is Style.QUOTED:
        return plain
    if style is Style.VARIABLE:
        return plain or value.isalpha()
    if "_" in value or style is Style.WORD or not plain:
        return False
    return style is Style.TIGHT or (last and value.islower() and len(value) > 4)


def _is_phrase(value: str, style: Style) -> bool:
    """Whether it is three words or more that people joined to a secret, my-super-secret-key.

    Three with underscores are also what code calls a variable, but not beside a NAME in capitals.
    """
    if style not in _SURE or _MADE_UP.match(value.lower()):
        return False
    if style is Style.VARIABLE:
        return len(_PART.findall(value)) > 1
    return value.count("-") > 1 and "." not in value


def _is_coined(value: str) -> bool:
    """Whether it is a word that people make of such names, such as supersecret."""
    return value.isalpha() and value.islower() and len(value) > 7


def _is_token(value: str, kind: str, style: Style) -> bool:
    phrase = _is_phrase(value, style) and (style is Style.VARIABLE or kind not in _OF_CODE)
    if _WORDS.match(value):
        sure = style in _SURE and kind == "secret" and value.islower()
        plain = not _NAMES.search(value) or _is_coined(value)
        plain = plain and "_" not in value and "." not in value
        return (sure and plain and len(value) > 5) or phrase or _is_drawn(value, style)
    if _NUMBERED.match(value):
        sure = style in _SURE and kind == "secret"
        return (sure and len(value) > 5 and "_" not in value) or phrase or _is_drawn(value, style)
    if _NUMBER.match(value) or _VERSION.match(value) or _FILE.match(value):
        return len(value) > 15 and value.isdigit()
    if len(value) < 6 or len(_ALNUM.findall(value[:12])) < 4:
        return False
    return bool(_DIGIT.search(value)) or kind == "secret" or _is_random(value)


def _is_random(value: str) -> bool:
    """Whether it looks drawn by chance: short pieces of one case, many digits, or few vowels."""
    if len(value) < 16:
        return False
    pieces = _PIECE.findall(value)
    letters = sum(map(len, pieces))
    if letters < 3 * len(pieces) or len(_DIGIT.findall(value)) * 10 > len(value):
        return True
    return len(_VOWEL.findall(value)) * 5 < letters


def _is_drawn(value: str, style: Style) -> bool:
    if _is_random(value):
        return True
    return style in _SURE and len(value) > 9 and _is_scrambled(value)


def _is_scrambled(value: str) -> bool:
    return 2 * len(value) <= 5 * len(_PIECE.findall(value))


def is_signature(value: str) -> bool:
    """Whether it is what signing makes: long, of one alphabet, drawn by chance."""
    return len(value) > 15 and _SIGNATURE.match(value) is not None and _is_random(value)


def is_name(value: str) -> bool:
    """Whether it may be a name of such a thing itself, or a mere word."""
    return _WORDS.match(value) is not None or _NAMES.search(value) is not None


def looks_random(value: str) -> bool:
    """Whether it is long, and no word, number, path or name of code."""
    if len(value) < 8 or _STAND_IN.match(value) or _NUMBER.match(value) or _PATH.match(value):
        return False
    if _WORDS.match(value) or _NUMBERED.match(value):
        return _is_random(value)
    return bool(_DIGIT.search(value)) and not (_VERSION.match(value) or _FILE.match(value))
