"""What an agent is told before it starts: who it is, its work, and what the team learned.

Of other agents' words only approved learnings and messages to this very agent reach it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from agents import queries as agent_queries
from agents.models import Agent, Attempt, Dispatch, Message
from agents.policy import clip
from agents.states import AttemptOutcome, Priority
from failures.flags import plain_line
from failures.models import Failure
from failures.services.guidance import Shown, note_shown
from failures.states import GuidanceVia
from learnings.models import Injection, Learning
from learnings.policy.ranking import Match, within_budget
from learnings.services import switch
from learnings.services.matching import matches_for

MOST_MESSAGES = 5
MOST_FAILURES = 3
CONSIDERED = 24
"""So many of the best are read in full: a short one may fit where a long one doesn't."""
SOLUTION_SHOWN = 600


@dataclass(frozen=True)
class Told:
    """A learning as it is told, and why."""

    learning: Learning
    text: str
    why: str


@dataclass(frozen=True)
class Briefing:
    """All of it."""

    agent: Agent
    dispatch: Dispatch | None
    attempt: Attempt | None
    messages: list[Message]
    failures: list[Failure]
    learnings: list[Told]


def brief(agent: Agent, dispatch: Dispatch | None) -> Briefing:
    """The agent's briefing for `dispatch`, else for what it holds. Writes nothing."""
    work = dispatch or agent_queries.current_work(agent)
    unread = agent_queries.messages().filter(
        to_agent=agent, read_at__isnull=True, priority=Priority.URGENT.value
    )
    failures: list[Failure] = []
    if work is not None:
        own = Failure.objects.filter(attempt__dispatch=work, agent=agent)
        failures = list(own.order_by("-id")[:MOST_FAILURES])
    return Briefing(
        agent=agent,
        dispatch=work,
        attempt=_running_attempt(agent, work),
        messages=list(unread[:MOST_MESSAGES]),
        failures=failures,
        learnings=_chosen(agent, work),
    )


def record_told(briefing: Briefing, *, now: datetime) -> None:
    """Note what the agent was told; the same again for the same attempt is noted once."""
    with transaction.atomic():
        Injection.objects.bulk_create(
            [
                Injection(
                    learning=told.learning,
                    version=told.learning.version,
                    agent=briefing.agent,
                    attempt=briefing.attempt,
                    at=now,
                    why=told.why,
                )
                for told in briefing.learnings
            ],
            ignore_conflicts=True,
        )
        # By its rule, which is what answers and instructions tell, so that all ways count alike.
        note_shown(
            [
                Shown(
                    group_id=told.learning.group_id,
                    text=told.learning.rule,
                    agent=briefing.agent,
                    attempt=briefing.attempt,
                    via=GuidanceVia.BRIEFING,
                )
                for told in briefing.learnings
                if told.learning.group_id is not None
            ],
            now=now,
        )


def _running_attempt(agent: Agent, dispatch: Dispatch | None) -> Attempt | None:
    if dispatch is None:
        return None
    return Attempt.objects.filter(
        dispatch=dispatch, agent=agent, outcome=AttemptOutcome.RUNNING.value
    ).first()


def _chosen(agent: Agent, work: Dispatch | None) -> list[Told]:
    return _fitting(matches_for(agent, work)[:CONSIDERED]) if switch.is_on() else []


def _fitting(matches: list[Match]) -> list[Told]:
    rows = Learning.objects.told().in_bulk([match.learning_id for match in matches])
    told = [
        Told(row, _text(row), match.why)
        for match in matches
        if (row := rows.get(match.learning_id)) is not None
    ]
    return [told[index] for index in within_budget([one.text for one in told])]


def _text(learning: Learning) -> str:
    """Its rule, with the solution where that says more than the rule."""
    rule, solution = learning.rule, learning.solution
    if rule and (learning.template_only or plain_line(solution).startswith(rule)):
        return rule
    return f"{rule}\n{clip(solution, SOLUTION_SHOWN)}".strip()
