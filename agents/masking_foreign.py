"""Secrets known by a name in another language than English: `пароль: …`, `密码: …`."""

from __future__ import annotations

import re

from agents.masking_values import Style, is_secret, looks_random, lower

_PASSWORDS = (
    "парол[ьяеи]|паролем|密码|密碼|口令|contraseña|mot de passe|パスワード|비밀번호|암호|senha"
    "|şifre|kennwort|סיסמה"
)
_TOKENS = (
    "токена?|令牌|トークン|토큰|密钥|密鑰|秘钥|секрет|секретный ключ|ключ api|clé api|clé secrète"
    "|clé d'api|ключ"
)
_STEMS = (
    *("парол", "密", "口令", "contrase", "de passe", "パスワ", "비밀", "암호", "senha", "şifre"),
    *("kennwort", "סיסמ", "токен", "令牌", "トーク", "토큰", "秘钥", "секрет", "ключ", "clé "),
)
"""Of which a text holds one, if any name; looking for them takes a tenth of the time."""
_NAMED = re.compile(
    rf"(?:(?P<password>{_PASSWORDS})|{_TOKENS})(?:\ [^\W\d_a-z]{{1,20}}){{0,3}}"
    r"\\{0,3}[\"'»」”]?\s{0,3}(?::=|=>|[:\uff1a=])\s{0,3}\\{0,3}[\"'`«「„“]?"
    r"(?P<value>[!#$%&(*+./0-9@A-Z^_a-z{~-][!-\[\]-~]{3,199}+)"
)
_CLOSING = "\"'`,;.)}]>"


def may_hold_foreign(shadow: str) -> bool:
    """Whether such a name stands in `shadow`, a text in small letters, with something after it."""
    return any(stem in shadow for stem in _STEMS) and _NAMED.search(shadow) is not None


def mask_foreign(text: str) -> str:
    """`text` with the values beside such names replaced, where they are Latin letters and digits.

    A mere word may be the next one of a sentence, so a value has a digit or a sign.
    """
    if text.isascii() and "passe" not in text:
        return text
    shadow = lower(text)
    if not any(stem in shadow for stem in _STEMS):
        return text
    pieces, done = [], 0
    for match in _NAMED.finditer(shadow):
        start, end = match.span("value")
        while end > start and text[end - 1] in _CLOSING:
            end -= 1
        value = text[start:end]
        if value.startswith("[") or not _is_likely(value, password=match["password"] is not None):
            continue
        pieces += [text[done:start], "[password]" if match["password"] else "[token]"]
        done = end
    return "".join(pieces) + text[done:] if pieces else text


def _is_likely(value: str, *, password: bool) -> bool:
    if value.isalpha():
        return False
    if password:
        return is_secret(value, "password", Style.COLON, last=True)
    return len(value) > 11 and looks_random(value)
