"""Whom and what a learning is for: agents, types of failure, path globs and tools.

Agents limit. Paths limit work that names files; of other work nobody knows which files it will
touch. Types and tools never limit: before the work is done nobody knows what will fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

MOST_GLOBS = 20
MOST_PATHS = 20
GLOB_LENGTH = 200
PATH_LENGTH = 300
MOST_NAMES = 50


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A learning's scope; what is empty limits nothing."""

    agents: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()
    tools: frozenset[str] = frozenset()
    """In lower case."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who is to be told, about which work, and what happened to both."""

    name: str
    groups: AbstractSet[int | str] = frozenset()
    """Groups of its own last failures, and their families."""
    work_groups: AbstractSet[int | str] = frozenset()
    """The same of the last failures of the work, whoever did it."""
    types: AbstractSet[str] = frozenset()
    paths: Sequence[str] = ()
    """Files that the work names."""
    tools: AbstractSet[str] = field(default_factory=frozenset)
    """Words of its command, its skills, codes of its failures, in lower case."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """In which ways a scope speaks of this reader and its work."""

    agent: bool = False
    path: bool = False
    tool: bool = False
    error_type: bool = False

    @property
    def strength(self) -> int:
        """How many say that it is about this very work; a type of failure is too common to."""
        return self.agent + self.path + self.tool


def scope_of(stored: Mapping[str, Any]) -> Scope:
    """The scope that a row holds; what isn't a list of texts is left out."""
    return Scope(
        agents=frozenset(_names(stored, "agents")),
        types=frozenset(_names(stored, "types")),
        paths=tuple(_names(stored, "paths"))[:MOST_GLOBS],
        tools=frozenset(name.lower() for name in _names(stored, "tools")),
    )


def _names(stored: Mapping[str, Any], key: str) -> list[str]:
    found = stored.get(key)
    if not isinstance(found, list):
        return []
    return [name for name in found[:MOST_NAMES] if isinstance(name, str) and name]


def fit(scope: Scope, reader: Reader) -> Fit | None:
    """How the scope speaks of the reader; None when it is for others or for other files."""
    if scope.agents and reader.name not in scope.agents:
        return None
    path = bool(scope.paths and reader.paths) and any_path(scope.paths, reader.paths)
    if scope.paths and reader.paths and not path:
        return None
    return Fit(
        agent=bool(scope.agents),
        path=path,
        tool=bool(scope.tools & reader.tools),
        error_type=bool(scope.types & reader.types),
    )


def any_path(globs: Sequence[str], paths: Sequence[str]) -> bool:
    """Whether one of the first 20 paths is one of the first 20 globs'."""
    kept = tuple(paths[:MOST_PATHS])
    return any(_any_of(glob, kept) for glob in globs[:MOST_GLOBS])


# Of a thousand learnings many say the same, and one briefing asks them all about the same paths.
@lru_cache(maxsize=4096)
def _any_of(glob: str, paths: tuple[str, ...]) -> bool:
    return any(glob_matches(glob, path) for path in paths)


def glob_matches(glob: str, path: str) -> bool:
    """Whether `path` is one of those that `glob` means; case counts.

    `*` and `?` stay within a name, `**` stands for any number of folders. A glob without a slash
    is a file's name in any folder, a folder stands for all below it, and of an absolute path any
    end may match, since nobody knows where the repository lies. Takes time in proportion to the
    product of both lengths at most; a glob over 200 or a path over 300 characters matches nothing.
    """
    if len(glob) > GLOB_LENGTH or len(path) > PATH_LENGTH:
        return False
    pattern, (names, absolute) = _pattern(glob), _names_of(path)
    if not pattern or not names:
        return False
    if "/" not in glob.strip("/"):
        pattern = ("**", *pattern)
    elif absolute:
        pattern = ("**", *pattern) if not glob.startswith("/") else pattern
    return _folders_match(pattern, names)


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> tuple[str, ...]:
    parts = [part for part in glob.replace("\\", "/").split("/") if part not in {"", "."}]
    # Neighbours mean the same as one.
    return tuple(
        part
        for index, part in enumerate(parts)
        if part != "**" or parts[index - 1 : index] != [part]
    )


@lru_cache(maxsize=4096)
def _names_of(path: str) -> tuple[tuple[str, ...], bool]:
    plain = path.replace("\\", "/")
    absolute = plain.startswith("/") or plain[1:3] == ":/"
    return tuple(part for part in plain.split("/") if part not in {"", "."}), absolute


def _folders_match(pattern: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Row by row: which beginnings of `names` the pattern's parts so far may mean."""
    reached = [True] + [False] * len(names)
    for part in pattern:
        if part == "**":
            first = reached.index(True)
            reached = [index >= first for index in range(len(names) + 1)]
            continue
        reached = [False] + [
            reached[index] and name_matches(part, name) for index, name in enumerate(names)
        ]
        if True not in reached:
            return False
    # What is below a folder that matched is meant, too.
    return True in reached[1:]


def name_matches(pattern: str, name: str) -> bool:
    """Whether a file's or folder's name is one that `pattern` (with * and ?) means.

    Only the last star is ever tried again, further right each time, so this ends.
    """
    at = here = resume = 0
    star = -1
    while here < len(name):
        wanted = pattern[at : at + 1]
        if wanted == "*":
            star, resume = at, here
            at += 1
        elif wanted in {"?", name[here]}:
            at, here = at + 1, here + 1
        elif star >= 0:
            resume += 1
            at, here = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("*")
