"""What each second of an agent's time was: against brute force, and each odd case by itself."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from agents.policy_pauses import Span
from monitoring.policy_runs import pieces_of_text, text_of
from monitoring.policy_uptime import (
    History,
    SecondKind,
    Seconds,
    hourly,
    percent,
    second,
    seconds_of,
    stretches,
    stretches_of,
    sum_of,
)
from tests.monitoring.lives import DAY0, SECOND, at, brute_force, random_life, span

HISTORIES = 4_000
MINUTE = 60
FOREVER = [span(-(10**6), 10**6)]
DAY = 24 * 3600
ALWAYS = span(-DAY, 2 * DAY)


def day(**known: object) -> Seconds:
    """A day of an agent that is expected throughout, EVOX listening, its life proven for 5 min."""
    fields: dict = {"proof": 5 * MINUTE * SECOND, "expected": [ALWAYS], **known}
    listening = fields.pop("listening", FOREVER)
    return seconds_of(History(**fields), listening=listening, since=at(0), until=at(DAY))


def test_seconds_equal_brute_force_on_thousands_of_random_lives() -> None:
    chance = random.Random(20260321)
    for number in range(HISTORIES):
        length = chance.choice([60, 150, 400])
        history, listening = random_life(chance, length)
        since = at(chance.uniform(-5, length / 4))
        until = since + chance.uniform(0, length) * SECOND
        expected = brute_force(history, listening, since, until)
        found = seconds_of(history, listening=listening, since=since, until=until)
        assert found == expected, number


def test_any_cut_of_the_window_adds_up_to_the_whole() -> None:
    chance = random.Random(7)
    for number in range(1_500):
        length = 3 * 3600
        history, listening = random_life(chance, length)
        cuts = sorted(at(chance.uniform(0, length)) for _ in range(chance.randrange(6)))
        edges = [at(0), *cuts, at(length)]
        parts = [
            seconds_of(history, listening=listening, since=a, until=b)
            for a, b in itertools.pairwise(edges)
        ]
        whole = seconds_of(history, listening=listening, since=at(0), until=at(length))
        assert sum(parts, Seconds()) == whole, number
        hours = hourly(history, listening=listening, since=at(0), until=at(length))
        sums = [sum_of(pieces) for pieces in hours.values()]
        assert sum(sums, Seconds()) == whole, number
        assert [hour.window for hour in sums] == [3600] * 3
        for hour, pieces in hours.items():
            kept = list(pieces_of_text(second(hour), text_of(pieces)))
            assert sum_of(kept) == sum_of(pieces), number
            assert stretches_of(kept) == stretches_of(pieces), number
        assert whole.window == length


def test_stretches_are_the_seconds_in_a_row_and_neighbours_differ() -> None:
    chance = random.Random(11)
    for _ in range(500):
        history, listening = random_life(chance, 400)
        found = stretches(history, listening=listening, since=at(0), until=at(400))
        whole = seconds_of(history, listening=listening, since=at(0), until=at(400))
        for kind in SecondKind:
            length = sum((s.end - s.start) // SECOND for s in found if s.kind is kind)
            assert length == getattr(whole, kind.value)
        assert [s.start for s in found] == [at(0), *(s.end for s in found[:-1])]
        assert all(a.kind is not b.kind for a, b in itertools.pairwise(found))


def test_the_day_with_two_hours_of_life_and_one_late_beat_is_8_68_percent_not_100() -> None:
    found = day(alive=[span(0, 120 * MINUTE), span(1430 * MINUTE, 1435 * MINUTE)])

    assert found == Seconds(up=125 * MINUTE, down=1315 * MINUTE)
    assert percent(found.uptime) == "8.68 %"
    assert not found.coverage_matters


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (Seconds(up=999_999, down=1), "99.99 %"),
        (Seconds(up=2_592_000 - 1, down=1), "99.99 %"),
        (Seconds(up=1, down=0), "100.00 %"),
        (Seconds(up=2, down=1), "66.66 %"),
        (Seconds(up=0, down=9), "0.00 %"),
        (Seconds(up=1, down=99_999), "0.00 %"),
        (Seconds(excluded=3600), "no data"),
        (Seconds(unknown=3600), "no data"),
        (Seconds(), "no data"),
    ],
)
def test_a_share_is_floored_and_is_100_only_without_a_second_of_down(
    seconds: Seconds, shown: str
) -> None:
    assert percent(seconds.uptime) == shown


def test_a_paused_agent_counts_neither_for_nor_against_even_while_it_lives() -> None:
    found = day(alive=[span(0, DAY)], excluded=[span(DAY // 2, DAY)])

    assert found == Seconds(up=DAY // 2, excluded=DAY // 2)
    assert (found.coverage, found.coverage_matters) == (5_000, True)


def test_pauses_that_overlap_are_counted_once() -> None:
    rests = [span(0, 3600), span(1800, 5400), span(1800, 1800)]
    assert day(excluded=rests) == Seconds(down=DAY - 5400, excluded=5400)


def test_a_retired_agent_leaves_the_sums_when_it_retires() -> None:
    assert day(retired_at=at(3600)) == Seconds(down=3600, excluded=DAY - 3600)


def test_a_new_agent_is_not_held_to_the_time_before_it_was_made() -> None:
    found = day(alive=[span(DAY - 60, DAY)], created_at=at(DAY - 60))
    assert found == Seconds(up=60, excluded=DAY - 60)


def test_a_gap_in_evoxs_own_listening_is_unknown_and_so_is_the_time_a_beat_would_have_proven() -> (
    None
):
    found = day(alive=[span(0, 3600)], listening=[span(-DAY, 7200), span(10_800, 2 * DAY)])

    # Down from 3,600 to 7,200, deaf until 10,800, and 300 s later a silence counts again.
    assert found.unknown == 10_800 - 7_200 + 300
    assert found == Seconds(up=3600, down=DAY - 3600 - found.unknown, unknown=found.unknown)


def test_what_is_proven_stays_proven_while_evox_does_not_listen() -> None:
    found = day(alive=[span(0, DAY)], listening=[])
    assert found == Seconds(up=DAY)


def test_without_any_record_of_listening_silence_is_unknown_never_down() -> None:
    assert day(listening=[]) == Seconds(unknown=DAY)


def test_an_agent_that_is_not_expected_is_never_down() -> None:
    assert day(expected=[]) == Seconds(excluded=DAY)


def test_life_outside_of_what_was_expected_lifts_no_share() -> None:
    found = day(expected=[span(0, 3600)], alive=[span(1800, 7200)])
    assert found == Seconds(up=1800, down=1800, excluded=DAY - 3600)


def test_a_stuck_agent_is_alive_and_its_productive_time_is_another_figure() -> None:
    found = day(alive=[ALWAYS], held=[span(0, 7200)], stuck=[span(3600, 9000)])
    assert found == Seconds(up=DAY, productive=3600)


def test_work_that_is_held_by_a_dead_agent_is_not_productive() -> None:
    assert day(alive=[span(0, 100)], held=[span(0, 7200)]).productive == 100


def test_several_sessions_at_once_are_one_expectation() -> None:
    found = day(expected=[span(0, 3600), span(600, 1200), span(3000, 4000)], alive=[])
    assert found == Seconds(down=4000, excluded=DAY - 4000)


def test_a_beat_at_the_very_end_of_the_last_ones_life_leaves_no_gap() -> None:
    assert day(alive=[span(0, 3600), span(3600, DAY)]) == Seconds(up=DAY)


def test_an_empty_window_has_no_share_and_no_coverage() -> None:
    found = seconds_of(History(proof=SECOND), listening=[], since=at(0), until=at(0))
    assert (found, found.uptime, found.coverage) == (Seconds(), None, None)
    assert found.coverage_matters


@pytest.mark.parametrize(
    ("date", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)]
)
def test_a_day_on_which_clocks_change_has_as_many_seconds_as_it_had(
    date: tuple[int, int, int], hours: int
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    since = datetime(*date, tzinfo=berlin)
    until = datetime(date[0], date[1], date[2] + 1, tzinfo=berlin)
    silent_from = since.astimezone(UTC) + timedelta(hours=1)
    history = History(
        proof=SECOND,
        alive=[Span(since, silent_from.astimezone(berlin))],
        expected=[Span(since, until)],
    )
    always = [Span(since - timedelta(days=1), until)]

    found = seconds_of(history, listening=always, since=since, until=until)

    assert found == Seconds(up=3600, down=(hours - 1) * 3600)
    parts = hourly(history, listening=always, since=since, until=until)
    assert len(parts) == hours
    assert all(start.tzinfo is UTC for start in parts)


def test_the_zone_that_an_instant_is_told_in_makes_no_difference() -> None:
    chance = random.Random(3)
    zones = [ZoneInfo(z) for z in ("Europe/Berlin", "Asia/Kathmandu", "America/St_Johns")]

    def told(one: Span) -> Span:
        return Span(*(t.astimezone(chance.choice(zones)) for t in (one.start, one.end)))

    for _ in range(200):
        history, listening = random_life(chance, 8 * 3600)
        lanes = ("alive", "expected", "excluded", "held", "stuck")
        moved = replace(history, **{n: [told(s) for s in getattr(history, n)] for n in lanes})
        window = {"since": DAY0, "until": at(8 * 3600)}
        here = seconds_of(history, listening=listening, **window)
        there = seconds_of(moved, listening=[told(s) for s in listening], **window)
        assert here == there
