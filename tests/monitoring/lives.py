"""Random lives of an agent, and the slowest honest way to count their seconds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from agents.policy_pauses import Span
from monitoring.policy_uptime import History, Seconds

DAY0 = datetime(2026, 3, 28, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def at(second: float) -> datetime:
    return DAY0 + second * SECOND


def span(start: float, end: float) -> Span:
    return Span(at(start), at(end))


def random_spans(chance: random.Random, most: int, length: int) -> list[Span]:
    """Some stretches that may overlap, be empty, and reach out of the window at both ends."""
    found = []
    for _ in range(chance.randrange(most + 1)):
        start = chance.uniform(-length / 2, length * 1.2)
        found.append(span(start, start + chance.choice([0, 0.4, chance.uniform(0, length / 2)])))
    return found


def random_life(chance: random.Random, length: int) -> tuple[History, list[Span]]:
    """A life around [0, length), and when EVOX listened."""
    listening = random_spans(chance, 4, length)
    if chance.random() < 0.5:
        listening.append(span(-length, length * 2))
    history = History(
        proof=chance.choice([1, 7, 40, 180]) * SECOND,
        alive=random_spans(chance, 6, length),
        expected=random_spans(chance, 4, length),
        excluded=random_spans(chance, 3, length),
        held=random_spans(chance, 4, length),
        stuck=random_spans(chance, 2, length),
        created_at=at(chance.uniform(-length, length / 2)) if chance.random() < 0.3 else None,
        retired_at=at(chance.uniform(0, length)) if chance.random() < 0.2 else None,
    )
    return history, listening


def brute_force(
    history: History, listening: Sequence[Span], since: datetime, until: datetime
) -> Seconds:
    """Second by second, each judged by itself. Instants are seconds' floors, as in the policy."""
    counts = {"up": 0, "down": 0, "excluded": 0, "unknown": 0, "productive": 0}
    proof = int(history.proof.total_seconds())
    heard = {s for one in listening for s in _seconds(one)}
    for second in range(_floor(since), _floor(until)):
        excluded = (
            _in(second, history.excluded)
            or (history.created_at is not None and second < _floor(history.created_at))
            or (history.retired_at is not None and second >= _floor(history.retired_at))
        )
        expected = _in(second, history.expected)
        observed = all(s in heard for s in range(second - proof, second + 1))
        if excluded:
            kind = "excluded"
        elif expected and _in(second, history.alive):
            kind = "up"
            counts["productive"] += _in(second, history.held) and not _in(second, history.stuck)
        elif not observed:
            kind = "unknown"
        else:
            kind = "down" if expected else "excluded"
        counts[kind] += 1
    return Seconds(**counts)


def _floor(instant: datetime) -> int:
    return int((instant.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // SECOND)


def _seconds(one: Span) -> range:
    return range(_floor(one.start), _floor(one.end))


def _in(second: int, spans: Sequence[Span]) -> bool:
    return any(second in _seconds(one) for one in spans)
