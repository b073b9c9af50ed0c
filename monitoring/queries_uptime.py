"""Uptime from the rows: what is known of agents, and what each second of a window was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict

from django.conf import settings

from agents.models import Agent
from agents.policy_pauses import Span
from agents.services.statements import array
from monitoring import policy_runs, policy_uptime, queries_rolled
from monitoring.policy_uptime import History, Piece, SecondKind, Seconds, Stretch, second
from monitoring.queries_rolled import Cut, Part, asked, cut, pieces_by_agent, sums_by_agent, typed

PROMISE_LASTS = timedelta(hours=24)
"""So long an agent is expected after a heartbeat that it sent outside of any session."""
SLACK = timedelta(hours=1)

_LIFE = """
SELECT 'alive', agent_id, started_at, alive_until FROM agents_lifesegment
WHERE tstzrange(started_at, ended_at) && tstzrange(%(since)s, %(until)s)
  AND state = 'alive' AND agent_id = ANY (%(ids)s)
UNION ALL
SELECT 'excluded', agent_id, started_at, coalesce(ended_at, %(until)s) FROM agents_lifesegment
WHERE tstzrange(started_at, ended_at) && tstzrange(%(since)s, %(until)s)
  AND state = 'offline' AND agent_id = ANY (%(ids)s)
UNION ALL
SELECT 'expected', agent_id, promised_at, alive_until + %(promise)s FROM agents_lifesegment
WHERE tstzrange(started_at, ended_at) && tstzrange(%(since)s - %(promise)s, %(until)s)
  AND state = 'alive' AND promised_at IS NOT NULL AND agent_id = ANY (%(ids)s)
UNION ALL
SELECT 'listening', 0, started_at, alive_until FROM agents_listeningsegment
WHERE tstzrange(started_at, ended_at) && tstzrange(%(since)s, %(until)s)
UNION ALL
SELECT 'excluded', coalesce(agent_id, 0), started_at, least(until, lifted_at) FROM agents_pause
WHERE until > %(since)s AND started_at < %(until)s
"""
_MEANT = """
SELECT 'expected', agent_id, started_at, coalesce(ended_at, %(until)s) FROM agents_agentsession
WHERE ended_at > %(since)s AND started_at < %(until)s AND agent_id = ANY (%(ids)s)
UNION ALL
SELECT 'expected', agent_id, started_at, %(until)s FROM agents_agentsession
WHERE ended_at IS NULL AND started_at < %(until)s AND agent_id = ANY (%(ids)s)
UNION ALL
SELECT 'expected', t.agent_id, t.started_at,
       d.lease_expires_at + make_interval(secs => a.heartbeat_grace_seconds)
FROM agents_dispatch d
JOIN agents_attempt t ON t.dispatch_id = d.id AND t.lease_epoch = d.lease_epoch
JOIN agents_agent a ON a.id = t.agent_id
WHERE d.status = 'running' AND t.started_at < %(until)s AND t.agent_id = ANY (%(ids)s)
UNION ALL
SELECT 'expected', t.agent_id, t.started_at, t.ended_at
       + make_interval(secs => CASE t.outcome WHEN 'lost' THEN a.heartbeat_grace_seconds ELSE 0 END)
FROM agents_attempt t JOIN agents_agent a ON a.id = t.agent_id
WHERE t.ended_at > %(since)s - interval '1 hour' AND t.ended_at < %(longest)s
  AND t.started_at < %(until)s AND t.session IS NULL AND t.agent_id = ANY (%(ids)s)
"""
_HELD = """
SELECT 'held', agent_id, started_at, ended_at FROM agents_attempt
WHERE ended_at > %(since)s AND ended_at < %(longest)s AND started_at < %(until)s
  AND agent_id = ANY (%(ids)s)
UNION ALL
SELECT 'held', t.agent_id, t.started_at, %(until)s FROM agents_dispatch d
JOIN agents_attempt t ON t.dispatch_id = d.id AND t.lease_epoch = d.lease_epoch
WHERE d.status = 'running' AND t.started_at < %(until)s AND t.agent_id = ANY (%(ids)s)
UNION ALL
SELECT 'stuck', agent_id, coalesce(stall_since, opened_at), coalesce(resolved_at, %(until)s)
FROM failures_incident
WHERE kind = 'stalled' AND opened_at < %(until)s AND agent_id = ANY (%(ids)s)
  AND (resolved_at IS NULL OR resolved_at > %(since)s)
"""
_SPANS = typed(f"{_LIFE} UNION ALL {_MEANT}", promise="interval", ids="bigint[]")
_SPANS_AND_WORK = f"{_SPANS} UNION ALL {typed(_HELD, ids='bigint[]')}"

_EVERYBODY = 0


@dataclass(frozen=True)
class Known:
    """What is known of some agents, by their ids, and when EVOX listened."""

    histories: Mapping[int, History]
    listening: Sequence[Span]


def known(
    agents: Iterable[Agent], *, since: datetime, until: datetime, work: bool = False
) -> Known:
    """What is needed to judge each second of [since, until), in one statement.

    Without `work` nothing is known of productive time.
    """
    team = list(agents)
    params: dict[str, Any] = {
        "ids": array(agent.pk for agent in team),
        "since": since,
        "until": until,
        "promise": PROMISE_LASTS,
        # No attempt runs past its deadline by more than a late sweep.
        "longest": until + settings.EVOX_DEADLINE + SLACK,
    }
    found: defaultdict[tuple[str, int], list[Span]] = defaultdict(list)
    sql = _SPANS_AND_WORK if work else _SPANS
    for lane, agent_id, start, end in asked(sql, params, over=[Part(since, until)]):
        found[lane, agent_id].append(Span(start, end))
    everybodys = found.get(("excluded", _EVERYBODY), [])
    histories = {
        agent.pk: History(
            proof=timedelta(seconds=agent.heartbeat_seconds + agent.heartbeat_grace_seconds),
            alive=found.get(("alive", agent.pk), ()),
            expected=found.get(("expected", agent.pk), ()),
            excluded=[*found.get(("excluded", agent.pk), ()), *everybodys],
            held=found.get(("held", agent.pk), ()),
            stuck=found.get(("stuck", agent.pk), ()),
            created_at=agent.created_at,
            retired_at=agent.retired_at,
        )
        for agent in team
    }
    return Known(histories, found.get(("listening", _EVERYBODY), ()))


@dataclass(frozen=True)
class Lately:
    """The end of a window that is not rolled up yet, in pieces by the agent's id."""

    part: Part
    pieces: Mapping[int, Sequence[Piece]]


def lately(agents: Iterable[Agent], parts: Cut) -> Lately | None:
    """Of the end of that window, in one statement; None when it is rolled up."""
    rest = [part for part in parts.live if part.until == parts.until and not _has_runs(parts, part)]
    if not rest:
        return None
    return _looked_up(rest[-1], agents)


def _looked_up(part: Part, agents: Iterable[Agent]) -> Lately:
    """A part of a window from the rows themselves, in one statement."""
    span: _Span = {"since": part.since, "until": part.until}
    found = known(agents, **span, work=True)
    return Lately(
        part,
        {
            pk: list(policy_uptime.pieces_of(history, listening=found.listening, **span))
            for pk, history in found.histories.items()
        },
    )


def uptime_by_agent(
    agents: Iterable[Agent],
    *,
    now: datetime,
    window: timedelta,
    parts: Cut | None = None,
    sums: Mapping[int, tuple[int, ...]] | None = None,
    end: Lately | None = None,
) -> dict[int, Seconds]:
    """What each second of the window was, by the agent's id; a new agent's begins with itself.

    At most four statements: whole hours come from the rollups, and the edges as far as their hour
    is in them. `parts`, `sums` and `end`, of the same agents, save asking for them when the caller
    has them.
    """
    team = list(agents)
    since = now - window
    parts = parts or cut(since=since, until=now)
    rolled = sums_by_agent(parts) if sums is None else sums
    found = {agent: Seconds(*numbers[:5]) for agent, numbers in rolled.items()}
    for part in parts.live:
        for pk, seconds in _seconds_in(part, parts, team, end).items():
            found[pk] = found.get(pk, Seconds()) + seconds
    return {
        agent.pk: _from_creation(found.get(agent.pk, Seconds()), agent, since, now)
        for agent in team
    }


def _seconds_in(
    part: Part, parts: Cut, team: Sequence[Agent], end: Lately | None
) -> dict[int, Seconds]:
    span: _Span = {"since": part.since, "until": part.until}
    if _has_runs(parts, part):
        kept = pieces_by_agent(parts, part)
        return {
            agent.pk: policy_uptime.sum_of(policy_uptime.clipped(kept.get(agent.pk, ()), **span))
            for agent in team
        }
    # Before they were made there is nothing to look up, and no hour was rolled up.
    there = [agent for agent in team if agent.created_at < part.until]
    if not there:
        return {}
    at_edge = end if end and end.part == part else _looked_up(part, there)
    return {pk: policy_uptime.sum_of(pieces) for pk, pieces in at_edge.pieces.items()}


class _Span(TypedDict):
    since: datetime
    until: datetime


def _has_runs(parts: Cut, part: Part) -> bool:
    runs = parts.runs
    return runs is not None and runs.since <= part.since and part.until <= runs.until


def stretches_by_agent(
    agents: Iterable[Agent],
    *,
    now: datetime,
    window: timedelta,
    parts: Cut | None = None,
    end: Lately | None = None,
) -> dict[int, list[Stretch]]:
    """The window as consecutive stretches of one kind each, by the agent's id: the strip.

    At most three statements: hours that are rolled up come from their runs. `parts` of a longer
    window with the same end, and its `end` of at least these agents, save asking for them.
    """
    team, since = list(agents), now - window
    parts = parts or cut(since=since, until=now)
    turn = since
    if parts.runs is not None and parts.runs.since <= since:
        turn = min(max(parts.runs.until, since), now)
    kept = queries_rolled.stretches_by_agent(parts, Part(since, turn)) if since < turn else {}
    nothing = [Stretch(since, turn, SecondKind.EXCLUDED)]
    found = {
        agent.pk: policy_runs.cut_off(kept.get(agent.pk, nothing), since=since, until=turn)
        for agent in team
    }
    if turn < now:
        live = Part(turn, now)
        at_end = end if end and end.part == live else _looked_up(live, team)
        for pk, before in found.items():
            found[pk] = policy_runs.joined(before, policy_uptime.stretches_of(at_end.pieces[pk]))
    return found


def _from_creation(sums: Seconds, agent: Agent, since: datetime, until: datetime) -> Seconds:
    """Without the seconds before the agent was made, which no hour before its first holds."""
    window = max(second(until) - max(second(since), second(agent.created_at)), 0)
    excluded = window - sums.up - sums.down - sums.unknown
    return Seconds(sums.up, sums.down, max(excluded, 0), sums.unknown, sums.productive)
