"""Replace the values in one line of an error message by placeholders."""

import re

# Words of programming languages: in quotes they are part of the message, never a user's name.
_KEYWORDS = frozenset(
    """
    and any as assert async await bool break byte bytes case catch char class const continue def
    default del delete do double elif else enum except export extends false finally float fn for
    from func function global go goto if impl implements import in instanceof int interface is
    lambda let long loop match mod module mut namespace never new nonlocal not null nil None number
    object or package pass private protected pub public raise return self short static str string
    struct super switch this throw throws trait true True False try type typeof undefined union
    unknown unsafe use using var void where while with yield
    """.split()
)

_QUOTED = re.compile(
    r"`` ?([^\n]{0,200}?) ?``(?!`)"
    r"|`([^`\n]{0,300})`"
    r"|\"((?:[^\"\\\n]|\\.){0,300})\""
    r"|(?<![A-Za-z0-9])[bru]?'((?:[^'\\\n]|\\.){0,300})'(?![A-Za-z])"
    r"|[“‘«]([^”’»\n]{0,300})[”’»]",
)
_CALL = re.compile(r"[.@#\w$]{1,60}\(\)")


def _quoted(match: re.Match[str]) -> str:
    inner = match[match.lastindex or 0]
    if inner in _KEYWORDS or _CALL.fullmatch(inner):
        return inner
    return "<str>"


_TAIL = re.compile(r"[.;,?:]? (?:did you mean|perhaps you meant|maybe)\b.*", re.IGNORECASE)
_ANGLE = re.compile(r"<(?!(?:str|n|path|id|url|obj|email)>)[A-Za-z_][^<>\n]{0,200}(?:<[^<>\n]{0,100}>[^<>\n]{0,100}){0,4}>")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s<>\"')\]]{1,500}", re.IGNORECASE)
_EMAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,5}")
_PATH = re.compile(
    r"(?<![\w<])(?:[A-Za-z]:(?=[\\/])|~|\.{1,2}(?=[\\/]))?(?:[\\/][\w.@+~%$#:-]{1,120}){1,40}[\\/]?"
    r"|\b(?:[\w.@+~-]{1,80}/){2,40}[\w.@+~-]{0,120}"
    r"|\b[\w.@+~-]{0,80}[\w@+~-]/[\w.@+~-]{0,80}\.[A-Za-z]\w{0,5}\b"
)
_ID = re.compile(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    r"|\b0[xX][0-9a-fA-F]{1,64}\b"
    r"|\b(?=[0-9a-f]{0,64}[0-9])[0-9a-f]{7,128}\b"
)
_VALUE = re.compile(r"(?<=[\w\])])(=)(?!=)[^\s,;)\]}>=]{1,200}")
_NUMBERED = re.compile(r"(?<![<\w])[-+]?[\w.:$-]{0,120}\d[\w.:$%-]{0,120}")
_NAME = re.compile(
    r"\b[A-Za-z$]\w{0,60}(?:\.\w{1,60}){2,20}\b(?:\(\))?"
    r"|\b[a-z]\w{0,60}\.[A-Za-z_]\w{0,60}\b(?:\(\))?"
    r"|\b_{0,2}[a-z][a-z0-9]{0,40}(?:_[a-z0-9]{1,40}){1,12}_{0,2}\b(?:\(\))?"
)
_RUN = re.compile(r"<(?:str|n|path|id|url|obj|email)>(?:[\s,:;/|&.+*=()\[\]{}#@%~^!<>?-]{0,6}(?:(?:and|or|to|x|in)[ ])?<(?:str|n|path|id|url|obj|email)>){1,60}")
_BRACKETS = re.compile(r"\[[^\[\]\n]{0,300}\]|\{[^{}\n]{0,300}\}")


def mask(line: str) -> str:
    """`line` with every value replaced by a placeholder such as ``<n>`` or ``<path>``."""
    line = _TAIL.sub("", line)
    line = _QUOTED.sub(_quoted, line)
    line = _ANGLE.sub("<obj>", line)
    line = _URL.sub("<url>", line)
    line = _EMAIL.sub("<email>", line)
    line = _VALUE.sub("=<str>", line)
    line = _PATH.sub("<path>", line)
    line = _ID.sub("<id>", line)
    line = _NUMBERED.sub("<n>", line)
    return line
