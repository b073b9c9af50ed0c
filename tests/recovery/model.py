"""What recovery promises, kept beside the database: by whom work may be taken, and when.

It reads rows by SQL of its own and shares no predicate with the code that it judges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import connection

CYCLE = ("repeat_with_evidence", "fresh_start", "alternative_approach")
WAIT_FOR_OTHERS = timedelta(minutes=15)
DEADLINE = timedelta(hours=4)
# Who could take work at all, and who shows life besides. That everybody rests says nothing of whom
# the work is for.
TEAM = """
SELECT a.id, a.skills,
    a.role = 'worker' AND a.retired_at IS NULL AND a.status <> 'offline'
    AND NOT EXISTS (SELECT 1 FROM recovery_agentbreaker b
                    WHERE b.agent_id = a.id AND b.open_until > %(now)s)
    AND NOT EXISTS (SELECT 1 FROM agents_pause p
                    WHERE p.agent_id = a.id AND p.lifted_at IS NULL AND p.until > %(now)s),
    coalesce(a.last_seen_at + make_interval(
        secs => a.heartbeat_seconds + a.heartbeat_grace_seconds) > %(now)s, false)
FROM agents_agent a
"""
# What a sweep must not leave behind.
OVERDUE = """
SELECT id, 'a due retry' FROM agents_dispatch WHERE status = 'retrying' AND run_at <= %(now)s
UNION ALL SELECT id, 'a lost lease' FROM agents_dispatch
WHERE status = 'running' AND lease_expires_at <= %(now)s
UNION ALL SELECT id, 'an overdue attempt' FROM agents_dispatch
WHERE status = 'running' AND deadline_at <= %(now)s
UNION ALL SELECT id, 'work kept too long' FROM agents_dispatch
WHERE status = 'pending' AND agent_until <= %(now)s
"""
EXCLUDED = """
SELECT d.excluded_agents FROM agents_dispatch d JOIN agents_attempt a ON a.dispatch_id = d.id
WHERE a.id = %(attempt)s
"""
EMPTIED = '"excluded_agents" = '
LIFTED = """
SELECT subject_id FROM agents_auditentry
WHERE id > %(seen)s AND subject_kind = 'dispatch' AND verb = 'lift_exclusion'
"""
RESTS = """
SELECT EXISTS (SELECT 1 FROM agents_pause p WHERE (p.agent_id = %(agent)s OR p.agent_id IS NULL)
               AND p.lifted_at IS NULL AND p.until > %(now)s),
       (SELECT open_until FROM recovery_agentbreaker WHERE agent_id = %(agent)s)
"""
OTHERS_HAD_IT = """
SELECT EXISTS (SELECT 1 FROM failures_failure
    WHERE message = %(message)s AND agent_id <> %(agent)s
    AND created_at >= %(now)s::timestamptz - interval '7 days')
"""
OTHERS_GOT_PAST = """
SELECT EXISTS (SELECT 1 FROM agents_attempt a
    WHERE a.outcome = 'succeeded' AND a.agent_id <> %(agent)s
    AND a.ended_at >= %(now)s::timestamptz - interval '7 days'
    AND %(message)s = (SELECT f.message FROM failures_failure f
        JOIN agents_attempt t ON t.id = f.attempt_id
        WHERE t.dispatch_id = a.dispatch_id ORDER BY f.id DESC LIMIT 1))
"""


def rows(sql: str, **params: Any) -> list[tuple[Any, ...]]:
    """What the statement finds."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def allowed(agent: int, *, now: datetime) -> int | None:
    """How many dispatches it may have: none while it rests, one on probation; None: any number."""
    (paused, until) = rows(RESTS, agent=agent, now=now)[0]
    if paused or (until is not None and until > now):
        return 0
    return None if until is None else 1


def tripped(agent: int, *, now: datetime) -> bool:
    """Whether its failures in a row keep it from claiming."""
    (_, until) = rows(RESTS, agent=agent, now=now)[0]
    return until is not None and until > now


@contextmanager
def meanwhile(act: Callable[[], Any], *, nth: int = 1, depth: int = 1) -> Iterator[None]:
    """Run `act` right before the nth savepoint at `depth` in the block.

    To the block it is as if another process had committed between its look and its lock. Deeper
    inside, the row is locked, and no other process could have.
    """
    now_at, seen = 0, 0

    def watch(execute, sql, params, many, context):
        nonlocal now_at, seen
        words = sql if isinstance(sql, str) else ""
        if words.startswith("SAVEPOINT"):
            now_at += 1
            if now_at == depth:
                seen += 1
                if seen == nth:
                    act()
        if words.startswith("RELEASE SAVEPOINT"):
            now_at -= 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield


@dataclass(frozen=True)
class Member:
    """An agent as it stands at one instant."""

    skills: frozenset[str]
    able: bool
    alive: bool


class Model:
    """Looks at the rows after each step and knows what may have become of them."""

    def __init__(self) -> None:
        self.team: dict[int, Member] = {}
        self.before: dict[int, Member] = {}
        self.barred: dict[int, set[int]] = defaultdict(set)
        """Who shall not get a dispatch while another can."""
        self.open_since: dict[int, datetime] = {}
        """Since when a pending dispatch is there for all who can."""
        self.due: dict[int, datetime] = {}
        """Before when a retry shall not start."""
        self.lease_until: dict[int, datetime] = {}
        """Until when an attempt holds, as its agent was told."""
        self.ended: set[int] = set()
        self.closing: dict[int, tuple[dict[int, Member], set[int]]] = {}
        """The team when an attempt was closed, and whom its dispatch shut out by then: a sweep does
        much in one step, and each act of it is judged by how things stood before that act."""
        self.lifting: dict[int, dict[int, Member]] = {}
        """The team when a dispatch was opened to those who had failed it."""
        self.seen_attempt = 0
        self.seen_audit = 0

    def watch(self, execute, sql, params, many, context):
        """Note how things stand right before an attempt is closed, or the excluded are let in."""
        words = sql if isinstance(sql, str) else ""
        if words.startswith('UPDATE "agents_attempt" SET "outcome"'):
            *_, now, _, pk = params
            [(excluded,)] = rows(EXCLUDED, attempt=pk)
            self.closing[pk] = self._team(now), set(excluded)
        elif words.startswith('UPDATE "agents_dispatch" SET "reason"') and EMPTIED in words:
            *_, now, pk = params
            self.lifting[pk] = self._team(now)
        return execute(sql, params, many, context)

    def look(self, now: datetime) -> None:
        """The team as it stands, before something happens to it."""
        self.before = self.team = self._team(now)

    def others(self, pk: int, skills: list[str], *, but: int | None = None, alive: bool = False):
        """Who else could take the dispatch, before this step and after it."""
        barred = self.barred[pk] | {but}
        return [_who(team, skills, barred, alive=alive) for team in (self.before, self.team)]

    def observe(self, now: datetime) -> None:
        """Judge what was done since; every assertion names the promise that it broke."""
        self.team = self._team(now)
        dispatches = {
            row[0]: row[1:]
            for row in rows(
                "SELECT id, status, run_at, agent_id, required_skills, excluded_agents"
                " FROM agents_dispatch"
            )
        }
        self._endings(dispatches, now)
        self._lifts(dispatches, now)
        self._claims(now)
        for pk, (status, run_at, agent, _, excluded) in dispatches.items():
            if status == "retrying":
                self.due[pk] = run_at
            if status == "pending" and agent is None:
                self.open_since.setdefault(pk, now)
            else:
                self.open_since.pop(pk, None)
            assert set(excluded) == self.barred[pk], f"I9: dispatch {pk} excludes {excluded}"

    def _endings(self, dispatches, now):
        closed = rows(
            "SELECT a.id, a.dispatch_id, a.agent_id, a.outcome, a.reason, a.started_at, a.ended_at,"
            " coalesce(f.message, '') FROM agents_attempt a"
            " LEFT JOIN failures_failure f ON f.id = a.failure_id"
            " WHERE a.outcome <> 'running' ORDER BY a.id"
        )
        lifted = {pk for (pk,) in rows(LIFTED, seen=self.seen_audit)}
        for attempt, pk, agent, outcome, reason, started, ended, message in closed:
            if attempt in self.ended:
                continue
            self.ended.add(attempt)
            _, _, _, skills, excluded = dispatches[pk]
            there, there_alive = self._others_at_closing(attempt, skills, but=agent)
            if outcome == "lost":
                assert self.lease_until[attempt] <= ended, f"I1: attempt {attempt} lost too early"
                if agent in excluded:
                    self.barred[pk].add(agent)
                elif reason.endswith(").") and pk not in lifted:
                    assert not there_alive, f"another agent was there for dispatch {pk}"
            if outcome == "failed" and "another agent" in reason:
                assert there, f"nobody else for dispatch {pk}"
                self.barred[pk].add(agent)
            if "past its deadline" in message:
                assert started + DEADLINE <= now, f"attempt {attempt} ended before its deadline"

    def _others_at_closing(self, attempt, skills, *, but):
        """Who else could take its work when the attempt was closed, and who of them was alive."""
        team, excluded = self.closing.get(attempt, ({}, set()))
        barred = excluded | {but}
        return _who(team, skills, barred), _who(team, skills, barred, alive=True)

    def _lifts(self, dispatches, now):
        for entry, verb, pk, to in rows(
            "SELECT e.id, e.verb, e.subject_id, a.id FROM agents_auditentry e"
            " LEFT JOIN agents_agent a ON a.name = e.data->>'agent'"
            " WHERE e.id > %(seen)s AND e.subject_kind = 'dispatch' ORDER BY e.id",
            seen=self.seen_audit,
        ):
            self.seen_audit = entry
            if verb == "lift_exclusion":
                skills = dispatches[pk][3]
                assert self._may_be_lifted(pk, skills, now), f"I9: dispatch {pk} lifted too early"
                self.barred[pk].clear()
            elif verb == "reassign":
                self.barred[pk].discard(to)
            elif verb == "retry":
                self.due.pop(pk, None)

    def _may_be_lifted(self, pk, skills, now):
        """Nobody else can take it; or nobody who can shows life, for a quarter of an hour."""
        team, barred = self.lifting[pk], self.barred[pk]
        if not _who(team, skills, barred):
            return True
        waited = pk in self.open_since and now - self.open_since[pk] >= WAIT_FOR_OTHERS
        return waited and not _who(team, skills, barred, alive=True)

    def _claims(self, now):
        made = rows(
            "SELECT id, dispatch_id, agent_id FROM agents_attempt WHERE id > %(seen)s ORDER BY id",
            seen=self.seen_attempt,
        )
        for attempt, pk, agent in made:
            self.seen_attempt = attempt
            assert agent not in self.barred[pk], f"I9: {agent} got dispatch {pk} back"
            assert self.due.pop(pk, now) <= now, f"dispatch {pk} was tried before its time"

    def left_behind(self, now: datetime) -> list[str]:
        """What a sweep should have moved, and whom it should have let in again."""
        found = [f"{what}: {pk}" for pk, what in rows(OVERDUE, now=now)]
        waiting = rows(
            "SELECT id, required_skills FROM agents_dispatch WHERE status = 'pending'"
            " AND agent_id IS NULL AND excluded_agents <> '{}'"
        )
        for pk, skills in waiting:
            rests = self.open_since.get(pk, now)
            nobody = not any(self.others(pk, skills))
            asleep = not any(self.others(pk, skills, alive=True))
            if nobody or (asleep and now - rests >= WAIT_FOR_OTHERS):
                found.append(f"kept from all: {pk}")
        return found

    def is_own(self, agent: int, message: str, *, now: datetime) -> bool:
        """Whether a failure of this text would be the agent's own, asked before it is reported."""
        asked = {"message": message, "agent": agent, "now": now}
        alone = not rows(OTHERS_HAD_IT, **asked)[0][0]
        return (alone and "401" in message) or rows(OTHERS_GOT_PAST, **asked)[0][0]

    def _team(self, now):
        return {
            pk: Member(skills=frozenset(skills), able=able, alive=alive)
            for pk, skills, able, alive in rows(TEAM, now=now)
        }


def _who(
    team: dict[int, Member], skills: list[str], barred: set[int], *, alive: bool = False
) -> set[int]:
    """Who of the team could take work of these skills; with `alive`, and shows life."""
    return {
        agent
        for agent, member in team.items()
        if member.able and (member.alive or not alive)
        if agent not in barred and member.skills >= set(skills)
    }


def strategies_out_of_turn() -> list[str]:
    """Dispatches whose tries did not go through the strategies in turn (I8).

    Only a failure of the work, or a person's retry, moves on to the next one: a lost, blocked,
    released or held try keeps its own.
    """
    tries: dict[int, list[tuple[str, bool]]] = defaultdict(list)
    for pk, strategy, failed in rows(
        "SELECT dispatch_id, strategy, outcome = 'failed' AND reason NOT LIKE 'Held until%%'"
        " FROM agents_attempt ORDER BY dispatch_id, lease_epoch"
    ):
        tries[pk].append((strategy, failed))
    wrong = []
    for pk, steps in tries.items():
        rungs = [steps[0][0]]
        for (_, before_failed), (strategy, _) in pairwise(steps):
            if before_failed or strategy != rungs[-1]:
                rungs.append(strategy)
        expected = ["first_try", *(CYCLE[i % len(CYCLE)] for i in range(len(rungs) - 1))]
        if rungs != expected:
            wrong.append(f"I8: dispatch {pk} used {rungs}")
    return wrong
