"""What was measured of a learning, as people read it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from learnings.policy.effect_words import said_of


@dataclass(frozen=True)
class Counts:
    failures_before: int = 9
    attempts_before: int = 300
    failures_after: int = 1
    attempts_after: int = 200
    exposed_repeats: int = 1
    unexposed_repeats: int = 0
    untreated: int = 0
    untreated_ratio: float | None = None
    ratio: float | None = 0.1667
    p: float | None = 0.0321
    complete: bool = True
    verdict: str = "working"


def test_the_counts_stand_before_their_rates():
    assert said_of(Counts())[0] == (
        "In the 28 days before it was told: 9 times in 300 attempts (3 of 100)."
        " In the 28 days after: once in 200 attempts (0.5 of 100)."
    )


def test_without_attempts_there_is_no_rate():
    assert said_of(replace(Counts(), attempts_before=0))[0].startswith(
        "In the 28 days before it was told: 9 times in 0 attempts. In"
    )


def test_days_that_are_not_over_are_said_to_be_so():
    first, *_, last = said_of(replace(Counts(), complete=False, verdict="unproven", p=None))
    assert "So far, of the 28 days after: once" in first
    assert last == "Unproven: it is judged when the 28 days are over."


def test_repeats_of_those_who_were_told_stand_apart_from_the_others():
    said = said_of(replace(Counts(), exposed_repeats=2, unexposed_repeats=5))[1]
    assert said == (
        "Came back 2 times to agents that had been told, and 5 times to agents that had not."
    )


def test_what_it_is_compared_with_is_named():
    assert said_of(replace(Counts(), untreated=40, untreated_ratio=0.74))[2:] == [
        "Patterns of the same weeks that nobody was told of went to 0.74 of their rate.",
        "Working: it fell to 0.17 of its rate; compared with 40 patterns that nobody was told of,"
        " chance does this in 3.2 % of cases.",
    ]


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        (
            {},
            "Working: it fell to 0.17 of its rate; compared with the usual fall of a frequent"
            " pattern, to 0.63 of its rate, chance does this in 3.2 % of cases.",
        ),
        (
            {"verdict": "not_working"},
            "Not working: more than 2 times it came back to those who had been told.",
        ),
        (
            {"verdict": "unproven", "p": 0.0004, "ratio": 0.6},
            "Unproven: it fell to 0.60 of its rate only; compared with the usual fall of a"
            " frequent pattern, to 0.63 of its rate, chance does this in less than 0.1 % of cases.",
        ),
        (
            {"verdict": "unproven", "p": 0.125},
            "Unproven: compared with the usual fall of a frequent pattern, to 0.63 of its rate,"
            " chance does this in 12 % of cases, and 5 % would be the limit.",
        ),
        ({"verdict": "unproven", "ratio": None}, "Unproven: there is nothing to compare."),
    ],
)
def test_the_verdict_comes_last_in_a_sentence(fields, verdict):
    assert said_of(replace(Counts(), **fields))[-1] == verdict


def test_before_anything_was_measured_that_is_said():
    assert said_of(None) == ["Nothing was measured yet."]
