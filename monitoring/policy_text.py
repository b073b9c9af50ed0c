"""Words of agents, made harmless for places that act on what they read. No Django here."""

from __future__ import annotations

import re
import unicodedata

from agents.policy import clip

LIMIT = 4_000
SEPARATOR = "\u200b"
"""A space of no width: it shows nothing, and parts what would be acted upon."""

# What a terminal takes for colours, titles and links (ECMA-48 control sequences and strings).
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]"
)
_LINE_END = re.compile("\r\n?|[\x85\u2028\u2029]")
_MENTION = re.compile(r"([@\uff20])(?=\w)")
_LINK = re.compile(r"\](?=[(\[:])")
_BRACKETS = str.maketrans({"<": "‹", ">": "›"})  # noqa: RUF001 - that they only look alike is the point


def neutral(text: str) -> str:
    """`text` with its words, and nothing that a chat, a mail or a terminal would act upon.

    Control and invisible format characters go; mentions (`@here`), tags and Slack's `<!channel>`
    lose their brackets' meaning, Markdown's links and images come apart. At most 4,000 characters.
    """
    text = _LINE_END.sub("\n", _SEQUENCE.sub("", text))
    text = "".join(character for character in text if _shows(character))
    text = text.translate(_BRACKETS)
    text = _MENTION.sub(rf"\1{SEPARATOR}", text)
    return clip(_LINK.sub(f"]{SEPARATOR}", text), LIMIT)


def _shows(character: str) -> bool:
    return character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
