"""The books of a run: what the database and the agents' journals say, and where they disagree."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agents.states import DISPATCH_MOVES
from benchmarks.chaos.agent import SAID
from benchmarks.chaos.system import System

OUTCOME_OF = {"complete": "succeeded", "fail": "failed", "block": "blocked"}
STALE = {"stale", "superseded", "cancelled", "expired", "finished"}


@dataclass(frozen=True)
class Dispatch:
    """A row of the queue."""

    id: int
    n: int
    kind: str
    status: str
    attempt: int
    crashes: int
    max_attempts: int
    max_crashes: int
    epoch: int
    reason: str


@dataclass(frozen=True)
class Attempt:
    """A claim; `closed_at` is when others could see that it was closed."""

    id: int
    dispatch: int
    epoch: int
    claim: str
    session: str
    outcome: str
    answer: dict[str, Any] | None
    closings: int
    closed_at: float | None


@dataclass(frozen=True)
class Move:
    """A dispatch's change of status, and when others could see it."""

    dispatch: int
    old: str
    new: str
    epoch: int
    due: float | None
    at: float


@dataclass(frozen=True)
class Books:
    """Everything that is known of a run."""

    dispatches: list[Dispatch]
    attempts: list[Attempt]
    moves: list[Move]
    journal: list[dict[str, Any]]


def read(system: System) -> Books:
    """The books as they are now."""
    dispatches = system.rows(
        """SELECT id, (payload->>'n')::int, payload->>'kind', status, attempt, crash_count,
                  max_attempts, max_crashes, lease_epoch, reason
           FROM agents_dispatch WHERE title LIKE 'Chaos %' ORDER BY id"""
    )
    attempts = system.rows(
        """SELECT a.id, dispatch_id, lease_epoch, claim, session::text, outcome, answer,
                  (SELECT count(*) FROM chaos.closings c WHERE c.attempt = a.id),
                  (SELECT extract(epoch FROM min(pg_xact_commit_timestamp(c.xmin)))::float8
                   FROM chaos.closings c WHERE c.attempt = a.id)
           FROM agents_attempt a ORDER BY dispatch_id, lease_epoch"""
    )
    moves = system.rows(
        """SELECT dispatch, old, new, epoch, extract(epoch FROM due)::float8,
                  extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8
           FROM chaos.moves ORDER BY dispatch, n"""
    )
    return Books(
        dispatches=[Dispatch(*row) for row in dispatches],
        attempts=[Attempt(*row) for row in attempts],
        moves=[Move(*row) for row in moves],
        journal=list(_journals(system)),
    )


def _journals(system: System) -> Iterator[dict[str, Any]]:
    for file in sorted(system.journals.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def violations(books: Books, *, dispatches: int) -> list[str]:
    """What must not be; empty when all is well."""
    return [
        *_of_the_queue(books, dispatches=dispatches),
        *_of_attempts(books),
        *_of_moves(books),
        *_of_reports(books),
        *_of_signs_of_life(books),
        *_done_twice(books),
        *_odd(books),
    ]


def _of_the_queue(books: Books, *, dispatches: int) -> Iterator[str]:
    numbers = Counter(found.n for found in books.dispatches)
    if sorted(numbers) != list(range(dispatches)) or len(books.dispatches) != dispatches:
        yield f"{dispatches} dispatches were queued, {len(books.dispatches)} are there."
    attempts = _by_dispatch(books)
    for found in books.dispatches:
        outcomes = [attempt.outcome for attempt in attempts[found.id]]
        succeeded = outcomes.count("succeeded")
        if found.status == "completed":
            if succeeded != 1 or outcomes[-1] != "succeeded":
                yield f"#{found.id} is completed, its attempts are {outcomes}."
        elif found.status != "exhausted":
            yield f"#{found.id} is {found.status}: {found.reason}"
        elif succeeded or why_exhausted(found, books) == "":
            yield f"#{found.id} is exhausted by no rule: {outcomes}, {found.reason}"
        if found.crashes != outcomes.count("lost"):
            yield f"#{found.id} counts {found.crashes} crashes, its attempts are {outcomes}."


def why_exhausted(found: Dispatch, books: Books) -> str:
    """The rule that ended it, or "" when there was none."""
    if found.crashes >= found.max_crashes:
        return f"{found.max_crashes} agents lost"
    if found.attempt >= found.max_attempts:
        return f"{found.max_attempts} tries failed"
    said = [line for line in answers(books) if line["d"] == found.id and not line["retryable"]]
    hopeless = "another try can't help" in found.reason
    return "the agent said that no try helps" if hopeless and said else ""


def _of_attempts(books: Books) -> Iterator[str]:
    epochs = {found.id: found.epoch for found in books.dispatches}
    for dispatch, attempts in _by_dispatch(books).items():
        claimed = [attempt.epoch for attempt in attempts]
        if claimed != list(range(1, epochs[dispatch] + 1)):
            yield f"#{dispatch} has the epoch {epochs[dispatch]} and the claims {claimed}."
    for attempt in books.attempts:
        if attempt.outcome == "running":
            yield f"Attempt {attempt.id} of #{attempt.dispatch} is left open."
        elif attempt.closings != 1:
            yield f"Attempt {attempt.id} was closed {attempt.closings} times."


def _of_moves(books: Books) -> Iterator[str]:
    legal = {(old.value, new.value) for old, new in _legal()}
    stands: dict[int, str] = {}
    for move in books.moves:
        if stands.get(move.dispatch, "pending") != move.old or (move.old, move.new) not in legal:
            yield f"#{move.dispatch} went from {move.old} to {move.new}."
        stands[move.dispatch] = move.new


def _legal() -> Iterator[tuple[Any, Any]]:
    for old, allowed in DISPATCH_MOVES.items():
        for new in allowed:
            yield old, new


def _of_reports(books: Books) -> Iterator[str]:
    by_claim = {attempt.claim: attempt for attempt in books.attempts}
    for line in answers(books):
        attempt = by_claim.get(line["claim"])
        if attempt is None:
            yield f"A claim of #{line['d']} is in no attempt."
            continue
        judge = _wrong_yes if line["http"] == 200 else _wrong_no
        why = judge(line, attempt)
        if why:
            yield f"#{line['d']}, attempt {attempt.epoch}, {line['verb']}: {why}"


def _done_twice(books: Books) -> Iterator[str]:
    done: dict[int, set[str]] = defaultdict(set)
    for line in answers(books):
        if line["http"] == 200 and line["verb"] == "complete":
            done[line["d"]].add(line["claim"])
    for dispatch, claims in done.items():
        if len(claims) > 1:
            yield f"#{dispatch} was completed by {len(claims)} claims."


def _odd(books: Books) -> Iterator[str]:
    for line in books.journal:
        if line["ev"] == "odd":
            yield f"An agent heard an odd answer to {line['verb']}: {line['http']} {line['said']}"


def answers(books: Books) -> list[dict[str, Any]]:
    """What reports were answered."""
    return [line for line in books.journal if line["ev"] == "answer"]


def _wrong_yes(line: dict[str, Any], attempt: Attempt) -> str:
    """What is wrong with a report that was accepted; "" for nothing."""
    if attempt.outcome != OUTCOME_OF[line["verb"]]:
        return f"accepted, but the attempt is {attempt.outcome}."
    first = {name: value for name, value in (attempt.answer or {}).items() if name in SAID}
    said = {name: line["said"].get(name) for name in first}
    return "" if first and said == first else f"answered {said}, at first {first}."


def _wrong_no(line: dict[str, Any], attempt: Attempt) -> str:
    """What is wrong with a report that was refused; "" for nothing."""
    if line["http"] != 409 or line["said"]["error"]["code"] not in STALE:
        return f"refused with {line['http']} {line['said']}."
    if attempt.outcome == OUTCOME_OF[line["verb"]]:
        return f"refused, but the attempt is {attempt.outcome}."
    if attempt.closed_at is None or attempt.closed_at > line["t"]:
        return "refused before the attempt was closed."
    return ""


def _of_signs_of_life(books: Books) -> Iterator[str]:
    by_claim = {attempt.claim: attempt for attempt in books.attempts}
    for line in books.journal:
        if line["ev"] != "life":
            continue
        closed_at = by_claim[line["claim"]].closed_at
        if line["state"] == "live":
            if closed_at is not None and line["sent"] > closed_at:
                yield f"A claim that was closed {line['sent'] - closed_at:.3f} s ago is live."
        elif line["state"] not in STALE or line["http"] not in {200, 409}:
            yield f"An odd answer to a sign of life: {line['http']} {line['state']}"
        elif closed_at is None or closed_at > line["t"]:
            yield f"A claim that was not closed is {line['state']}."


def _by_dispatch(books: Books) -> dict[int, list[Attempt]]:
    found: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in books.attempts:
        found[attempt.dispatch].append(attempt)
    return found
