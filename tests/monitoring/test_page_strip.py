"""An agent's day, drawn and told: nothing is lost by drawing, and nothing is made up."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.page_strip import BARS, WIDTH, Availability, lasting, strip_of
from monitoring.page_targets import promises
from monitoring.page_words import Period
from monitoring.policy_uptime import SecondKind, Seconds, Stretch
from monitoring.targets import Facts, targets

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SEGMENT = re.compile(r"M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z")


def drawn(*cuts, kinds):
    ends = [NOON - DAY, *(NOON - DAY + timedelta(seconds=cut) for cut in cuts), NOON]
    found = [Stretch(a, b, kind) for a, b, kind in zip(ends[:-1], ends[1:], kinds, strict=True)]
    return found, strip_of(found, since=NOON - DAY, until=NOON)


def test_a_day_with_a_gap_is_three_bars_of_two_heights():
    _, strip = drawn(7200, 14400, kinds=[SecondKind.UP, SecondKind.DOWN, SecondKind.UP])
    paths = {bar.kind: bar.path for bar in strip.bars}
    assert paths == {
        "up": "M0 5h60v10h-60zM120 5h600v10h-600z",
        "down": "M60 0h60v20h-60z",
    }
    assert strip.words == "alive 22 h, silent 2 h"


@given(
    st.lists(
        st.tuples(st.integers(1, 86_399), st.sampled_from(SecondKind)), max_size=30, unique_by=id
    )
)
def test_every_stretch_is_seen_inside_the_strip_and_the_words_sum_to_the_day(parts):
    cuts = sorted({cut for cut, _ in parts})
    kinds = [*(kind for _, kind in parts[: len(cuts)]), SecondKind.UP]
    stretches, strip = drawn(*cuts, kinds=kinds)
    seen = [
        (kind, *map(int, found))
        for kind in SecondKind
        for bar in strip.bars
        if bar.kind == kind
        for found in SEGMENT.findall(bar.path)
    ]
    unit = DAY / WIDTH
    for one in stretches:
        first = (one.start - (NOON - DAY)) // unit
        last = max((one.end - (NOON - DAY)) // unit, first + 1)
        assert any(
            kind is one.kind and left <= first and last <= left + width
            for kind, left, _, width, _, _ in seen
        )
    of_kind = {kind: [bar for bar in seen if bar[0] is kind] for kind in SecondKind}
    for bars in of_kind.values():
        assert len(bars) <= WIDTH // 2
        assert all(a[1] + a[3] < b[1] for a, b in pairwise(bars))
    for kind, left, top, width, height, back in seen:
        assert 0 <= left < WIDTH
        assert 1 <= width == back
        assert left + width <= WIDTH
        assert (top, height) == BARS[kind]
    whole = sum((one.end - one.start for one in stretches), timedelta())
    assert whole == DAY


def test_a_gap_of_two_minutes_is_left_open():
    _, strip = drawn(7200, 7320, kinds=[SecondKind.UP, SecondKind.DOWN, SecondKind.UP])
    paths = {bar.kind: bar.path for bar in strip.bars}
    assert paths["up"] == "M0 5h60v10h-60zM61 5h659v10h-659z"
    assert paths["down"] == "M60 0h1v20h-1z"


def test_a_day_of_a_thousand_short_stretches_is_few_bars_and_nothing_made_up():
    second = timedelta(seconds=1)
    ends = [NOON - DAY + n * 80 * second for n in range(1081)]
    kinds = [SecondKind.UP, SecondKind.EXCLUDED] * 540
    found = [Stretch(a, b, k) for a, b, k in zip(ends[:-1], ends[1:], kinds, strict=True)]
    strip = strip_of(found, since=NOON - DAY, until=NOON)
    paths = {bar.kind: bar.path for bar in strip.bars}
    assert max(path.count("M") for path in paths.values()) <= WIDTH // 2
    assert strip.words == "alive 12 h, not expected 12 h"


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0, "0 min"), (59, "59 min"), (60, "1 h"), (127, "2 h 7 min"), (7000, "116 h")],
)
def test_durations_are_said_to_the_minute(minutes, said):
    assert lasting(timedelta(minutes=minutes)) == said


def test_an_availability_is_never_a_bare_percentage_and_nothing_is_no_percentage():
    shown = Availability(Seconds(up=9 * 3600, excluded=15 * 3600))
    assert (shown.percent, shown.judged, shown.poor) == ("100.00 %", "9 h", False)
    assert Availability(Seconds(excluded=3600)).percent == ""
    assert Availability(Seconds(up=86_399, down=1)).percent == "99.99 %"
    assert Availability(Seconds(up=80, down=20, unknown=7200)).unheard == "2 h"


def told(**known):
    facts = {
        "retries_completed": 0,
        "retries_ended": 0,
        "rolled_back": 0,
        "rollback_p95": None,
        "escalated": 0,
        "escalation_p95": None,
        "reviews_triggered": 0,
        "reviews_eligible": 0,
        "interventions": 0,
        "days": 1.0,
        "repeats": None,
        "learnings": 0,
    }
    shown = promises(targets(Facts(**(facts | known))), Period.DAY)
    return {one.key: (one.value, one.counts, one.mark.word) for one in shown}


def test_promises_without_data_say_what_did_not_happen():
    found = told()
    assert found["retry_success"] == ("", "nothing was retried", "No data yet")
    assert found["rollback"] == ("", "nothing had to be rolled back", "No data yet")
    assert found["ceo_interventions"] == ("0.0 a day", "0 times in 24 h", "Kept")


def test_promises_are_counts_until_there_is_enough_to_speak_of_a_share():
    found = told(retries_completed=6, retries_ended=7, reviews_triggered=19, reviews_eligible=20)
    assert found["retry_success"] == ("6 of 7", "", "Kept")
    assert found["reviews"] == ("95.0 %", "(19 of 20)", "Missed")


def test_promises_in_time_say_how_many_they_are_made_of():
    found = told(rolled_back=40, rollback_p95=93.4, escalated=1, escalation_p95=2400.0)
    assert found["rollback"] == ("1 min 33 s", "19 of 20 were faster; 40 times", "Kept")
    assert found["escalation"] == ("40 min", "the slowest; 1 time", "Missed")
