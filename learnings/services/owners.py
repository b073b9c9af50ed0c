"""Words to whoever answers for a learning."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents import queries as agent_queries
from agents.models import Agent, Channel
from agents.services.messages import Words, send_messages, team_channel
from failures.flags import plain_line
from learnings.models import Learning

MOST_OWN = 10
"""Learnings that one owner hears of by a message each in one look; more would flood the inbox."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What an owner has to hear of a learning."""

    learning: Learning
    text: str
    """What goes on after its title."""
    key: str
    """Said once for each."""


def tell_owners(news: Sequence[Notice], *, of_more: str, now: datetime) -> None:
    """Write to the owner of each, else to the lead, else to #dev.

    Beyond MOST_OWN for one of them a single message names the others by their numbers: "12 more
    learnings " and then `of_more`.
    """
    if news:
        said = [
            words
            for to, theirs in _by_hearer(news, now=now).items()
            for words in _words(to, theirs, of_more)
        ]
        send_messages(said, now=now)


def _by_hearer(news: Sequence[Notice], *, now: datetime) -> dict[Agent | Channel, list[Notice]]:
    names = {one.learning.owner for one in news}
    owners = {owner.name: owner for owner in agent_queries.active_agents().filter(name__in=names)}
    hearers: dict[str, Agent | Channel] = {**owners}
    if orphans := names - owners.keys():
        stand_in = agent_queries.lead(now=now) or team_channel(now=now)
        hearers |= dict.fromkeys(orphans, stand_in)
    found: defaultdict[Agent | Channel, list[Notice]] = defaultdict(list)
    for one in news:
        found[hearers[one.learning.owner]].append(one)
    return found


def _words(to: Agent | Channel, news: Sequence[Notice], of_more: str) -> list[Words]:
    said = [
        Words(
            text=f"Learning {one.learning.pk} “{plain_line(one.learning.title)}” {one.text}",
            to=to,
            about=("learning", one.learning.pk),
            dedup_key=f"learning-{one.key}",
        )
        for one in news[:MOST_OWN]
    ]
    if more := news[MOST_OWN:]:
        numbers = ", ".join(str(one.learning.pk) for one in more)
        keys = hashlib.sha256("\n".join(one.key for one in more).encode()).hexdigest()
        said.append(
            Words(
                text=f"{len(more)} more learnings {of_more}: {numbers}."
                " The admin has them under Learnings.",
                to=to,
                dedup_key=f"learnings-more:{keys[:32]}",
            )
        )
    return said
