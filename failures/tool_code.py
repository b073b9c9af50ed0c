"""Take location, tool code and exception class off a diagnostic."""

import re

_LOCATION = re.compile(
    r"(?:[\w.@+~ /\\-]{0,300}[\w.@+~-]"
    r"(?::-?\d{1,7}(?::\d{1,7})?(?=:|\s)|\(\d{1,7}(?:,\d{1,7})?\)):?\s+)"
)
_LEVEL = re.compile(r"(?:fatal error|error|warning|fatal|note|info)(?=[\s:\[])[:\s]{0,3}", re.IGNORECASE)
_PREFIX = re.compile(r"(?:\[?([A-Z]{1,8}\d{2,6})\b\]?[:\s]{1,3})")
_SUFFIX = re.compile(r"\s+(?:\[((?:[a-z][a-z0-9:_]*-?)+)\]|\(([a-z][a-z0-9]*(?:-[a-z0-9]+)+)\))$|\s{2}([a-z@][\w@/-]{2,80})$")
_CLASS = re.compile(r"((?:[A-Za-z_]\w{0,60}\.){0,8})([A-Z]\w{1,80}|error): ?")
