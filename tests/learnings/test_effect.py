"""Whether a learning helped: the exact test, and how often it is wrong."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from learnings.policy.effect import (
    ALPHA,
    ENOUGH_UNTREATED,
    Comparison,
    Span,
    binomial_at_most,
    conformal_p,
    judge,
    pooled,
)
from learnings.states import Verdict


def compared(before, after, *, attempts=(1_000, 1_000)):
    return Comparison(before=Span(before, attempts[0]), after=Span(after, attempts[1]))


@pytest.mark.parametrize(
    ("before", "after", "attempts", "p"),
    [
        (3, 0, (100, 100), 0.125),  # ½³
        (5, 0, (100, 100), 0.03125),  # ½⁵
        (4, 1, (100, 100), 0.1875),  # (1 + 5) ÷ 2⁵
        (8, 2, (100, 100), 0.0546875),  # (1 + 10 + 45) ÷ 2¹⁰
        (3, 0, (100, 300), 0.015625),  # ¼³: three times as much to fail at
        (0, 3, (100, 100), 1.0),
        (0, 0, (100, 100), 1.0),
    ],
)
def test_the_exact_test_gives_what_a_hand_computes(before, after, attempts, p):
    assert compared(before, after, attempts=attempts).p() == pytest.approx(p, abs=1e-12)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(1, 5_000), st.integers(1, 5_000))
def test_the_exact_test_agrees_with_scipy(before, after, attempts_before, attempts_after):
    mine = compared(before, after, attempts=(attempts_before, attempts_after)).p()
    if before + after == 0:
        assert mine == 1.0
        return
    share = attempts_after / (attempts_before + attempts_after)
    theirs = binomtest(after, before + after, share, alternative="less").pvalue
    assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_a_million_failures_are_weighed_without_a_million_steps():
    assert binomial_at_most(499_000, 1_000_000, 0.5) == pytest.approx(
        binomtest(499_000, 1_000_000, 0.5, alternative="less").pvalue, rel=1e-6
    )
    assert binomial_at_most(10**9, 2 * 10**9, 0.5) == pytest.approx(0.5, abs=1e-4)


def test_without_attempts_nothing_can_be_said():
    nothing = compared(3, 0, attempts=(100, 0))
    assert nothing.p() == 1.0
    assert nothing.ratio is None
    assert compared(3, 0, attempts=(0, 100)).p() == 1.0
    assert compared(0, 0).ratio is None
    assert Span(1, 0).per_100 is None


def test_a_rate_is_failures_per_hundred_attempts():
    assert Span(3, 200).per_100 == 1.5
    assert compared(6, 3, attempts=(300, 300)).ratio == 0.5


@pytest.mark.parametrize(
    ("before", "after", "repeats", "complete", "verdict"),
    [
        # (1 ÷ 1.63)⁷ = 0.033: fewer than the usual fall explains.
        (7, 0, 0, True, Verdict.WORKING),
        # (1 ÷ 1.63)⁶ = 0.053: not sure enough.
        (6, 0, 0, True, Verdict.UNPROVEN),
        # The 28 days aren't over: nobody looks yet.
        (7, 0, 0, False, Verdict.UNPROVEN),
        # Sure (P(≤ 500 of 1,500) with the share 0.63 ÷ 1.63), but not halved.
        (1_000, 500, 0, True, Verdict.UNPROVEN),
        (1_000, 499, 0, True, Verdict.WORKING),
        # Three of those who were told met it again.
        (7, 3, 3, True, Verdict.NOT_WORKING),
        (7, 3, 3, False, Verdict.NOT_WORKING),
        (100, 3, 3, True, Verdict.NOT_WORKING),
        (7, 2, 2, True, Verdict.UNPROVEN),
    ],
)
def test_a_verdict_needs_a_sure_and_large_fall_and_few_repeats(
    before, after, repeats, complete, verdict
):
    found = judge(compared(before, after), exposed_repeats=repeats, complete=complete)
    assert found.verdict is verdict
    assert (found.p is None) is (not complete)


def test_with_enough_untreated_patterns_they_are_what_it_is_compared_with():
    fell_as_well = [compared(7, 0)] * ENOUGH_UNTREATED
    stayed = [compared(7, 6)] * ENOUGH_UNTREATED
    alone = judge(compared(7, 0), exposed_repeats=0, complete=True)
    same = judge(compared(7, 0), exposed_repeats=0, complete=True, untreated=fell_as_well)
    better = judge(compared(7, 0), exposed_repeats=0, complete=True, untreated=stayed)
    assert alone.verdict is Verdict.WORKING
    assert (same.verdict, same.p, same.untreated_ratio) == (Verdict.UNPROVEN, 1.0, 0.0)
    # 1 ÷ 20 is not below 0.05.
    assert better.p == 0.05
    assert better.verdict is Verdict.UNPROVEN
    more = judge(compared(7, 0), exposed_repeats=0, complete=True, untreated=[*stayed, *stayed])
    assert (more.verdict, more.untreated) == (Verdict.WORKING, 2 * ENOUGH_UNTREATED)
    assert more.untreated_ratio == pytest.approx(6 / 7)


def test_too_few_untreated_patterns_are_shown_but_decide_nothing():
    found = judge(compared(7, 0), exposed_repeats=0, complete=True, untreated=[compared(7, 0)] * 5)
    assert (found.verdict, found.untreated, found.untreated_ratio) == (Verdict.WORKING, 0, 0.0)


def test_pooled_patterns_are_added_up():
    assert pooled([compared(7, 1), compared(3, 4)]) == compared(10, 5, attempts=(2_000, 2_000))


@given(st.floats(0, 1), st.lists(st.floats(0, 1), max_size=30))
def test_a_conformal_p_counts_who_fell_as_clearly(p, others):
    found = conformal_p(p, others)
    assert 0 < found <= 1
    assert found == (1 + len([other for other in others if other <= p])) / (1 + len(others))


# --- How often a pattern that nobody was told of would be called working -----------------------


def poisson(rng, mean):
    count, left = 0, rng.expovariate(1)
    while left < mean:
        count += 1
        left += rng.expovariate(1)
    return count


def untreated(rng, *, dies):
    """A pattern that was picked for at least three failures in a week of the four before.

    Its rate is one of many, as rates of mistakes are; with the chance `dies` it ends by itself
    when the four weeks are over.
    """
    while True:
        rate = rng.gammavariate(0.6, 1.5)
        weeks = [poisson(rng, rate) for _ in range(4)]
        if weeks[3] >= 3:
            after = 0.0 if rng.random() < dies else 4 * rate
            return compared(sum(weeks), poisson(rng, after))


# Without untreated patterns to compare with, one that ends by itself can't be told from one that
# a learning ended; a fall to the usual share can.
@pytest.mark.parametrize(("dies", "controls"), [(0.0, 60), (0.2, 60), (0.5, 60), (0.0, 0)])
def test_patterns_that_fall_by_themselves_are_seldom_called_working(dies, controls):
    rng = random.Random(20_261_121)
    trials = 600
    wrong = 0
    for _ in range(trials):
        others = [untreated(rng, dies=dies) for _ in range(controls)]
        found = judge(untreated(rng, dies=dies), exposed_repeats=0, complete=True, untreated=others)
        wrong += found.verdict is Verdict.WORKING
    # A fair test errs in 5 % of 600 at most: 30, and 43 once in a hundred such runs.
    assert wrong <= binomial_limit(trials, ALPHA)


def binomial_limit(trials, share):
    """The most that 99 of 100 fair runs show."""
    return next(k for k in range(trials) if binomial_at_most(k, trials, share) > 0.99)


def test_the_plain_test_would_err_more_often():
    rng = random.Random(20_261_121)
    found = [untreated(rng, dies=0.2) for _ in range(600)]
    plain = sum(one.p() < ALPHA for one in found)
    assert plain > binomial_limit(600, ALPHA)


def test_a_pattern_that_a_learning_ends_is_called_working():
    rng = random.Random(20_261_121)
    right = 0
    for _ in range(200):
        before = untreated(rng, dies=0)
        others = [untreated(rng, dies=0) for _ in range(60)]
        treated = Comparison(before=before.before, after=Span(0, 1_000))
        found = judge(treated, exposed_repeats=0, complete=True, untreated=others)
        right += found.verdict is Verdict.WORKING
    assert right > 100
