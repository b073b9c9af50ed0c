"""Decisions about stuck work and who hears of it. No Django here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from failures.kinds import LEAD

REMIND_EVERY = timedelta(minutes=60)
MAX_REMINDERS = 5
LOOK_AGAIN = timedelta(seconds=60)
"""How soon a paused incident is looked at again, since a pause may be lifted early."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where an open incident stands when its next step is due."""

    since: datetime
    """Since when its clock runs."""
    frozen: timedelta = timedelta(0)
    """How long of that its agent was paused: its clock stood still."""
    ladder: Mapping[int, timedelta]
    """After how long each level is told."""
    level: int = 0
    """The highest level that was told."""
    reminders: int = 0
    rests_until: datetime | None = None
    """Until when an acknowledgement or a snooze lets it rest."""
    paused_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Tell:
    """Tell `level` now; the levels in `skipped` were slept through, and are recorded as that."""

    level: int
    skipped: tuple[int, ...] = ()
    next_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Remind:
    """Say it again to the level that heard last."""

    level: int
    number: int
    next_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Nothing to say before `until`; None when never again."""

    until: datetime | None


Step = Tell | Remind | Wait


def next_step(standing: Standing, *, rest_ended: bool = False, now: datetime) -> Step:
    """What is due at `now`.

    After an outage it goes straight to the highest level that is due. The last level repeats every
    hour, five times at most. A rest that ended (`rest_ended`) is said to whoever heard last.
    """
    if standing.rests_until is not None and standing.rests_until > now:
        return Wait(until=standing.rests_until)
    if standing.paused_until is not None and standing.paused_until > now:
        return Wait(until=min(standing.paused_until, now + LOOK_AGAIN))
    due = [level for level in standing.ladder if due_at(standing, level) <= now]
    told = max(due, default=0)
    if told > standing.level:
        return Tell(
            level=told,
            skipped=tuple(sorted(level for level in due if standing.level < level < told)),
            next_at=_after(standing, told, now=now),
        )
    at_the_top = bool(standing.ladder) and standing.level >= max(standing.ladder)
    upcoming = _after(standing, standing.level, now=now)
    if rest_ended or (at_the_top and standing.reminders < MAX_REMINDERS):
        number = standing.reminders + 1
        last = at_the_top and number >= MAX_REMINDERS
        return Remind(
            level=standing.level or LEAD, number=number, next_at=None if last else upcoming
        )
    return Wait(until=None if at_the_top else upcoming)


def due_at(standing: Standing, level: int) -> datetime:
    """When that level is to be told, pauses counted in."""
    return standing.since + standing.ladder[level] + standing.frozen


def _after(standing: Standing, level: int, *, now: datetime) -> datetime | None:
    """When the level after `level` is due; a reminder after the last one."""
    later = [due_at(standing, other) for other in standing.ladder if other > level]
    if later:
        return max(min(later), now)
    return now + REMIND_EVERY if standing.ladder else None


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Somebody who might help."""

    name: str
    skills: frozenset[str] = frozenset()
    pinged_at: datetime | None = None


def choose_peer(
    peers: Sequence[Peer], *, stuck: str, skills: frozenset[str] = frozenset()
) -> Peer | None:
    """Who is asked to help the agent called `stuck`: the one asked longest ago, by name at par.

    `peers` are at work, not paused and not stuck themselves. A skill must be shared, unless either
    side declares none.
    """

    def fits(peer: Peer) -> bool:
        return peer.name != stuck and (
            not peer.skills or not skills or not peer.skills.isdisjoint(skills)
        )

    def order(peer: Peer) -> tuple[bool, float, str]:
        asked = peer.pinged_at
        return (asked is not None, asked.timestamp() if asked else 0.0, peer.name)

    return min(filter(fits, peers), key=order, default=None)


def stall_since(last_progress_at: datetime, expected_every: timedelta | None) -> datetime:
    """Since when work stands still: its last progress, and what it said that the next takes."""
    return last_progress_at + (expected_every or timedelta(0))
