"""What a failure leads to, branch by branch; no database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agents.states import Strategy
from recovery.policy import (
    LADDER,
    GiveUp,
    Hold,
    ProgressMark,
    Retry,
    next_mark,
    next_strategy,
    plan_retry,
    printable,
    spoken,
)

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FENCE = "-----0badc0ffee00"
FIRST, REPEAT, FRESH, OTHER = (
    Strategy.FIRST_TRY,
    Strategy.REPEAT_WITH_EVIDENCE,
    Strategy.FRESH_START,
    Strategy.ALTERNATIVE_APPROACH,
)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def retry(seconds: float, strategy: Strategy, *, elsewhere: bool = False) -> Retry:
    return Retry(at=after(seconds), strategy=strategy, elsewhere=elsewhere)


PLANS = [
    # The ladder without jitter: 60, 300, 900 s, each time another strategy.
    ("first", {"attempt": 1, "used": [FIRST]}, retry(60, REPEAT)),
    ("second", {"attempt": 2, "used": [FIRST, REPEAT]}, retry(300, FRESH)),
    ("third", {"attempt": 3, "used": [FIRST, REPEAT, FRESH]}, retry(900, OTHER)),
    # Jitter 0.2: 60 × (1 + 0.2 × 0) = 60; × (1 + 0.2 × 0.5) = 66; × (1 + 0.2 × 0.999) = 71.988.
    ("drew 0", {"attempt": 1, "jitter": 0.2, "draw": 0.0}, retry(60, REPEAT)),
    ("drew 0.5", {"attempt": 1, "jitter": 0.2, "draw": 0.5}, retry(66, REPEAT)),
    ("drew 0.999", {"attempt": 1, "jitter": 0.2, "draw": 0.999}, retry(71.988, REPEAT)),
    # 300 × (1 + 0.2 × 0.25) = 315; 900 × (1 + 0.2 × 0.75) = 1035.
    ("second, 0.25", {"attempt": 2, "jitter": 0.2, "draw": 0.25}, retry(315, REPEAT)),
    ("third, 0.75", {"attempt": 3, "jitter": 0.2, "draw": 0.75}, retry(1035, REPEAT)),
    # Without jitter the draw has no say: 60 × (1 + 0 × 0.9) = 60.
    ("no jitter", {"attempt": 1, "jitter": 0.0, "draw": 0.9}, retry(60, REPEAT)),
    # Four tries: the fourth failure is the last; with one allowed, the first is.
    ("fourth", {"attempt": 4}, GiveUp()),
    ("beyond", {"attempt": 5}, GiveUp()),
    ("one allowed", {"attempt": 1, "max_attempts": 1}, GiveUp()),
    # More tries than steps: the last step, 900 s, goes on; FIRST is no rung, so REPEAT is oldest.
    (
        "fourth of ten",
        {"attempt": 4, "max_attempts": 10, "used": [FIRST, REPEAT, FRESH, OTHER]},
        retry(900, REPEAT),
    ),
    # Another backoff: step 2 of (2, 3) is 3 s; step 9 of it, too.
    ("own backoff", {"attempt": 2, "backoff": (2, 3)}, retry(3, REPEAT)),
    ("own backoff, late", {"attempt": 9, "max_attempts": 10, "backoff": (2, 3)}, retry(3, REPEAT)),
    # Not retryable beats whatever else is said.
    ("hopeless", {"attempt": 1, "retryable": False}, GiveUp()),
    ("hopeless, held", {"attempt": 1, "retryable": False, "hold_until": after(60)}, GiveUp()),
    # A hold: until then, at most a day (86,400 s) ahead, even after the last try.
    ("held", {"attempt": 1, "hold_until": after(1)}, Hold(until=after(1))),
    ("held for a week", {"attempt": 1, "hold_until": after(604_800)}, Hold(until=after(86_400))),
    ("held at the last", {"attempt": 4, "hold_until": after(90)}, Hold(until=after(90))),
    ("held for a day", {"attempt": 1, "hold_until": after(86_400)}, Hold(until=after(86_400))),
    # A hold that ended already, or ends now, is none.
    ("hold over", {"attempt": 1, "hold_until": after(-1)}, retry(60, REPEAT)),
    ("hold ends now", {"attempt": 1, "hold_until": T0}, retry(60, REPEAT)),
    # Held 19 times, it is held a 20th time; held 20 times, a hold is a failure like any other.
    ("held 19", {"attempt": 1, "hold_until": after(90), "holds": 19}, Hold(until=after(90))),
    ("held 20", {"attempt": 1, "hold_until": after(90), "holds": 20}, retry(60, REPEAT)),
    ("held 20, last", {"attempt": 4, "hold_until": after(90), "holds": 20}, GiveUp()),
    # The agent's own failure, and somebody else can: at once, 0 s instead of 60, with no jitter.
    (
        "own",
        {"attempt": 1, "agent_specific": True, "others": True, "jitter": 0.2, "draw": 0.5},
        retry(0, REPEAT, elsewhere=True),
    ),
    (
        "own, second",
        {"attempt": 2, "used": [FIRST, REPEAT], "agent_specific": True, "others": True},
        retry(0, FRESH, elsewhere=True),
    ),
    # Its own and nobody else can, or others can and it isn't: the ladder's 60 s, by the same one.
    ("own, alone", {"attempt": 1, "agent_specific": True}, retry(60, REPEAT)),
    ("not its own", {"attempt": 1, "others": True}, retry(60, REPEAT)),
    # Its own changes nothing about no try left, no hope, or a hold.
    ("own, last", {"attempt": 4, "agent_specific": True, "others": True}, GiveUp()),
    (
        "own, hopeless",
        {"attempt": 1, "agent_specific": True, "others": True, "retryable": False},
        GiveUp(),
    ),
    (
        "own, held",
        {"attempt": 1, "agent_specific": True, "others": True, "hold_until": after(90)},
        Hold(until=after(90)),
    ),
    (
        "own, held 20",
        {
            "attempt": 1,
            "agent_specific": True,
            "others": True,
            "hold_until": after(90),
            "holds": 20,
        },
        retry(0, REPEAT, elsewhere=True),
    ),
    # Another approach is another agent's when there is one: after 900 s × (1 + 0.2 × 0.5) = 990.
    (
        "another approach",
        {
            "attempt": 3,
            "used": [FIRST, REPEAT, FRESH],
            "others": True,
            "jitter": 0.2,
            "draw": 0.5,
        },
        retry(990, OTHER, elsewhere=True),
    ),
]


@pytest.mark.parametrize(("given", "plan"), [p[1:] for p in PLANS], ids=[p[0] for p in PLANS])
def test_what_a_failure_leads_to(given, plan):
    if "backoff" in given:
        given = {**given, "backoff": [timedelta(seconds=s) for s in given["backoff"]]}
    made = plan_retry(now=T0, **given)
    assert made == plan
    assert made.reason.endswith(".")
    assert ("another agent" in made.reason) == (isinstance(made, Retry) and made.elsewhere)


@pytest.mark.parametrize("attempt", [1, 2, 3])
@pytest.mark.parametrize("draw", [0.0, 1e-12, 0.3, 0.999999])
def test_no_retry_is_ever_early_nor_later_than_its_jitter(attempt, draw):
    base = [60, 300, 900][attempt - 1]
    plan = plan_retry(attempt=attempt, now=T0, jitter=0.2, draw=draw)
    assert isinstance(plan, Retry)
    assert after(base) <= plan.at <= after(base * 1.2)


def test_the_reasons_are_sentences_with_the_numbers_in_them():
    first = plan_retry(attempt=1, now=T0, used=[FIRST])
    last = plan_retry(attempt=4, now=T0)
    held = plan_retry(attempt=1, now=T0, hold_until=after(90))
    assert first.reason == (
        "Try 1 of 4 failed; the next starts in 1 min with strategy repeat_with_evidence."
    )
    assert last.reason == "Given up after 4 of 4 tries."
    assert held.reason == "Held until 09:01:30 UTC, as the agent asked."


def test_the_reasons_say_who_gets_it_and_why():
    def reason(**given):
        return plan_retry(now=T0, **given).reason

    assert reason(attempt=1, agent_specific=True, others=True) == (
        "Try 1 of 4 failed, and that is this agent's own trouble: another agent gets it now."
    )
    assert reason(attempt=1, agent_specific=True) == (
        "Try 1 of 4 failed; the next starts in 1 min with strategy repeat_with_evidence;"
        " nobody else can take it."
    )
    assert reason(attempt=3, used=[FIRST, REPEAT, FRESH], others=True) == (
        "Try 3 of 4 failed; the next starts in 15 min with strategy alternative_approach,"
        " by another agent."
    )
    assert reason(attempt=1, retryable=False) == (
        "Given up: the agent says that another try can't help."
    )


@pytest.mark.parametrize(
    ("used", "following"),
    [
        ([], REPEAT),
        ([FIRST], REPEAT),
        ([FIRST, REPEAT], FRESH),
        ([FIRST, FRESH], REPEAT),  # a rung that was skipped comes first
        ([FIRST, REPEAT, FRESH], OTHER),
        ([FIRST, REPEAT, REPEAT, REPEAT], FRESH),  # a lost try used the same one again
        ([FIRST, REPEAT, FRESH, OTHER], REPEAT),  # all used: the one used longest ago
        ([FIRST, OTHER, REPEAT, FRESH], OTHER),
        ([FIRST, REPEAT, FRESH, OTHER, REPEAT], FRESH),
    ],
)
def test_the_next_strategy_is_the_first_unused_one_or_the_oldest(used, following):
    assert next_strategy(used) is following


def test_no_strategy_repeats_until_all_were_used():
    used = [FIRST]
    for _ in range(9):
        used.append(next_strategy(used))
    assert [set(used[i : i + 3]) for i in (1, 4, 7)] == [set(LADDER)] * 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (59.6, "1 min"),  # rounds to 60 s
        (60, "1 min"),
        (61, "1 min 1 s"),
        (300, "5 min"),
        (3599.7, "1 h"),  # rounds to 3,600 s
        (3840, "1 h 4 min"),
        (3661, "1 h 1 min"),  # seconds no longer matter
        (90_000, "25 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert spoken(timedelta(seconds=seconds)) == words


def test_control_characters_are_stripped_but_not_line_ends_and_tabs():
    # ESC colours, a bell, a right-to-left override, a line separator and a zero-width space.
    assert printable("a\x1b[31mb\x07c\u202ed\u2028e\u200bf\n\tg\r") == "a[31mbcdef\n\tg"


MARKS = [
    ("a new marker", ("", 0), ("c1", None), ("c1", 0)),
    ("a changed marker", ("c1", 2), ("c2", None), ("c2", 0)),
    ("a changed marker with a note", ("c1", 3), ("c2", "on"), ("c2", 0)),
    ("the same marker", ("c1", 0), ("c1", None), None),
    ("the same marker with a note", ("c1", 0), ("c1", "still"), None),
    ("a first note", ("c1", 0), (None, "on"), ("c1", 1)),
    ("a third note", ("c1", 2), (None, "on"), ("c1", 3)),
    ("a fourth note", ("c1", 3), (None, "on"), None),
    ("a note with an empty marker", ("c1", 1), ("", "on"), ("c1", 2)),
    ("nothing", ("c1", 0), (None, None), None),
    ("an empty note", ("c1", 0), (None, ""), None),
]


@pytest.mark.parametrize(
    ("stood", "said", "stands"), [m[1:] for m in MARKS], ids=[m[0] for m in MARKS]
)
def test_what_counts_as_progress(stood, said, stands):
    mark = next_mark(
        ProgressMark(marker=stood[0], unmarked_notes=stood[1]), marker=said[0], note=said[1]
    )
    assert mark == (
        None if stands is None else ProgressMark(marker=stands[0], unmarked_notes=stands[1])
    )


def test_notes_count_again_after_a_new_marker():
    mark = ProgressMark(marker="c1", unmarked_notes=3)
    mark = next_mark(mark, marker="c2", note=None)
    assert mark is not None
    assert next_mark(mark, marker=None, note="on") == ProgressMark(marker="c2", unmarked_notes=1)
