"""What was measured of a learning, in sentences that need no statistics."""

from __future__ import annotations

from typing import Protocol

from learnings.policy.effect import ALPHA, MOST_REPEATS, SPAN, USUAL_FALL
from learnings.states import Verdict


class Measured(Protocol):
    """The counts before and after, as they are stored."""

    failures_before: int
    attempts_before: int
    failures_after: int
    attempts_after: int
    exposed_repeats: int
    unexposed_repeats: int
    untreated: int
    untreated_ratio: float | None
    ratio: float | None
    p: float | None
    complete: bool
    verdict: str


def said_of(found: Measured | None) -> list[str]:
    """Sentences: the counts, what came back to whom, the comparison, and the verdict last."""
    if found is None:
        return ["Nothing was measured yet."]
    days = SPAN.days
    sentences = [
        f"In the {days} days before it was told: {_times(found.failures_before)}"
        f" in {found.attempts_before:,} attempts"
        f"{_rate(found.failures_before, found.attempts_before)}."
        f" {'In' if found.complete else 'So far, of'} the {days} days after:"
        f" {_times(found.failures_after)} in {found.attempts_after:,} attempts"
        f"{_rate(found.failures_after, found.attempts_after)}.",
        f"Came back {_times(found.exposed_repeats)} to agents that had been told,"
        f" and {_times(found.unexposed_repeats)} to agents that had not.",
    ]
    if found.untreated_ratio is not None:
        sentences.append(
            "Patterns of the same weeks that nobody was told of went to"
            f" {found.untreated_ratio:.2f} of their rate."
        )
    return [*sentences, _verdict(found)]


def _verdict(found: Measured) -> str:
    if found.verdict == Verdict.NOT_WORKING:
        return (
            f"Not working: more than {MOST_REPEATS} times it came back to those who had been told."
        )
    if not found.complete:
        return f"Unproven: it is judged when the {SPAN.days} days are over."
    if found.p is None or found.ratio is None:
        return "Unproven: there is nothing to compare."
    compared = (
        f"{found.untreated} patterns that nobody was told of"
        if found.untreated
        else f"the usual fall of a frequent pattern, to {USUAL_FALL} of its rate"
    )
    chance = f"compared with {compared}, chance does this in {_percent(found.p)} of cases"
    if found.verdict == Verdict.WORKING:
        return f"Working: it fell to {found.ratio:.2f} of its rate; {chance}."
    if found.p < ALPHA:
        return f"Unproven: it fell to {found.ratio:.2f} of its rate only; {chance}."
    return f"Unproven: {chance}, and {_percent(ALPHA)} would be the limit."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _rate(failures: int, attempts: int) -> str:
    return f" ({100 * failures / attempts:.2g} of 100)" if attempts else ""


def _percent(share: float) -> str:
    return "less than 0.1 %" if share < 0.001 else f"{100 * share:.2g} %"
