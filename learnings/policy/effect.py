"""Whether a learning helped: the same mistake's rate before and after, with an exact test.

Two Poisson counts n1 (before) and n2 (after) over m1 and m2 attempts: given their sum, n2 is
binomial with the share m2 / (m1 + m2) when nothing changed. That is the conditional test of
Przyborowski and Wilenski ("Homogeneity of results in testing samples from Poisson series",
Biometrika 31, 1940). It is one-sided, since only a fall is asked for.

What makes it honest is what it is compared with. A pattern is picked for having been frequent, so
it falls without any treatment; measured, to 0.63–0.82 of its rate. So the test isn't against "as
often as before" but against what untreated patterns did: where there are enough of them, by their
own p-values (a conformal p-value, Vovk et al., "Algorithmic Learning in a Random World", 2005,
which is right however they fall, as long as the treated one is not another kind of pattern), else
by the lower end of that usual fall. It is asked once, when the days after publication are over:
asking every week until it says yes would say yes too often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import exp, lgamma, log

from learnings.states import Verdict

SPAN = timedelta(days=28)
"""How long before and after publication is compared."""
ALPHA = 0.05
"""How often a pattern that fell by itself may be called working."""
FALL = 0.5
"""A rate that isn't at least halved is not called working, however sure the fall is."""
MOST_REPEATS = 2
"""More repeats among those who were told, and the learning doesn't work."""
USUAL_FALL = 0.63
"""To this share of its rate a frequent pattern falls by itself; the lowest of what was measured."""
ENOUGH_UNTREATED = 19
"""With fewer, no conformal p-value can be below `ALPHA`."""
_NEGLIGIBLE = 1e-17


@dataclass(frozen=True, slots=True)
class Span:
    """What happened in some days."""

    failures: int
    """Of the pattern, whoever met it."""
    attempts: int
    """All that were finished, whatever became of them: how much there was to fail at."""

    @property
    def per_100(self) -> float | None:
        """Failures per 100 attempts; None without any attempt."""
        return 100 * self.failures / self.attempts if self.attempts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A pattern before and after, over equally many days."""

    before: Span
    after: Span

    @property
    def ratio(self) -> float | None:
        """The rate after ÷ the rate before; None without attempts or failures to compare."""
        was, now = self.before.per_100, self.after.per_100
        return None if was is None or now is None or was == 0 else now / was

    def p(self, *, fall: float = 1.0) -> float:
        """How likely so few failures after are if its rate only went to `fall` of what it was."""
        weight = fall * self.after.attempts
        if weight <= 0 or self.before.attempts == 0:
            return 1.0
        share = weight / (self.before.attempts + weight)
        return binomial_at_most(
            self.after.failures, self.before.failures + self.after.failures, share
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What can be said of a learning."""

    verdict: Verdict
    ratio: float | None
    p: float | None
    """How often a pattern that nobody was told of falls as far; None before it can be said."""
    untreated: int
    """Compared with so many untreated patterns; 0: with the usual fall."""
    untreated_ratio: float | None
    """Their rate after ÷ before, all together."""


def binomial_at_most(k: int, n: int, share: float) -> float:
    """P(X ≤ k) of X ~ Bin(n, share), 0 < share < 1, to about 1e-12; work grows with √n at most."""
    if k >= n:
        return 1.0
    if k < 0:
        return 0.0
    if k < n * share:
        return min(1.0, _tail(k, n, share))
    # P(X ≥ k + 1) seen from the other side: failures and successes change places.
    return max(0.0, 1.0 - _tail(n - k - 1, n, 1 - share))


def _tail(k: int, n: int, share: float) -> float:
    """P(X ≤ k) below the mean, where each term is smaller than the one above it."""
    odds = (1 - share) / share
    term = exp(
        lgamma(n + 1)
        - lgamma(k + 1)
        - lgamma(n - k + 1)
        + k * log(share)
        + (n - k) * log(1 - share)
    )
    total = term
    for i in range(k, 0, -1):
        term *= i / (n - i + 1) * odds
        total += term
        if term < total * _NEGLIGIBLE:
            break
    return total


def conformal_p(p: float, untreated: Sequence[float]) -> float:
    """The share of patterns, this one counted among them, whose fall looks as clear as `p`."""
    return (1 + sum(other <= p for other in untreated)) / (1 + len(untreated))


def judge(
    treated: Comparison,
    *,
    exposed_repeats: int,
    complete: bool,
    untreated: Sequence[Comparison] = (),
) -> Effect:
    """What can be said of a learning now.

    `exposed_repeats` are those of agents that had been told; `complete` says whether `SPAN` has
    passed since publication; `untreated` are patterns of the same weeks, picked in the same way,
    that nobody was told of.
    """
    enough = len(untreated) >= ENOUGH_UNTREATED
    p = _p(treated, untreated if enough else ()) if complete else None
    ratio = treated.ratio
    if exposed_repeats > MOST_REPEATS:
        verdict = Verdict.NOT_WORKING
    elif p is not None and p < ALPHA and ratio is not None and ratio < FALL:
        verdict = Verdict.WORKING
    else:
        verdict = Verdict.UNPROVEN
    return Effect(
        verdict=verdict,
        ratio=ratio,
        p=p,
        untreated=len(untreated) if enough else 0,
        untreated_ratio=pooled(untreated).ratio if untreated else None,
    )


def _p(treated: Comparison, untreated: Sequence[Comparison]) -> float:
    if not untreated:
        return treated.p(fall=USUAL_FALL)
    return conformal_p(treated.p(), [other.p() for other in untreated])


def pooled(comparisons: Sequence[Comparison]) -> Comparison:
    """All of them as one; each brings its own attempts."""
    return Comparison(
        before=_sum([one.before for one in comparisons]),
        after=_sum([one.after for one in comparisons]),
    )


def _sum(spans: Sequence[Span]) -> Span:
    return Span(sum(one.failures for one in spans), sum(one.attempts for one in spans))
