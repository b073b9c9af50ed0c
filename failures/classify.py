"""What kind of failure a text says that it is, beside what its reporter called it.

Reporters choose among five words in a hurry. The text often knows better: a tool's code, the class
of an exception, a few words that tools of all kinds use, and last the command that was run. What
is said with more certainty is asked first, and without evidence the reporter is right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from failures.significant import significant_line
from failures.states import ErrorType

_LONGEST_LINE = 300
_LONGEST_COMMAND = 300
_COMMAND_KEYS = ("command", "cmd", "tool")

_Rules = tuple[tuple[ErrorType, re.Pattern[str]], ...]

# POSIX's and Node's names of errors, gRPC's of statuses.
_CODES: _Rules = (
    (ErrorType.TIMEOUT, re.compile(r"^E(?:SOCKET)?TIMEDOUT$|^DEADLINE_EXCEEDED$")),
    (
        ErrorType.API,
        re.compile(
            r"^E(?:CONN(?:REFUSED|RESET|ABORTED)|HOSTUNREACH|NETUNREACH|PIPE|AI_AGAIN|NOTFOUND)$"
            r"|^E[45]\d\d$|^ERR_(?:TLS|SSL|HTTP|NETWORK|BAD_RE)|^(?:UNAVAILABLE|RESOURCE_EXHAUSTED)$"
        ),
    ),
    # A numbered or named diagnostic: compilers, type checkers and linters have them.
    (ErrorType.BUILD, re.compile(r"^-W|^[A-Z]{1,8}-?\d{2,6}$|^[a-z@][\w@]*(?:::|[-/_])[\w@:/-]*$")),
    (ErrorType.BUILD, re.compile(r"^E(?:LIFECYCLE|RESOLVE|TARGET|BADENGINE|INTEGRITY)$")),
)
_CLASSES: _Rules = (
    (ErrorType.TIMEOUT, re.compile(r"Time(?:d)?Out|Timeout|DeadlineExceeded")),
    (
        ErrorType.TEST,
        re.compile(r"Assert|ComparisonFailure|ExpectationNotMet|TestFailure|Snapshot"),
    ),
    (
        ErrorType.API,
        re.compile(
            r"HTTP|Http|Connect(?:ion|Error)|Api(?:Error|Exception|Status)|API|RateLimit|Axios"
            r"|Fetch|SSL|TLS|Socket|Request(?:s)?(?:Error|Exception)|ServiceUnavailable|Throttl|gRPC"
            r"|Grpc|URLError|UnknownHost|Gateway|Unauthorized|Forbidden|TooManyRequests"
        ),
    ),
    (
        ErrorType.BUILD,
        re.compile(
            r"ModuleNotFound|ImportError|Syntax|Indentation|TabError|Compil|Linker|ParseError"
            r"|NoClassDefFound|ClassNotFound|UnsatisfiedLink|ResolutionImpossible|Dependency"
        ),
    ),
)
_WORDS: _Rules = (
    (
        ErrorType.TIMEOUT,
        re.compile(
            r"\btime[ds]?[ -]?out\b|\bdeadline exceeded\b|\bexceeded (?:the )?(?:time|timeout)\b"
            r"|\btook too long\b|\bno (?:output|response) (?:for|after|within) "
        ),
    ),
    (
        ErrorType.TEST,
        re.compile(
            r"\bassert(?:ion)?\b|^--- fail:|\btests? (?:suite )?failed\b|\bfailing tests?\b"
            r"|^expect(?:ed)?\b.{0,120}\b(?:to (?:be|equal|have|match|contain)|but (?:got|was))\b"
            r"|\bexpect\(|\bsnapshots? (?:failed|obsolete|mismatch)|\btest\b.{0,60}\bpanicked\b"
            r"|\bleft == right\b"
        ),
    ),
    (
        ErrorType.API,
        re.compile(
            r"\bhttp(?:/\d\S{0,4})? ?(?:status|error|code)?:? ?[45]\d\d\b"
            r"|\bstatus(?: code)?:? (?:of )?[45]\d\d\b|\b[45]\d\d (?:server|client) error\b"
            r"|\beconn(?:refused|reset|aborted)\b|\benotfound\b|\bconnection (?:refused|reset)\b"
            r"|\brate[ -]limit|\btoo many requests\b|\bbad gateway\b|\bservice unavailable\b"
            r"|\binternal server error\b|\bfetch failed\b|\bcould not resolve host\b"
            r"|\bname resolution\b|\bgetaddrinfo\b|\bcertificate (?:verify|has expired)"
            r"|\b(?:invalid|expired|missing) (?:api[ -]key|access token|bearer token)\b"
        ),
    ),
    (
        ErrorType.BUILD,
        re.compile(
            r"\bsyntax ?error\b|\bundefined reference\b|\blinking with\b|\bcompil(?:ation|e|ing)\b"
            r"|^make: \*\*\*|\bcannot find (?:module|package|symbol|crate|type)\b"
            r"|\bunresolved import\b|\bno module named\b|\bno rule to make target\b"
            r"|\bbuild (?:failed|error)\b|\bld: "
            r"|\bunexpected (?:token|eof|indent|end of input)\b|\bcould not compile\b"
            r"|\bmodule not found\b|\bunable to resolve dependency\b|\bmissing import\b"
        ),
    ),
)
_COMMANDS: _Rules = (
    (
        ErrorType.TEST,
        re.compile(
            r"\b(?:pytest|jest|vitest|mocha|rspec|phpunit|tox|nox|playwright|cypress|ctest|unittest)\b"
            r"|\b(?:npm|yarn|pnpm|bun|go|cargo|mvn|gradle|gradlew|dotnet|mix|make|manage\.py|swift)"
            r"(?: run)? test\b|\btest:"
        ),
    ),
    (
        ErrorType.BUILD,
        re.compile(
            r"\b(?:tsc|webpack|vite build|next build|gcc|clang|g\+\+|javac|rustc|cmake|ninja|eslint"
            r"|ruff|mypy|pyright|pylint|flake8|golangci-lint|clippy|swiftc|bazel)\b"
            r"|\b(?:npm|yarn|pnpm|bun|go|cargo|mvn|gradle|gradlew|dotnet|docker|pip|swift|make)"
            r"(?: run)? (?:build|check|install|ci|compile|package|assemble|lint|typecheck|vet)\b"
            r"|^make\b"
        ),
    ),
    (ErrorType.API, re.compile(r"\b(?:curl|wget|httpie?|gh api|aws|gcloud|grpcurl)\b")),
)


def classify(
    reported: ErrorType,
    *,
    tool_code: str,
    error_class: str,
    words: str,
    message: str = "",
    command: str = "",
) -> ErrorType:
    """The type that the failure's own text speaks for, else the one that was reported.

    `tool_code`, `error_class` and `words` are a grouping's code, class and masked line, of at most
    200 characters; `message` is the whole text, of which the significant line is read as it is,
    since a masked one may lack the very word; `command` is what was run. In this order the first
    that says anything decides.
    """
    return (
        _first(_CODES, tool_code)
        or _first(_CLASSES, error_class)
        or _first(_WORDS, words.lower())
        or _first(_WORDS, significant_line(message)[:_LONGEST_LINE].lower())
        or _first(_COMMANDS, command[:_LONGEST_COMMAND].lower())
        or reported
    )


def command_of(context: Mapping[str, Any]) -> str:
    """What a failure's context says that was run, or ""."""
    for key in _COMMAND_KEYS:
        found = context.get(key)
        if isinstance(found, str) and found:
            return found[:_LONGEST_COMMAND]
    return ""


@lru_cache(maxsize=4096)
def _first(rules: _Rules, text: str) -> ErrorType | None:
    if not text:
        return None
    return next((kind for kind, rule in rules if rule.search(text)), None)
