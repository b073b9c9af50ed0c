"""Replace the values in one line of an error message by placeholders."""

import re

PLACEHOLDER = r"<(?:str|n|path|id|url|email|obj|date|name)>"

# Reserved words and literals of programming languages. In quotes they belong to the message: a
# reserved word can't be somebody's identifier.
_RESERVED = frozenset(
    """
    await async break case catch const continue def del delete elif else except export finally
    for function if import instanceof lambda let new null pass raise return super switch this
    throw try typeof undefined unsafe var while with yield
    """.split()
)
_VERBS = ("GET ", "POST ", "PUT ", "PATCH ", "DELETE ", "HEAD ", "OPTIONS ")

_QUOTED = re.compile(
    r"``([^\n]{0,200}?)``(?!`)"
    r"|`([^`\n]{0,300})`"
    r"|(?<![A-Za-z0-9])[bru]{0,2}\"((?:[^\"\\\n]|\\.){0,300})\""
    r"|(?<![A-Za-z0-9])[bru]{0,2}'((?:[^'\\\n]|\\.){0,300})'(?![A-Za-z])"
    r"|[“‘«]([^”’»\n]{0,300})[”’»]",
)
# An API the author of the message wrote out: `open()`, `Array#map()`, `.some(…)`.
_API = re.compile(r"(?:[\w.@#]{1,60}\(\)|[^\s…]{0,40}…[^\s…]{0,20})")

_HEX = r"[0-9A-Fa-f]"
_STRUCTURED = re.compile(
    # <url>
    r"(?P<url>\b[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s<>\"')\]]{1,500})"
    # <email>
    r"|(?P<email>\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,5})"
    # <obj>: a Python or Java representation
    r"|(?P<obj><(?!(?:str|n|path|id|url|email|obj|date)>)[A-Za-z_]"
    r"[^<>\n]{0,200}(?:<[^<>\n]{0,100}>[^<>\n]{0,100}){0,4}>)"
    # <id>: uuid, 0x…, MAC and IPv6 addresses
    rf"|(?P<id>\b{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}\b|\b0[xX]{_HEX}{{1,64}}\b"
    rf"|(?<![\w:.])(?=[:\w]{{0,5}}:)(?:{_HEX}{{0,4}}:){{2,12}}{_HEX}{{0,4}}(?:%\w{{1,16}})?(?![\w:]))"
    r"|(?P<date>\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\d{1,2} )?"
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b)"
    # <name>: a host or class with two dots or more, or with a port
    r"|(?P<path>(?<![\w<.])(?:[A-Za-z]:(?=[\\/])|~|\.{1,2}(?=[\\/]))?"
    r"(?:[\\/]{1,3}[\w.@+~%$#:-]{1,120}){1,40}[\\/]{0,3}"
    r"|\b(?:[\w.@+~-]{1,80}/){2,40}[\w.@+~-]{0,120}"
    r"|\b[\w.@+~-]{1,80}/[\w.@+~-]{0,80}\.[A-Za-z]\w{0,5}\b)"
    r"|(?P<name>\b[A-Za-z][\w-]{0,60}(?:\.[\w$-]{1,60}){1,20}(?::\d{1,5}\b|(?<=\.)(?!.))"
    r"|\b[A-Za-z][\w-]{0,60}(?:\.(?:<locals>|[\w$-]{1,60})){2,20})"
    r"|(?P<kv>(?<=[\w\])])=(?![=\s])[^\s,;)\]}>]{1,200})"
)
_NUMBER = re.compile(
    r"(?<![<\w])(?:[-+])?[\w.$-]{0,120}?\d[\w.:$%+-]{0,120}"
    rf"|\b{_HEX}{{7,128}}\b(?<![A-Za-z]{{7}})"
)
_FLAG = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]{0,40}")
_CODE_NAME = re.compile(
    r"\b[A-Za-z_]\w{0,60}(?:\.\w{1,60}){0,8}\(\)"
    r"|\b[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){1,8}\b"
    r"|\b_{0,2}[A-Za-z][A-Za-z0-9]{0,40}(?:_[A-Za-z0-9]{1,40}){1,12}_{0,2}\b"
    r"|\b__?[A-Za-z]\w{0,60}\b"
    r"|\b[a-z]{1,40}[A-Z]\w{0,60}\b|\b[A-Z][a-z0-9]{1,40}[A-Z]\w{0,60}\b"
)
_NAMED = re.compile(r"\b((?:named|called|user|username) )(?!unknown\b|not\b|is\b|was\b|by\b|<)[\w.-]{1,80}")
_TAIL = re.compile(r"[.;,?:]? ?\(?(?:did you mean|perhaps you meant|maybe) .*", re.IGNORECASE)
_GOT = re.compile(r"((?:\b(?:got|found|received)|, not|\w \w{2,40}:)(?: instance of)?:?) [^\s<]{1,120}$")


def _quoted(match: re.Match[str]) -> str:
    inner = match[match.lastindex or 0]
    if inner in _RESERVED or _API.fullmatch(inner):
        return inner
    if inner.startswith(_VERBS):
        return inner.split(" ", 1)[0] + " <path>"
    return "<str>"


def _structured(match: re.Match[str]) -> str:
    kind = match.lastgroup
    return "=<str>" if kind == "kv" else f"<{kind}>"


def mask(line: str, *, names: bool) -> str:
    """`line` with every value replaced by a placeholder such as ``<n>`` or ``<path>``.

    With `names`, bare identifiers are values too (an exception's text names functions, fields and
    modules without quotes; in a log line such a word is the event).
    """
    line = _TAIL.sub("", line)
    line = _QUOTED.sub(_quoted, line)
    line = _STRUCTURED.sub(_structured, line)
    if names:
        line = _CODE_NAME.sub("<name>", line)
        line = _FLAG.sub("<name>", line)
    line = line.replace("...", " ") if "..." in line else line
    line = _NUMBER.sub("<n>", line)
    line = _NAMED.sub(r"\1<name>", line)
    return _GOT.sub(r"\1 <str>", line)
