"""Stands in for GitHub: small payloads made by hand, signed as GitHub signs."""

from __future__ import annotations

import copy
import json
from itertools import count
from urllib.parse import urlencode

from django.test import Client

from recovery.signatures import sign

SECRET = "correct horse"
FLAT, OTHER_FLAT, REST = "/github-webhook", "/webhook/github", "/api/v1/webhooks/github"
GUIDS = count(1)
KEY = "pr-review:42:7"


def sha(letter: str) -> str:
    return letter * 40


def pull_event(action="opened", *, head="a", at=0, title="Add a door", **over) -> dict:
    """What GitHub sends of PR 7 in octo/house; `at` counts seconds, `over` replaces parts."""
    pull = {
        "number": 7,
        "title": title,
        "body": "It closes.",
        "html_url": "https://github.com/octo/house/pull/7",
        "state": "closed" if action == "closed" else "open",
        "draft": False,
        "merged": False,
        "user": {"login": "octocat"},
        "updated_at": f"2026-03-01T12:{at // 60:02}:{at % 60:02}Z",
        "head": {"ref": "door", "sha": sha(head), "repo": {"id": 42, "full_name": "octo/house"}},
        "base": {"ref": "main", "sha": sha("0")},
    }
    pull |= {name: value for name, value in over.items() if name in {*pull, "merged_at"}}
    extra = {name: value for name, value in over.items() if name not in pull}
    return {
        "action": action,
        "number": 7,
        "pull_request": pull,
        "repository": {"id": 42, "full_name": "octo/house"},
        "sender": {"login": "octocat"},
        **copy.deepcopy(extra),
    }


def deliver(  # a request has many parts, and tests break each
    payload, *, event="pull_request", guid=None, path=REST, secret=SECRET, form=False, **headers
):
    """Send one delivery; returns the response."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    if form:
        raw = urlencode({"payload": raw.decode()}).encode()
    sent = {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": guid or f"guid-{next(GUIDS)}",
        "X-Hub-Signature-256": sign(raw, secret),
        **headers,
    }
    content_type = "application/x-www-form-urlencoded" if form else "application/json"
    client = Client(raise_request_exception=False)
    return client.post(
        path,
        raw,
        content_type=content_type,
        headers={name: value for name, value in sent.items() if value is not None},
    )
