"""What a run measured, as a table, and the goals that it is held to."""

from __future__ import annotations

import math
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from benchmarks.chaos.books import Books, why_exhausted
from benchmarks.chaos.fleet import Kill
from benchmarks.chaos.plan import Plan
from benchmarks.chaos.system import ROOT

RECOVERY_GOAL = 20.0
LATENESS_GOAL = 15.0


@dataclass
class Run:
    """What the harness itself counted."""

    plan: Plan
    done: Counter[str] = field(default_factory=Counter)
    kills: list[Kill] = field(default_factory=list)
    zombies: int = 0
    unblocked: int = 0
    longest_without_beat: float = 0.0
    quiet: tuple[float, float] = (0.0, 0.0)
    """From when until when nobody called, so that beat alone swept."""
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds that each took."""

    def is_quiet(self, at: float) -> bool:
        """Whether beat alone can have done what was done then."""
        return self.quiet[0] <= at <= self.quiet[1]


@dataclass(frozen=True)
class Measured:
    """Seconds: how late, in the chaos and with beat alone."""

    recovery: list[float]
    """From the SIGKILL of a lease's holder until its dispatch can be claimed, less the lease."""
    recovery_by_beat: list[float]
    retry: list[float]
    """From a retry's due time until it can be claimed."""
    retry_by_beat: list[float]


def measure(books: Books, run: Run) -> Measured:
    """The four rows of figures."""
    left = {(move.dispatch, move.epoch): move.at for move in books.moves if move.old == "running"}
    killed = {kill.session: kill for kill in run.kills}
    recovery: dict[str, list[float]] = {"chaos": [], "beat": []}
    for attempt in books.attempts:
        kill = killed.get(attempt.session)
        if kill is None or attempt.outcome != "lost" or (attempt.closed_at or 0) < kill.at:
            continue
        at = left[attempt.dispatch, attempt.epoch]
        if kill.phase == "chaos" or run.is_quiet(at):
            recovery[kill.phase].append(at - kill.at - run.plan.lease)
    due = [move for move in books.moves if (move.old, move.new) == ("retrying", "pending")]
    return Measured(
        recovery=recovery["chaos"],
        recovery_by_beat=recovery["beat"],
        retry=[move.at - (move.due or 0) for move in due if not run.is_quiet(move.at)],
        retry_by_beat=[move.at - (move.due or 0) for move in due if run.is_quiet(move.at)],
    )


def missed_goals(found: Measured, books: Books, plan: Plan) -> list[str]:
    """What was too late, early, or too little to mean anything."""
    missed = [
        *_late("a kill's recovery beyond the lease", found.recovery, RECOVERY_GOAL),
        *_late("the same by beat alone", found.recovery_by_beat, RECOVERY_GOAL),
        *_late("a retry", found.retry, LATENESS_GOAL, never_early=True),
        *_late("a retry by beat alone", found.retry_by_beat, LATENESS_GOAL, never_early=True),
    ]
    for what, count, least in (
        ("killed agents held a lease", len(found.recovery), plan.least_held_kills),
        ("kills were measured by beat alone", len(found.recovery_by_beat), plan.probes * 3 // 4),
        ("stale reports came", sum(refusals(books).values()), plan.least_stale),
    ):
        if count < least:
            missed.append(f"Only {count} {what}, {least} at least were wanted.")
    return missed


def _late(name: str, values: list[float], goal: float, *, never_early: bool = False) -> list[str]:
    if not values:
        return [f"Not measured: {name}."]
    missed = []
    late = percentile(values, 99)
    if late > goal:
        missed.append(f"Late: {name}, {late:.2f} s (p99), allowed are {goal:g} s.")
    if never_early and min(values) < 0:
        missed.append(f"Early: {name}, by {-min(values):.3f} s.")
    return missed


def refusals(books: Books) -> Counter[str]:
    """Reports answered with 409, by their code."""
    return Counter(
        line["said"]["error"]["code"]
        for line in books.journal
        if line["ev"] == "answer" and line["http"] == 409
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """By nearest rank: a value that was measured."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def table(books: Books, run: Run, found: Measured) -> str:
    """Everything that a reader needs to judge the run."""
    plan = run.plan
    events = Counter(line["ev"] for line in books.journal)
    rows = [
        ("seed", str(plan.seed)),
        ("commit", commit()),
        ("machine", machine()),
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("settings", " ".join(f"{k}={v}" for k, v in plan.environment().items())),
        ("seconds", ", ".join(f"{name} {took:.0f}" for name, took in run.phases.items())),
        ("agents", f"{plan.agents}, and {plan.probes} more for the phase of beat alone"),
        ("dispatches", f"{len(books.dispatches)}: {_statuses(books)}"),
        ("exhausted because", _counts(Counter(_reasons(books)))),
        (
            "attempts",
            f"{len(books.attempts)}: {_outcomes(books)}",
        ),
        ("SIGKILLs of agents", _kills(books, run)),
        ("and of", _counts(run.done)),
        ("zombies", f"{run.zombies} stopped past their lease, {_silent(books)} late by themselves"),
        ("stale reports refused", _counts(refusals(books))),
        ("reports accepted", f"{_accepted(books)}, each attempt's first answer every time"),
        ("connections cut by agents", f"{events['hang_up']}; {_replayed(books)}"),
        ("calls without an answer", _counts(Counter(_unanswered(books)))),
        ("unblocked by a person", str(run.unblocked)),
        ("longest without beat's sweep", f"{run.longest_without_beat:.0f} s"),
    ]
    wide = max(len(name) for name, _ in rows)
    lines = [f"{name:<{wide}}  {value}" for name, value in rows]
    lines += ["", f"{'seconds':<46}{'n':>5}{'min':>8}{'p50':>8}{'p99':>8}{'max':>8}{'goal':>8}"]
    for name, values, goal in (
        ("SIGKILL until claimable, less the lease", found.recovery, RECOVERY_GOAL),
        ("  the same, beat alone sweeping", found.recovery_by_beat, RECOVERY_GOAL),
        ("a retry's due time until claimable", found.retry, LATENESS_GOAL),
        ("  the same, beat alone sweeping", found.retry_by_beat, LATENESS_GOAL),
    ):
        lines.append(f"{name:<46}{_row(values)}{goal:>8.1f}")
    return "\n".join(lines)


def _row(values: list[float]) -> str:
    if not values:
        return f"{0:>5}" + f"{'–':>8}" * 4
    shown = (min(values), percentile(values, 50), percentile(values, 99), max(values))
    return f"{len(values):>5}" + "".join(f"{value:>8.2f}" for value in shown)


def _statuses(books: Books) -> str:
    return _counts(Counter(found.status for found in books.dispatches))


def _outcomes(books: Books) -> str:
    return _counts(Counter(found.outcome for found in books.attempts))


def _reasons(books: Books) -> list[str]:
    return [why_exhausted(d, books) for d in books.dispatches if d.status == "exhausted"]


def _kills(books: Books, run: Run) -> str:
    phases = Counter(kill.phase for kill in run.kills)
    poisoned = sum(line["ev"] == "poisoned" for line in books.journal)
    return f"{phases['chaos']} in the chaos, {phases['beat']} after it, {poisoned} by poisoned work"


def _silent(books: Books) -> int:
    return sum(line["ev"] == "silent" for line in books.journal)


def _accepted(books: Books) -> int:
    return sum(line["ev"] == "answer" and line["http"] == 200 for line in books.journal)


def _replayed(books: Books) -> str:
    """How many reports whose first answer went unread were answered afterwards, and how."""
    cut = {line["claim"] for line in books.journal if line["ev"] == "hang_up"}
    answers = Counter(
        str(line["http"])
        for line in books.journal
        if line["ev"] == "answer" and line["claim"] in cut
    )
    twice = Counter(
        line["claim"] for line in books.journal if line["ev"] == "answer" and line["http"] == 200
    )
    repeated = sum(count > 1 for count in twice.values())
    return f"afterwards answered {_counts(answers)}; {repeated} said twice to be sure"


def _unanswered(books: Books) -> list[str]:
    return [line["why"] for line in books.journal if line["ev"] == "no_answer"]


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(found.items())) or "none"


def commit() -> str:
    """The checkout's commit, and whether it was changed since."""
    git = ("git", "-C", str(ROOT))
    head = subprocess.run(
        [*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False
    )
    return head.stdout.strip() + (" with changes" if changed.stdout.strip() else "")


def machine() -> str:
    """Cores, memory, system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = platform.python_version()
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.platform()}, Python {python}"
