"""No body holds up the others: masking it is counted, and refused where it would take too long."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents import masking
from agents.api import parsers
from agents.api.parsers import MASKING_LIMIT, PayloadTooLargeError, parse_json
from agents.masking import Scrubber, TooMuchToMaskError
from tests.wire import post, refused, rows

MIB = 1024 * 1024
REPORT = {"agentName": "SAM", "errorType": "build", "errorMessage": "x"}
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2


def log(size: int) -> str:
    line = "2026-11-21 12:00 INFO worker-{0} src/a/b{0}.py:12 key {0} of a job in {0} ms\n"
    return "".join(line.format(n) for n in range(size // 70 + 1))[:size]


LOG = log(16_000)


def spent(value: Any) -> int:
    scrubber = Scrubber(budget=10**12)
    scrubber.value(value)
    return 10**12 - (scrubber._left or 0)


def test_a_bulk_of_passwords_is_refused_early_and_by_its_place(monkeypatch) -> None:
    items = [{"log": [f"password=hunter{n}.{m}" for m in range(100)]} for n in range(20_000)]
    masked = []
    monkeypatch.setattr(masking, "scrub", lambda text: masked.append(text) or text)

    with pytest.raises(PayloadTooLargeError, match=r"^\[1\d\d\d\]\.log(\[\d+\])?: ") as refusal:
        parse_json(json.dumps(items).encode())
    assert refusal.value.status_code == 413
    assert len(masked) <= MASKING_LIMIT / 20


@pytest.mark.parametrize(
    "body",
    [
        [f"{n}{LOG}" for n in range(1_000)],
        [{"m": f"{n}{log(1_500)}", "c": {"ticketId": f"T-{n}"}} for n in range(9_000)],
        ["password=hunter2" for _ in range(MIB)],
    ],
    ids=["16 MiB of logs", "13 MiB of short logs", "one text again and again"],
)
def test_ordinary_bulks_keep_within_the_limit(body, monkeypatch) -> None:
    monkeypatch.setattr(masking, "scrub", lambda text: text)
    assert spent(body) < MASKING_LIMIT


@pytest.mark.parametrize(
    "body",
    [
        [f"pass=x{n:06}" for n in range(MIB // 14)],
        {f"password{n:05}": f"x{n:06}" for n in range(MIB // 25)},
        "password=hunter22 " * (MIB // 18),
        "y" * MIB,
        [[]] * (MIB // 3),
    ],
    ids=["texts", "names", "one text", "one word", "lists"],
)
def test_no_single_report_comes_to_the_limit(body) -> None:
    assert spent(body) < MASKING_LIMIT


def test_a_long_text_costs_no_more_than_its_length_and_the_places_looked_at() -> None:
    assert spent("password=hunter22 " * 60_000) < 100_000
    assert spent(log(MIB)) < 100_000


def test_every_way_to_the_masking_of_a_text_is_counted() -> None:
    for value in (
        "token of a kind",
        ["token of a kind"],
        {"token of a kind": 1},
        {"name": "token of a kind"},
        {"password": ["token of a kind"]},
        ["--password", "token of a kind"],
        ["authorization", "token of a kind"],
    ):
        with pytest.raises(TooMuchToMaskError):
            Scrubber(budget=15).value(value)


@pytest.mark.django_db
def test_a_report_over_the_limit_is_answered_413_with_its_field_and_not_stored(
    monkeypatch,
) -> None:
    monkeypatch.setattr(parsers, "MASKING_LIMIT", 200)
    before = rows()
    lines = [f"password=hunter{n}" for n in range(50)]
    for body, place in (
        (REPORT | {"context": {"env": lines}}, "context.env"),
        (REPORT | {"errorMessage": " ".join(lines) * 9}, "errorMessage"),
        ([REPORT, REPORT | {"context": {"env": lines}}], "[1].context.env"),
    ):
        answer = post("failures", body)
        assert refused(answer, 413, "too_large")
        assert answer.json()["error"]["message"].startswith(place)
    assert rows() == before


def test_the_refusal_tells_no_secret(monkeypatch) -> None:
    monkeypatch.setattr(parsers, "MASKING_LIMIT", 60)
    with pytest.raises(PayloadTooLargeError) as refusal:
        parse_json(json.dumps({TOKEN: ["password=hunter1"] * 40}).encode())
    assert TOKEN not in str(refusal.value.detail)
    assert "[github-token]" in str(refusal.value.detail)


@pytest.mark.parametrize("before", ["--password", "authorization"])
def test_a_text_that_is_masked_with_the_one_before_it_is_counted_twice(before) -> None:
    alone, beside = "some token of mine", [before, "some token of mine"]
    assert spent(beside) - spent([before]) >= 2 * spent(alone)
