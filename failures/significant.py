"""Choose the line of an error text that says what went wrong."""

import re

WINDOW = 8_000
LINE = 1_000

_NOISE = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\ufeff]")
_EXCEPTION = re.compile(
    r"(?:[A-Za-z_]\w{0,60}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception|Warning|Exit|Interrupt|Failure)\b"
    r"(?::|$)"
)
_TRACEBACK = "Traceback (most recent call last)"
_ERROR = re.compile(r"^(?:[^\s:]{1,200}:\d{1,7}:(?:\d{1,7}:)? ?)?(?:fatal )?(?:error|fatal|panic)\b", re.IGNORECASE)


def significant_line(text: str) -> str:
    if len(text) > 2 * WINDOW:
        text = text[:WINDOW] + "\n" + text[-WINDOW:]
    text = _NOISE.sub("", text).strip()
    if "\n" not in text:
        return text[:LINE]
    lines = [line.strip()[:LINE] for line in text.split("\n")]
    lines = [line for line in lines if line]
    if _TRACEBACK in text:
        seen = False
        for line in lines:
            if _TRACEBACK in line:
                seen = True
            elif seen and _EXCEPTION.match(line):
                return line
    for line in lines:
        if line.startswith("E ") and len(line) > 3:
            return line[2:].strip()
    for line in lines:
        if _ERROR.match(line):
            return line
    return lines[0] if lines else ""
