"""GitHub's bodies as values: small ones whole, large ones only as far as EVOX reads them.

A body of 25 MB of small objects takes over a gigabyte as Python values. So what is large is
decoded into the fields below, and the rest is checked to be JSON and skipped.
"""

from __future__ import annotations

from typing import Any

import msgspec
from rest_framework.exceptions import ParseError

from agents.api.parsers import parse_json
from agents.policy import clip

WHOLE = 256 * 1024
"""Bodies up to here are kept as they came; GitHub's are 20–40 kB."""
LEFT_OUT = "evox:leftOut"
COMMITS = 50
TEXT_LIMIT = 100_000


Scalar = str | int | float | bool | None
"""Never a list or an object: those could hold the rest of the 25 MB."""


class Slim(msgspec.Struct, omit_defaults=True):
    """The fields that EVOX reads; all others are skipped unread."""


class Owner(Slim):
    """A person or organization."""

    login: Scalar = None
    name: Scalar = None


class Repo(Slim):
    """A repository."""

    id: Scalar = None
    full_name: Scalar = None


class Ref(Slim):
    """One end of a pull request."""

    ref: Scalar = None
    sha: Scalar = None
    repo: Repo | None = None


class PullSlim(Slim):
    """A pull request."""

    number: Scalar = None
    title: Scalar = None
    body: Scalar = None
    html_url: Scalar = None
    state: Scalar = None
    draft: Scalar = None
    merged: Scalar = None
    merged_at: Scalar = None
    updated_at: Scalar = None
    user: Owner | None = None
    head: Ref | None = None
    base: Ref | None = None


class Commit(Slim):
    """A pushed commit."""

    id: Scalar = None
    message: Scalar = None
    author: Owner | None = None


class Body(Slim):
    """What EVOX reads of any event."""

    action: Scalar = None
    number: Scalar = None
    before: Scalar = None
    ref: Scalar = None
    pull_request: PullSlim | None = None
    repository: Repo | None = None
    commits: msgspec.Raw = msgspec.Raw(b"null")


_DECODER = msgspec.json.Decoder(Body)
_COMMITS = msgspec.json.Decoder(list[Commit] | None)


def read_body(raw: bytes) -> Any:
    """`raw` as Python values; a large one only in part, which it says. Raises ParseError."""
    if len(raw) <= WHOLE:
        return parse_json(raw)
    try:
        kept = msgspec.json.encode(_slim(raw))
    except msgspec.ValidationError as error:
        raise ParseError(f"The body is not what GitHub sends: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ParseError(f"The body is not JSON: {error}") from None
    except RecursionError:
        raise ParseError("The body is nested too deep.") from None
    if len(kept) > 4 * WHOLE:
        raise ParseError("The fields that EVOX reads are over 1 MiB.")
    return parse_json(kept) | {LEFT_OUT: f"the rest of {len(raw):,} bytes"}


def _slim(raw: bytes) -> Body:
    body = _DECODER.decode(raw)
    few = body.commits if len(bytes(body.commits)) <= WHOLE else b"null"
    commits = _COMMITS.decode(few)
    body.commits = msgspec.Raw(msgspec.json.encode(commits and commits[:COMMITS]))
    if body.pull_request is not None:
        for name in ("title", "body"):
            text = getattr(body.pull_request, name)
            if isinstance(text, str):
                setattr(body.pull_request, name, clip(text, TEXT_LIMIT))
    return body
