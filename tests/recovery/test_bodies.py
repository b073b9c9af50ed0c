"""GitHub's bodies: what is kept, what is refused, and how much memory that takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rest_framework.exceptions import ParseError

from recovery import bodies
from recovery.bodies import LEFT_OUT, WHOLE, read_body
from recovery.pulls import read_pull
from tests.recovery.github import SECRET, deliver, pull_event

PAD = b',"z":[' + b"{}," * 200_000 + b"{}]}"


def large(body: object) -> bytes:
    """That object with over half a megabyte of what nobody reads."""
    return json.dumps(body).encode()[:-1] + PAD


def test_a_small_body_is_kept_whole():
    body = pull_event("opened") | {"extra": [1, {"a": None}]}

    assert read_body(json.dumps(body).encode()) == body


def test_of_a_large_body_the_pull_request_is_read_as_of_a_small_one():
    body = pull_event("synchronize", head="b", before="a" * 40)

    read = read_body(large(body))

    assert read_pull(read) == read_pull(body)
    assert read["action"] == "synchronize"
    assert LEFT_OUT in read


def test_of_a_large_push_the_first_commits_are_read():
    commits = [{"id": str(n), "message": "m", "author": {"name": "o"}} for n in range(100)]

    assert read_body(large({"commits": commits}))["commits"] == commits[: bodies.COMMITS]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"{" + b'"a":1,' * WHOLE, "not JSON"),
        (b"[1" + b",1" * WHOLE + b"]", "not what GitHub sends"),
        (b'{"action":[' + b"1," * WHOLE + b"1]}", "not what GitHub sends"),
        (b'{"a":' + b"[" * WHOLE + b"]" * WHOLE + b"}", "too deep"),
        (b'{"pull_request":{"head":{"ref":"' + b"x" * 5 * WHOLE + b'"}}}', "over 1 MiB"),
    ],
)
def test_a_large_body_that_is_none_is_refused(raw, why):
    with pytest.raises(ParseError, match=why):
        read_body(raw)


def test_a_long_title_and_text_are_clipped():
    body = pull_event("opened", title="t" * WHOLE, body="b" * WHOLE)

    pull = read_body(json.dumps(body).encode())["pull_request"]

    assert len(pull["title"]) <= bodies.TEXT_LIMIT
    assert len(pull["body"]) <= bodies.TEXT_LIMIT


def test_25_megabytes_of_small_objects_take_bounded_memory():
    code = """
import os, resource
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "evox.settings")
import django
django.setup()
from recovery.bodies import read_body
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
body = read_body(b'{"action":"opened","z":[' + b"{}," * 8_000_000 + b"{}]}")
print(body["action"], (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    action, megabytes = done.stdout.split()

    assert action == "opened"
    assert int(megabytes) < 300, "as Python values it takes over 1,300"


@pytest.mark.django_db
def test_a_large_delivery_does_what_a_small_one_does(settings, team):
    settings.GITHUB_WEBHOOK_SECRET = SECRET

    answer = deliver(large(pull_event("opened")))

    assert answer.status_code == 200
    assert answer.json()["dispatchId"]
