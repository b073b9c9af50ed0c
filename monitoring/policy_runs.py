"""Runs: an hour of an agent as text, such as `u0d900p1800`. No database, no clock.

A letter and the second of the hour from which on it holds: `u` up, `p` up and productive, `d`
down, `e` excluded, `n` unknown, since EVOX was not listening.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter

from monitoring.policy_uptime import HOUR, Piece, SecondKind, Stretch, clipped, instant, second

LETTERS = {
    "u": (SecondKind.UP, False),
    "p": (SecondKind.UP, True),
    "d": (SecondKind.DOWN, False),
    "e": (SecondKind.EXCLUDED, False),
    "n": (SecondKind.UNKNOWN, False),
}
_LETTER_OF = {meant: letter for letter, meant in LETTERS.items()}
_RUN = re.compile(r"([a-z])(\d+)")


def text_of(pieces: Iterable[Piece]) -> str:
    """The runs of a whole hour, from the consecutive pieces that it is made of."""
    found, last = [], ""
    for kind, productive, start, _ in pieces:
        letter = _LETTER_OF[kind, productive]
        if letter != last:
            found.append(f"{letter}{start % HOUR}")
            last = letter
    return "".join(found)


def pieces_of_text(hour: int, text: str) -> Iterator[Piece]:
    """The pieces of the hour that begins at the second `hour`, from its runs; none of none."""
    runs = _RUN.findall(text)
    ends = [*(hour + int(start) for _, start in runs[1:]), hour + HOUR]
    for (letter, start), end in zip(runs, ends, strict=False):
        yield Piece(*LETTERS[letter], hour + int(start), end)


def gaps_filled(pieces: Iterable[Piece], *, since: datetime, until: datetime) -> Iterator[Piece]:
    """What lies in [since, until), and what is missing there as excluded: nobody was there."""
    at, end = second(since), second(until)
    for piece in clipped(pieces, since=since, until=until):
        if at < piece.start:
            yield Piece(SecondKind.EXCLUDED, productive=False, start=at, end=piece.start)
        yield piece
        at = piece.end
    if at < end:
        yield Piece(SecondKind.EXCLUDED, productive=False, start=at, end=end)


def cut_off(stretches: Sequence[Stretch], *, since: datetime, until: datetime) -> list[Stretch]:
    """What of consecutive stretches lies in [since, until), in whole seconds."""
    low, high = instant(second(since)), instant(second(until))
    begin = bisect_right(stretches, low, key=attrgetter("end"))
    end = bisect_left(stretches, high, key=attrgetter("start"))
    found = list(stretches[begin:end])
    if found:
        found[0] = found[0]._replace(start=max(found[0].start, low))
        found[-1] = found[-1]._replace(end=min(found[-1].end, high))
    return found


def joined(before: list[Stretch], after: list[Stretch]) -> list[Stretch]:
    """Both, where `before` ends as `after` begins, no two neighbours of one kind."""
    if before and after and before[-1].kind is after[0].kind:
        return [*before[:-1], before[-1]._replace(end=after[0].end), *after[1:]]
    return [*before, *after]
