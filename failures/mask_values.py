"""Replace the values in one line of an error message by placeholders."""

import re
from collections.abc import Callable
from enum import Enum

from failures.shapes import mask_shapes


class Boldness(Enum):
    """How much of a line is taken for values."""

    LOG = "log"
    """A bare identifier is the event itself: keep it."""
    BUILD = "build"
    """A compiler or linter quotes names; what it leaves unquoted is in few known places."""
    EXCEPTION = "exception"
    """An exception's text names functions, fields and modules without quotes: mask identifiers."""
    CODED = "coded"
    """The tool's own code says what happened: mask all that could be a value."""


PLACEHOLDER = r"<(?:str|n|path|id|url|email|obj|date|name)>"

# Reserved words of programming languages: in quotes they belong to the message, since they can't
# be somebody's identifier.
_RESERVED = frozenset(
    "await async break case catch const continue elif else except export finally for function if"  # noqa: SIM905 - reads better
    " import instanceof lambda let new null raise return super switch this throw try typeof"
    " undefined unsafe var while with yield".split(" ")
)
_VERBS = ("GET ", "POST ", "PUT ", "PATCH ", "DELETE ", "HEAD ", "OPTIONS ")

_QUOTED = re.compile(
    r"``([^\n]{0,200}?)``(?!`)"
    r"|`([^`\n]{0,300})[`']"
    r"|(?<![A-Za-z0-9])[bru]{0,2}\"((?:[^\"\\\n]|\\.|\"(?=\w)){0,300})\"(?!\w)"
    r"|(?<![A-Za-z0-9])[bru]{0,2}'((?:[^'\\\n]|\\.|'(?=\w)){0,300})'(?!\w)"
    "|[\u201c\u2018\u00ab]([^\u201d\u2019\u00bb\\n]{0,300})[\u201d\u2019\u00bb]",
)
# A text in quotes at the end may hold more quotes.
_LAST_QUOTED = re.compile(r"(\b(?:found|got|received):?) ([\"']).{0,700}\2$")
# An API the author of the message wrote out: `open()`, `Array#map()`, `.some(…)`.
_API = re.compile(
    r"(?:[.@]?[\w#.]{1,60}(?:::\w{1,60}){0,3}\((?:\.\.|…|<\w{1,3}>)?\)){1,5}"
    r"|[\w.#@(\[]{0,40}…[\w.)\] -]{0,20}"
)

_HEX = r"[0-9A-Fa-f]"
# The number of an HTTP answer or of a process's end isn't a value, it is the mistake.
_KEPT_NUMBER = re.compile(
    r"\b(?:status code|HTTP(?:/\d\.\d)?(?: error)?|exit (?:code|status)"
    r"|exited with(?: code| status)?)[ :=]{1,2}\d{1,3}\b|^\d{3}(?= (?:Client|Server) Error)",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
# What is kept stands in private-use characters while the rest is masked.
_KEPT = "0123456789._/:=<>@#-$"
_HIDE = {ord(char): 0xE000 + index for index, char in enumerate(_KEPT)}
_SHOW = {0xE000 + index: ord(char) for index, char in enumerate(_KEPT)}
_NUMBER = re.compile(
    r"(?<!\w)[-+]?[\w.$-]{0,120}?\d[\w.:$%+-]{0,120}"
    rf"|\b(?=[a-f]{{0,60}}[0-9]){_HEX}{{7,128}}\b"
)
# The text of a call or of an object: `frozenset({1, 2})`; not the plural in `argument(s)`.
_CALL = re.compile(
    r"\b[A-Za-z_][\w.]{1,60}\((?!e?s\))[^()\n]{0,200}(?:\([^()\n]{0,200}\)[^()\n]{0,100}){0,4}\)"
)
# A value that doesn't end on its line.
_OPEN_END = re.compile(r"(?:(?<=:) |(?<=\w) ?)[\[({](?! )[^\])}]{0,800}$")
_FLAG = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]{0,40}")
_CODE_NAME = re.compile(
    r"\b[A-Za-z_]\w{0,60}(?:\.\w{1,60}){0,8}\(\)"
    r"|\b[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){1,8}\b"
    r"|\b_{0,2}[A-Za-z][A-Za-z0-9]{0,40}(?:_[A-Za-z0-9]{1,40}){1,12}_{0,2}\b"
    r"|\b__?[A-Za-z]\w{0,60}\b"
    r"|\b[a-z]{1,40}[A-Z]\w{0,60}\b|\b[A-Z][A-Za-z0-9]{0,40}(?:[a-z0-9][A-Z]|[A-Z]{2})\w{0,60}\b"
)
_LETTER = re.compile(r"(?<![\w'<])[b-zB-Z](?![\w'>])")
# The type that something turned out to be, at the end of a clause.
_TYPE = re.compile(r"(\b(?:of type|got|found)|, not) [A-Za-z]\w{0,60}(?=[.,;)]?$|[.,;)] )")
_LITERAL = re.compile(r"\b(?:None|True|False|nan|inf)\b|\[\]|\{\}|\(\)")
# A name of the form __this__ belongs to the language.
_BUILD_NAME = re.compile(
    r"\b(?!__)(?:[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){1,8}"
    r"|_?[A-Za-z][A-Za-z0-9]{0,40}(?:_[A-Za-z0-9]{1,40}){1,12}_{0,2}|_[A-Za-z]\w{0,60}|[A-Z]{2}[A-Z0-9]{0,40})\b"
)
# `==` at the end of a sentence or in brackets.
_OPERATOR = re.compile(r"(?<=[ (])[=<>!+*/%&|^~-]{1,4}(?=[).,;]|$)")
_NAMED = re.compile(
    r"\b((?:named|called|user|username|for(?= [\w.-]{1,80} from <)) )"
    r"(?!(?:unknown|not|is|was|by|with|from|on|at|in|to|for|as|before|after|when|twice|imports?"
    r"|exports?)\b|<)[\w.-]{1,80}"
    r"|(?<![\w.-])[\w.-]{1,60}(?=: (?:command )?not found\b)"
)
_BEFORE_NAME = ("named ", "called ", "user ", "username ", " from <", "not found")
# A bare name after the noun that says what it is, and before what is said of it.
_KIND_OF = re.compile(
    r"\b((?:argument|attribute|class|column|field|function|key|member|method|module|option|package"
    r"|parameter|property|variable)s? )(?!(?:and|are|at|by|can|cannot|does|for|from|has|in|is|must"
    r"|not|of|on|or|should|that|to|was|which|with|without)\b)[A-Za-z_]\w{0,60}"
    r"(?=[.,:;]?$|[,;] | (?:and|are|at|can|cannot|does|for|from|has|in|is|must|not|overrides"
    r"|shadows|should|to|was|with|without)\b)"
)
# A program and the number of its process: `sshd[77]`.
_PROCESS = re.compile(r"(?<![\w.\]])[A-Za-z][\w.-]{0,60}\[\d{1,8}\](?![\w=])")
# What a server writes about by name: an identifier, but for its first word, which says who speaks,
# for one in capitals, which is a constant, and for the name in front of a value. With hyphens it is
# one only where a name must stand, since words have them, too.
_LOG_NAME = re.compile(
    r" (?<=[\w*>:,=)] )(?![A-Z0-9_]{1,60}\b)(?:[A-Za-z]\w{0,60}(?:[_.][A-Za-z0-9]\w{0,60}){1,8}"
    r"|[a-z]{1,40}[A-Z]\w{0,60}|[A-Z][a-z0-9]{1,40}[A-Z]\w{0,60}"
    r"|(?:(?<= for )|(?<= (?:of|on|to|at|by|in) ))[a-z0-9]{2,40}(?:-[a-z0-9]{2,40}){1,8})"
    r"(?=[.,;)]?(?: (?!=)|$))"
)
_SUBJECT = re.compile(r"^[\w$]{1,60}(?= is not (?:defined|iterable|a function|a constructor)\b)")
# A compiler gives a mistake that it has a suggestion for a number or a wording of its own.
_SUGGESTING = (Boldness.CODED, Boldness.EXCEPTION)
_GUESSING = ("did you mean", "perhaps you meant", "maybe ")
_TAIL = re.compile(r"[.;,?:]? ?\(?(?:did you mean|perhaps you meant|maybe) .*", re.IGNORECASE)
_LAST = re.compile(
    r"((?:\b(?:got|found|received|saw)|, not|\w \w{2,40}:)(?: instance of| type)?:?) [^\s<]{1,120}$"
)
_BEFORE_LAST = (":", "got", "found", "received", "saw", ", not", "instance of", "type")
_LAST_IN_BUILD = re.compile(
    r"(\b(?:import|module|from|named)|^\w{2,30}:) [\w.]{1,120}$"
    r"|(?<= )\((?:[\w.-]{1,60}(?:, (?=\w))?){1,9}\)$"
    r"|(?<= )\((?:[\w.<>-]{1,60} -> ){1,20}[\w.<>-]{1,60}\)$"
    r"|(?<= )\[ [^\s\[\]]{1,60} \]"
)


def _sub_quoted(replace: Callable[[str], str], line: str) -> str:
    """`line` with each quoted text replaced; one that holds code ends where its brackets close.

    Of code with the same quotes in it, the first eight are looked at.
    """
    if line.isascii() and not ('"' in line or "'" in line or "`" in line):
        return line
    parts: list[str] = []
    start = 0
    while match := _QUOTED.search(line, start):
        inner = match[match.lastindex or 0]
        end = match.end()
        quote = line[end - 1]
        if _opened(inner) > 0:
            closing = end - 1
            for _ in range(8):
                closing = line.find(quote, closing + 1, end + 300)
                if closing < 0:
                    break
                if _opened(line[match.start() : closing]) == 0:
                    inner, end = line[match.start() + 1 : closing], closing + 1
                    break
        typed = line.endswith(("type ", "Type "), start, match.start())
        parts += [line[start : match.start()], "<str>" if typed else replace(inner)]
        start = end
    return "".join([*parts, line[start:]])


def _opened(text: str) -> int:
    return (
        text.count("(")
        - text.count(")")
        + text.count("[")
        - text.count("]")
        + text.count("{")
        - text.count("}")
    )


def _quoted(inner: str) -> str:
    if inner in _RESERVED:
        return inner
    if _API.fullmatch(inner):
        return inner.translate(_HIDE)
    if inner.startswith(_VERBS):
        return inner.split(" ", 1)[0] + " <path>"
    return "<str>"


def _quoted_api(inner: str) -> str:
    return inner.translate(_HIDE) if _API.fullmatch(inner) else "<str>"


def _keep_number(match: re.Match[str]) -> str:
    return match[0].translate(_HIDE)


def _after_lead(match: re.Match[str]) -> str:
    return f"{match[1].rstrip()} <name>" if match[1] else "<name>"


def mask(line: str, boldness: Boldness) -> str:
    """Replace every value in `line` by a placeholder such as ``<n>`` or ``<path>``.

    `line` is one line of at most a few hundred characters, `boldness` what kind of text it is.
    No text raises. Quoted text goes first, since a value in quotes may look like anything; numbers
    go last, since they are part of paths, addresses and names.
    """
    if boldness in _SUGGESTING and any(said in line.lower() for said in _GUESSING):
        line = _TAIL.sub("", line)
    if boldness is Boldness.EXCEPTION:
        line = _LAST_QUOTED.sub(r"\1 <str>", line)
    line = _sub_quoted(_quoted_api if boldness is Boldness.CODED else _quoted, line)
    line = _mask_names(mask_shapes(line), boldness).replace("...", " ")
    if boldness is not Boldness.LOG and ("(" in line or "[" in line or "{" in line):
        line = _OPEN_END.sub(" <str>", line)
    line = _mask_numbers(line)
    if any(said in line for said in _BEFORE_NAME):
        line = _NAMED.sub(_after_lead, line)
    if line[: line.rfind(" ")].endswith(_BEFORE_LAST):
        line = _LAST.sub(_after_lead, line)
    return line if line.isascii() else line.translate(_SHOW)


def _mask_names(line: str, boldness: Boldness) -> str:
    match boldness:
        case Boldness.LOG:
            if "]" in line:
                line = _PROCESS.sub("<name>", line)
            return _LOG_NAME.sub(" <name>", line)
        case Boldness.BUILD:
            line = _OPERATOR.sub("<str>", line)
            line = _BUILD_NAME.sub("<name>", line)
            line = _LAST_IN_BUILD.sub(_after_lead, line)
        case Boldness.EXCEPTION:
            line = _SUBJECT.sub("<name>", line)
            line = _CALL.sub("<name>", line)
            line = _CODE_NAME.sub("<name>", line)
            line = _FLAG.sub("<name>", line)
            line = _LITERAL.sub("<str>", line)
            line = _LETTER.sub("<name>", line)
            line = _TYPE.sub(r"\1 <name>", line)
        case Boldness.CODED:
            return line
    return _KIND_OF.sub(_after_lead, line)


def _mask_numbers(line: str) -> str:
    if not _DIGIT.search(line):
        return line
    low = line.lower()
    if "http" in low or "exit" in low or "code" in low or low[:3].isdigit():
        line = _KEPT_NUMBER.sub(_keep_number, line)
    return _NUMBER.sub("<n>", line)
