"""What a failure's own text speaks for, beside what its reporter called it."""

from __future__ import annotations

import time

import pytest

from agents.services.agents import register_agent
from failures.classify import classify, command_of
from failures.fingerprint import grouping
from failures.models import Failure, FailureGroup
from failures.services.log import NewFailure, log_failures
from failures.states import ErrorType
from tests.wire import T0, get, post

SPOKEN = {
    "build": [
        "src/a.ts(3,4): error TS2322: Type 'string' is not assignable to type 'number'.",
        "error[E0308]: mismatched types",
        "app.py:3:1: F401 'os' imported but unused",
        "x.js:1:2  error  'a' is not defined  no-undef",
        "error: linking with `cc` failed: exit status: 1",
        "make: *** [all] Error 2",
        "npm ERR! code ELIFECYCLE",
        "ModuleNotFoundError: No module named 'yaml'",
        "SyntaxError: invalid syntax",
        "undefined reference to `main'",
    ],
    "test": [
        "FAILED tests/test_x.py::test_a - AssertionError: assert 1 == 2",
        "E       assert 3 == 4",
        "AssertionError: expected 3 to equal 4",
        "--- FAIL: TestFoo (0.00s)",
        "org.junit.ComparisonFailure: expected:<a> but was:<b>",
        "3 tests failed",
    ],
    "api": [
        "requests.exceptions.HTTPError: 500 Server Error: for url: https://x.example",
        "HTTP 429 Too Many Requests",
        "connect ECONNREFUSED 127.0.0.1:80",
        "npm error code E404",
        "Error: Request failed with status code 503",
        "curl: (6) Could not resolve host: api.example.org",
        "urllib3.exceptions.SSLError: certificate verify failed",
    ],
    "timeout": [
        "TimeoutError: waited 30s",
        "context deadline exceeded",
        "Command timed out after 300 seconds",
        "requests.exceptions.ReadTimeout: HTTPSConnectionPool: Read timed out.",
        "npm ERR! code ETIMEDOUT",
        "subprocess.TimeoutExpired: command took too long",
    ],
}
SILENT = ["KeyError: 'x'", "", "password authentication failed for user", "it broke", "\x00", "名"]


def spoken(message: str, reported: ErrorType, command: str = "") -> str:
    key = grouping(reported.value, message)
    return classify(
        reported,
        tool_code=key.tool_code,
        error_class=key.error_class,
        words=key.template,
        message=message,
        command=command,
    ).value


@pytest.mark.parametrize(
    ("kind", "message"), [(kind, text) for kind, texts in SPOKEN.items() for text in texts]
)
@pytest.mark.parametrize("reported", list(ErrorType))
def test_a_text_speaks_for_its_type_whatever_was_reported(kind, message, reported) -> None:
    assert spoken(message, reported) == kind


@pytest.mark.parametrize("message", SILENT)
@pytest.mark.parametrize("reported", list(ErrorType))
def test_without_evidence_the_reporter_is_right(message, reported) -> None:
    assert spoken(message, reported) == reported.value


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        *(("pytest -q tests", "test"), ("npm test", "test"), ("go test ./...", "test")),
        *(
            ("cargo build --release", "build"),
            ("npm run build", "build"),
            ("ruff check .", "build"),
        ),
        *(("curl https://x.example", "api"), ("echo hello", "other"), ("", "other")),
    ],
)
def test_a_silent_text_leaves_it_to_the_command(command: str, kind: str) -> None:
    assert spoken("it broke", ErrorType.OTHER, command) == kind


def test_a_text_is_believed_before_its_command() -> None:
    assert spoken("HTTP 503 Service Unavailable", ErrorType.OTHER, "pytest -q") == "api"


@pytest.mark.parametrize(
    ("context", "command"),
    [
        *(({"command": "make"}, "make"), ({"cmd": "make"}, "make"), ({"tool": "tsc"}, "tsc")),
        *(({}, ""), ({"command": 7}, ""), ({"command": ["make"]}, "")),
        ({"command": "x" * 1_000}, "x" * 300),
    ],
)
def test_the_command_is_read_from_the_context(context: dict, command: str) -> None:
    assert command_of(context) == command


@pytest.mark.parametrize("piece", ["(", "a-", "assert ", "expected ", "test ", "::", "-W", "E4"])
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 300)[:300]
    began = time.process_time()
    classify(ErrorType.OTHER, tool_code=text, error_class=text, words=text, command=text)

    assert time.process_time() - began < 2.0  # it takes a thousandth


@pytest.mark.django_db
def test_what_the_reporter_said_stays_beside_what_the_text_says() -> None:
    body = {"agentName": "SAM", "errorType": "other", "errorMessage": "HTTP 429 Too Many Requests"}
    failure = post("failures", body).json()

    assert (failure["errorType"], failure["classifiedType"]) == ("other", "api")
    group = get(f"failure-groups/{failure['groupId']}").json()
    assert (group["errorType"], group["classifiedType"]) == ("other", "api")


@pytest.mark.django_db
def test_a_groups_type_is_that_of_its_first_failure() -> None:
    sam = register_agent("SAM", now=T0)
    reports = [
        NewFailure(agent=sam, error_type=ErrorType.OTHER, message="it broke", context=context)
        for context in ({"command": "pytest"}, {"command": "tsc"}, {})
    ]
    log_failures(reports, now=T0)

    assert FailureGroup.objects.get().classified_type == "test"
    found = Failure.objects.order_by("id").values_list("classified_type", flat=True)
    assert list(found) == ["test", "build", "other"]
