"""GitHub's payload of a pull request, read into a value. No Django here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.policy import clip
from recovery.states import PullState

TITLE_LIMIT = 1_000
BODY_LIMIT = 20_000
MAX_ID = 2**63 - 1
GHOST = "ghost"
"""Whom GitHub shows in place of a deleted account."""


class PayloadError(ValueError):
    """A payload that says it is about a pull request, but lacks what every such one has."""


@dataclass(frozen=True, kw_only=True)
class Pull:
    """A pull request at one instant; title, body, names and branches are text by strangers."""

    repository_id: int
    repository: str
    number: int
    title: str
    body: str
    author: str
    branch: str
    base: str
    head_sha: str
    base_sha: str
    before_sha: str = ""
    state: PullState = PullState.OPEN
    draft: bool = False
    is_fork: bool = False
    head_repo: str = ""
    url: str = ""
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether a review of it still makes sense."""
        return self.state is PullState.OPEN

    @property
    def key(self) -> str:
        """The unique key of its review."""
        return f"pr-review:{self.repository_id}:{self.number}"


def read_pull(payload: Mapping[str, Any]) -> Pull:
    """The pull request of a `pull_request` event. Raises PayloadError."""
    pull = _object(payload, "pull_request")
    repository = _object(payload, "repository")
    head, base = _object(pull, "head"), _object(pull, "base")
    repository_id = _id(repository, "id")
    # A head repository that was deleted was a fork: a branch goes with its own repository.
    head_repo = _maybe(head, "repo")
    return Pull(
        repository_id=repository_id,
        repository=_text(repository, "full_name")[:255],
        number=_id(pull, "number"),
        title=clip(str(pull.get("title") or ""), TITLE_LIMIT),
        body=clip(str(pull.get("body") or ""), BODY_LIMIT),
        author=str(_maybe(pull, "user").get("login") or GHOST)[:100],
        branch=_text(head, "ref")[:255],
        base=_text(base, "ref")[:255],
        head_sha=_text(head, "sha")[:64],
        base_sha=_text(base, "sha")[:64],
        before_sha=str(payload.get("before") or "")[:64],
        state=_state(pull),
        draft=bool(pull.get("draft")),
        is_fork=head_repo.get("id") != repository_id,
        head_repo=str(head_repo.get("full_name") or "")[:255],
        url=str(pull.get("html_url") or "")[:500],
        updated_at=_instant(pull, "updated_at"),
    )


def summary(payload: Any) -> tuple[str, int | None, int | None]:
    """Action, repository id and number of any payload, as far as it has them."""
    if not isinstance(payload, dict):
        return "", None, None
    action = payload.get("action")
    pull = _maybe(payload, "pull_request")
    return (
        action[:64] if isinstance(action, str) else "",
        _id_or_none(_maybe(payload, "repository").get("id")),
        _id_or_none(pull.get("number", payload.get("number"))),
    )


def hook_lacks_pulls(payload: Mapping[str, Any]) -> bool:
    """Whether the hook behind this ping won't send pull requests."""
    events = _maybe(payload, "hook").get("events")
    return isinstance(events, list) and not {"*", "pull_request"} & {str(e) for e in events}


def _state(pull: Mapping[str, Any]) -> PullState:
    if pull.get("merged") or pull.get("merged_at"):
        return PullState.MERGED
    return PullState.OPEN if pull.get("state") == "open" else PullState.CLOSED


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    if not isinstance(value, dict):
        raise PayloadError(f"The payload has no object `{name}`.")
    return value


def _maybe(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        raise PayloadError(f"The payload has no text `{name}`.")
    return value


def _id(holder: Mapping[str, Any], name: str) -> int:
    value = _id_or_none(holder.get(name))
    if value is None:
        raise PayloadError(f"The payload has no number `{name}`.")
    return value


def _id_or_none(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID
    return value if fits else None


def _instant(holder: Mapping[str, Any], name: str) -> datetime:
    try:
        instant = datetime.fromisoformat(_text(holder, name))
    except ValueError as error:
        raise PayloadError(f"The payload has no time `{name}` ({error}).") from None
    if instant.tzinfo is None:
        raise PayloadError(f"The time `{name}` has no zone.")
    return instant
