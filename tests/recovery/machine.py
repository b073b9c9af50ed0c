"""Five agents, every verb, crashes, zombies and clock jumps, in whatever order Hypothesis likes.

Each example runs in one transaction that is rolled back. What may become of each row is judged by
the model beside it; what no row may ever be, by `NEVER`.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agents.errors import StaleClaimError
from agents.models import AuditEntry, Dispatch
from agents.services import pauses
from agents.services.dispatches import DuplicateKeyError
from agents.states import FINISHED, AgentRole, AgentStatus, IllegalMoveError, Strategy
from recovery.services import breakers, claims, operator, sweeps
from tests.recovery.model import (
    OVERDUE,
    Model,
    allowed,
    meanwhile,
    rows,
    strategies_out_of_turn,
    tripped,
)
from tests.recovery.world import T0, block, complete, fail, hire, queue, row

COLUMNS = """SELECT column_name FROM information_schema.columns
WHERE table_name = %(table)s ORDER BY ordinal_position"""
AGENTS = {"SAM": [], "LEO": ["sql"], "ALEX": ["sql", "css"], "KIM": ["css"], "RAY": []}
# Each is a predicate that no row may fulfil, whatever happened before.
NEVER = {
    "I1 a running dispatch has one live lease: its own epoch's attempt, held by its agent": """
        SELECT d.id FROM agents_dispatch d WHERE d.status = 'running' AND 1 <> (
            SELECT count(*) FROM agents_attempt a WHERE a.dispatch_id = d.id
            AND a.outcome = 'running' AND a.lease_epoch = d.lease_epoch AND a.agent_id = d.agent_id)
        """,
    "I1 no attempt runs but the newest of a running dispatch": """
        SELECT a.id FROM agents_attempt a JOIN agents_dispatch d ON d.id = a.dispatch_id
        WHERE a.outcome = 'running'
        AND (d.status <> 'running' OR a.lease_epoch <> d.lease_epoch)
        """,
    "I1 two of one unique key never run at once, nor wait at once": """
        SELECT unique_key FROM agents_dispatch WHERE unique_key IS NOT NULL
        GROUP BY unique_key HAVING count(*) FILTER (WHERE status = 'running') > 1
        OR count(*) FILTER (WHERE status IN ('pending', 'retrying', 'blocked')) > 1
        """,
    "I2 epochs count the claims, one by one": """
        SELECT d.id FROM agents_dispatch d WHERE d.lease_epoch <> (
            SELECT count(*) FROM agents_attempt a WHERE a.dispatch_id = d.id)
        OR d.lease_epoch <> (SELECT coalesce(max(lease_epoch), 0) FROM agents_attempt a
                             WHERE a.dispatch_id = d.id)
        """,
    "I3 unfinished work is pending, retrying(run_at), running(lease) or blocked(reason)": """
        SELECT id FROM agents_dispatch WHERE (
              (status = 'pending' AND run_at IS NULL AND lease_expires_at IS NULL)::int
            + (status = 'retrying' AND run_at IS NOT NULL AND lease_expires_at IS NULL)::int
            + (status = 'running' AND run_at IS NULL AND lease_expires_at IS NOT NULL)::int
            + (status = 'blocked' AND reason <> '' AND run_at IS NULL
               AND lease_expires_at IS NULL)::int
            + (finished_at IS NOT NULL AND run_at IS NULL AND lease_expires_at IS NULL)::int) <> 1
        """,
    "I4 a closed attempt has an end, an open one has none": """
        SELECT id FROM agents_attempt WHERE (outcome = 'running') <> (ended_at IS NULL)
        """,
    "I5 tries and crashes stay within their bounds, and pending work may be tried": """
        SELECT id FROM agents_dispatch WHERE attempt > max_attempts OR crash_count > max_crashes
        OR attempt < 0 OR (status = 'pending'
            AND (attempt >= max_attempts OR crash_count >= max_crashes))
        """,
    "I5 crashes are the lost attempts": """
        SELECT d.id FROM agents_dispatch d WHERE d.status <> 'cancelled' AND d.crash_count <> (
            SELECT count(*) FROM agents_attempt a WHERE a.dispatch_id = d.id AND a.outcome = 'lost')
        """,
    "I5 every failed or blocked attempt has its failure, and no other has": """
        SELECT a.id FROM agents_attempt a WHERE a.outcome NOT IN ('superseded', 'cancelled')
        AND (a.outcome IN ('failed', 'blocked')) <> EXISTS (
            SELECT 1 FROM failures_failure f WHERE f.attempt_id = a.id)
        """,
}


COMMON = "AssertionError: 3 != 4"
# A row that a careless writer would copy, changed so that exactly one wall is in its way.
COPIES = {
    "dispatch_one_running_per_key": ("agents_dispatch", "unique_key IS NOT NULL", "running", {}),
    "dispatch_one_waiting_per_key": ("agents_dispatch", "unique_key IS NOT NULL", "pending", {}),
    "attempt_one_running_per_dispatch": (
        "agents_attempt",
        "true",
        "running",
        {"claim": "'another'", "lease_epoch": "lease_epoch + 1000"},
    ),
    "attempt_one_per_epoch": (
        "agents_attempt",
        "true",
        "running",
        {"claim": "'another'", "outcome": "'released'", "ended_at": "started_at"},
    ),
    "attempt_claim_unique": (
        "agents_attempt",
        "true",
        "running",
        {"lease_epoch": "lease_epoch + 1000", "outcome": "'released'", "ended_at": "started_at"},
    ),
}


BUSY = 4
"""With so much unfinished work no more is made: much would happen once to each, nothing twice."""
# How often each verb is tried while something runs; otherwise it is mostly claims.
WEIGHTS = {
    "create": 4,
    "claim": 6,
    "come_back": 10,
    "report": 6,
    "fail_of_its_own": 3,
    "try_and_try": 1,
    "crash": 2,
    "progress": 1,
    "heartbeat": 1,
    "meet": 5,
    "time_goes_by": 2,
    "sweep": 2,
    "show_life": 3,
    "rest": 1,
    "trust_again": 1,
    "operate": 4,
    "write_carelessly": 1,
}


def one_of(data, label, choices):
    """One of the choices, as Hypothesis likes."""
    return data.draw(st.sampled_from(choices), label=label)


def snapshot():
    """Every dispatch and attempt as text, to see that nothing changed."""
    return rows(
        "SELECT d.id, d::text FROM agents_dispatch d"
        " UNION ALL SELECT a.id, a::text FROM agents_attempt a ORDER BY 1, 2"
    )


class Swallowed(logging.Handler):
    """What sweeps log and then go on from: here it is a fault."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(logging.Formatter().format(record))


class Recovery(RuleBasedStateMachine):
    """The whole of recovery, but for threads: those have tests of their own."""

    steps = 0
    """Of all walks together."""

    def __init__(self) -> None:
        super().__init__()
        type(self).steps -= 1  # The invariants are asked once before the first step, too.
        self.outer = transaction.atomic()
        self.outer.__enter__()
        self.swallowed = Swallowed()
        self.logger = logging.getLogger("recovery.services.sweeps")
        self.logger.setLevel(logging.ERROR)
        self.logger.addHandler(self.swallowed)
        self.now = T0
        hire("MAX", role=AgentRole.LEAD)
        self.agents = [hire(name, skills=skills) for name, skills in AGENTS.items()]
        self.held = []
        """Every claim that was ever given, live and dead alike."""
        self.closed: dict[int, tuple] = {}
        self.finished: dict[int, tuple[str, int]] = {}
        self.model = Model()
        self.model.look(self.now)
        self.watching = connection.execute_wrapper(self.model.watch)
        self.watching.__enter__()

    def teardown(self) -> None:
        self.watching.__exit__(None, None, None)
        self.logger.removeHandler(self.swallowed)
        self.logger.setLevel(logging.NOTSET)
        transaction.set_rollback(True)
        self.outer.__exit__(None, None, None)

    @rule(data=st.data())
    def step(self, data):
        """One verb. One rule for all: Hypothesis would leave rules out, and walk without work."""
        states = [status for (status,) in rows("SELECT status FROM agents_dispatch")]
        idle = {"claim": 6, "operate": 1, "come_back": 8, "create": 3}
        weights = WEIGHTS if "running" in states else idle
        if sum(status not in FINISHED for status in states) >= BUSY:
            weights = {**weights, "create": 0}
        if "retrying" not in states:
            weights = {**weights, "come_back": 0}
        verbs = [verb for verb, weight in weights.items() for _ in range(weight)]
        getattr(self, data.draw(st.sampled_from(verbs), label="verb"))(partial(one_of, data))

    # What happens to work.

    def create(self, draw):
        to = draw("to", [None, None, None, 0, 1])
        try:
            made = queue(
                unique_key=draw("key", [None, None, "a", "b"]),
                required_skills=draw("skills", [[], [], ["sql"], ["sql", "css"]]),
                agent=None if to is None else self.agents[to],
                not_before=self.now + timedelta(seconds=draw("later", [0, 0, 0, 90])),
                max_attempts=draw("max_attempts", [4, 6, 1, 8]),
                now=self.now,
            )
        except DuplicateKeyError:
            return
        if to is None:
            excluded = draw("excluded", [[], [], [], [0], [1, 2], [0, 1, 2, 3, 4]])
            pks = [self.agents[index].pk for index in excluded]
            Dispatch.objects.filter(pk=made.pk).update(excluded_agents=pks)
            self.model.barred[made.pk] = set(pks)

    def claim(self, draw):
        agent, limit = draw("who", self.agents), draw("limit", [1, 1, 1, 2, 50])
        lease = draw("lease", [None, None, None, 3_600, 28_800])
        few = len(rows(OVERDUE, now=self.now)) <= sweeps.LITTLE
        got = self._claim(agent, limit=limit, lease=lease and timedelta(seconds=lease))
        assert len(got) <= limit
        for one in got:
            if one.dispatch.open_to_all and not one.dispatch.attempts.count() > 1:
                assert set(one.dispatch.required_skills) <= set(agent.skills)
        if few:
            assert rows(OVERDUE, now=self.now) == [], "I7: a claim swept less than a sweep"
        most = allowed(agent.pk, now=self.now)
        if most is not None:
            assert len(got) <= most, f"{agent.name} may have {most}, got {len(got)}"
            return
        waiting = Dispatch.objects.filter(status="pending", agent=agent, unique_key=None)
        assert len(got) == limit or not waiting.exists(), "work was left though there was room"

    def come_back(self, draw):
        """The time of a retry has come, and somebody asks for that very work."""
        waiting = Dispatch.objects.filter(status="retrying").order_by("id")
        if not waiting:
            return
        dispatch = draw("dispatch", list(waiting))
        self._pass(max(dispatch.run_at - self.now, timedelta(0)))
        self._claim(draw("who", self.agents), only=dispatch.pk)

    def report(self, draw):
        verbs = ["complete", "fail", "fail", "own", "own", "hopeless", "hold", "block"]
        held = self._pick(draw)
        self._guarded(held, self._report(held, draw("report", verbs)))

    def fail_of_its_own(self, draw):
        """A failure that only this agent has, or got past, goes on elsewhere, when there is one."""
        held = self._pick(draw, old=False)
        if not self._is_live(held):
            return
        agent, pk = held.attempt.agent, held.dispatch.pk
        message = draw("message", [COMMON, "HTTP 401 Unauthorized: {}"]).format(agent.name)
        own = self.model.is_own(agent.pk, message, now=self.now)
        skills = held.dispatch.required_skills
        others = bool(self.model.others(pk, skills, but=agent.pk)[0])
        awake = bool(self.model.others(pk, skills, but=agent.pk, alive=True)[0])
        fail(held, now=self.now, message=message)
        own |= tripped(agent.pk, now=self.now)
        left = row(held.dispatch)
        if left.status == "retrying":
            assert (left.run_at == self.now) == (own and others), f"I9: {agent.name} failed {pk}"
            another_way = not own and awake and left.next_strategy == Strategy.ALTERNATIVE_APPROACH
            kept_from_it = agent.pk in left.excluded_agents
            assert kept_from_it == ((own and others) or another_way), f"I9: {agent.name} keeps {pk}"

    def try_and_try(self, draw):
        """Work that nobody can do: whoever comes fails it, until none of its tries is left."""
        held = self._pick(draw, old=False)
        for _ in range(held.dispatch.max_attempts):
            if not self._is_live(held):
                return
            fail(held, now=self.now, message=COMMON)
            self._pass((row(held.dispatch).run_at or self.now) - self.now)
            self.model.observe(self.now)
            for agent in self.agents:
                for one in self._claim(agent, only=held.dispatch.pk):
                    held = one

    def crash(self, draw):
        """A holder goes silent for a whole lease, and somebody else may take its work."""
        held = self._pick(draw, old=False)
        end = row(held.dispatch).lease_expires_at or self.now
        self._pass(max(end - self.now, timedelta(0)))
        sweeps.sweep(now=self.now)
        self.model.observe(self.now)
        self._claim(draw("who", self.agents), only=held.dispatch.pk)

    def progress(self, draw):
        held, marker = self._pick(draw), draw("marker", [None, "c1", "c2"])
        self._guarded(held, lambda: self._progress(held, marker=marker))

    def heartbeat(self, draw):
        held = self._pick(draw)
        sweeps.sweep(now=self.now)
        live, before = self._is_live(held), snapshot()
        life = claims.heartbeat(held.attempt.agent, claim=held.attempt.claim, now=self.now)
        assert (life.claim_state == "live") == live
        if live:
            self.model.lease_until[held.attempt.pk] = life.lease_expires_at
        else:
            assert snapshot() == before, "I2: a zombie's heartbeat changed something"

    def meet(self, draw):
        """Two act on the same work in the same second; the other one is a little faster."""
        held = self._pick(draw, old=False)
        act = draw("act", ["sweep", "sweep", "complete", "fail", "progress", "block"])
        other = draw("other", ["progress", "complete", "take over", "cancel", "retry"])
        dispatch, to = row(held.dispatch), draw("to", self.agents)
        end = dispatch.lease_expires_at or dispatch.run_at
        if act == "sweep" and end is not None:
            self._pass(max(end - self.now, timedelta(0)))
        stood = self._is_live(held), snapshot()

        def first():
            nonlocal stood
            with suppress(StaleClaimError, IllegalMoveError, DuplicateKeyError):
                self._meddle(held, other, to)
            self.model.observe(self.now)
            stood = self._is_live(held), snapshot()

        acts = {
            "sweep": lambda: sweeps.sweep(now=self.now),
            "progress": lambda: self._progress(held, marker=None),
        }
        spot = {"nth": draw("nth row", [1, 1, 2, 3]), "depth": 2} if act == "sweep" else {}
        try:
            with meanwhile(first, **spot):
                (acts.get(act) or self._report(held, act))()
        except StaleClaimError:
            assert not stood[0], "a live claim was refused"
        if act != "sweep" and not stood[0]:
            assert snapshot() == stood[1], "I2: a claim that had just died changed something"

    # What happens to the world.

    def time_goes_by(self, draw):
        seconds = draw("seconds", [1, 59, 61, 120, 299, 301, 900, 1_100, 14_401, 90_000])
        self._pass(timedelta(seconds=seconds))

    def sweep(self, draw):
        sweeps.sweep(now=self.now)
        self.model.observe(self.now)
        left = self.model.left_behind(self.now)
        assert left == [], f"I7: after a sweep {left}"

    def show_life(self, draw):
        """Without a claim: agents come and go, and no lease is longer for it."""
        status = draw("status", [None, None, None, AgentStatus.BUSY, AgentStatus.OFFLINE])
        sweeps.sweep(now=self.now)
        before = snapshot()
        for agent in draw("who", [[agent] for agent in self.agents] + 3 * [self.agents]):
            agent.refresh_from_db()
            claims.heartbeat(agent, status=status, now=self.now)
        if status is not AgentStatus.OFFLINE:  # Who leaves may leave work to the excluded.
            assert snapshot() == before, "a heartbeat without a claim changed work"

    def rest(self, draw):
        """A person pauses an agent, or everybody, for a while."""
        until = self.now + timedelta(seconds=draw("seconds", [60, 1_000, 7_200]))
        agent = draw("who", [None, *self.agents])
        pauses.pause(agent, until=until, reason="Rest.", actor="ann", now=self.now)

    def trust_again(self, draw):
        """A person lets everybody go on, and an agent whose breaker opened."""
        for agent in (None, *self.agents):
            with suppress(pauses.NotPausedError):
                pauses.resume(agent, actor="ann", now=self.now)
        breakers.reset(draw("who", self.agents), actor="ann", now=self.now)

    def operate(self, draw):
        pks = list(Dispatch.objects.order_by("id").values_list("pk", flat=True))
        if not pks:
            return
        verb = draw("operation", ["retry", "retry", "cancel", "reassign", "unblock"])
        fitting = {"retry": "exhausted", "unblock": "blocked"}.get(verb, "pending")
        likely = Dispatch.objects.filter(status=fitting).order_by("id")
        pk = draw("dispatch", [*pks, *likely.values_list("pk", flat=True)])
        before, audited = snapshot(), AuditEntry.objects.count()
        try:
            if verb == "reassign":
                to = draw("to", self.agents)
                operator.reassign_dispatch(pk, agent=to, actor="ann", now=self.now)
            else:
                getattr(operator, f"{verb}_dispatch")(pk, actor="ann", now=self.now)
        except (IllegalMoveError, DuplicateKeyError):
            assert snapshot() == before
            assert AuditEntry.objects.count() == audited
            return
        assert AuditEntry.objects.count() == audited + 1
        if verb == "retry":
            self.finished.pop(pk, None)

    def write_carelessly(self, draw):
        """A second lease, epoch, claim or key, written past all code: the database refuses it."""
        for wall, (table, where, state, changes) in COPIES.items():
            column = "status" if table == "agents_dispatch" else "outcome"
            names = [name for (name,) in rows(COLUMNS, table=table) if name != "id"]
            values = ", ".join(changes.get(name, name) for name in names)
            source = f"FROM {table} WHERE {where} AND {column} = '{state}' ORDER BY id LIMIT 1"
            if rows(f"SELECT id {source}"):
                copy = f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} {source}"
                with pytest.raises(IntegrityError, match=wall), transaction.atomic():
                    rows(f"{copy} RETURNING id")

    # What must hold, whatever happened.

    @invariant()
    def the_model_agrees(self):
        type(self).steps += 1
        assert self.swallowed.said == [], self.swallowed.said
        self.model.observe(self.now)
        self.model.before = self.model.team

    @invariant()
    def nothing_that_must_never_be(self):
        union = " UNION ALL ".join(
            f"SELECT %s, seen::text FROM ({sql}) AS found (seen)" for sql in NEVER.values()
        )
        with connection.cursor() as cursor:
            cursor.execute(union, list(NEVER))
            found = cursor.fetchall()
            assert found == [], found

    @invariant()
    def a_closed_attempt_stays_as_it_was_closed(self):
        columns = ("id", "outcome", "ended_at", "reason", "answer", "failure_id", "agent_id")
        for pk, *rest in self._attempts(columns):
            assert self.closed.setdefault(pk, tuple(rest)) == tuple(rest), f"I4: attempt {pk}"

    @invariant()
    def finished_work_leaves_only_by_an_audited_retry(self):
        stands = {
            pk: (status, epoch)
            for pk, status, epoch in rows("SELECT id, status, lease_epoch FROM agents_dispatch")
        }
        for pk, ended in self.finished.items():
            assert stands[pk] == ended, f"I6: dispatch {pk}"
        self.finished = {pk: held for pk, held in stands.items() if held[0] in FINISHED}

    @invariant()
    def no_strategy_repeats_until_all_were_used(self):
        wrong = strategies_out_of_turn()
        assert wrong == [], wrong

    # Helpers.

    def _pass(self, time):
        self.now += time
        self.model.look(self.now)

    def _claim(self, agent, **fields):
        got = claims.claim_work(agent, now=self.now, **fields)
        self.held += got
        for one in got:
            self.model.lease_until[one.attempt.pk] = row(one.dispatch).lease_expires_at
        self.model.observe(self.now)
        return got

    def _progress(self, held, *, marker):
        pk, claim = held.dispatch.pk, held.attempt.claim
        life = claims.progress(pk, claim, note="on", marker=marker, by=None, now=self.now)
        self.model.lease_until[held.attempt.pk] = life.lease_expires_at

    def _report(self, held, verb):
        own = f"{held.attempt.agent.name}Error: it went wrong"
        return {
            "complete": lambda: complete(held, now=self.now),
            "fail": lambda: fail(held, now=self.now, message=COMMON),
            "own": lambda: fail(held, now=self.now, message=own),
            "block": lambda: block(held, now=self.now),
            "hopeless": lambda: fail(held, now=self.now, retryable=False),
            "hold": lambda: fail(held, now=self.now, hold_seconds=600),
        }[verb]

    def _meddle(self, held, verb, to):
        pk = held.dispatch.pk
        if verb == "progress":
            self._progress(held, marker="c3")
        elif verb == "complete":
            complete(held, now=self.now)
        elif verb == "take over":
            operator.reassign_dispatch(pk, agent=to, actor="ann", now=self.now)
            self._claim(to, only=pk)
        elif verb == "cancel":
            operator.cancel_dispatch(pk, actor="ann", now=self.now)
        else:
            operator.retry_dispatch(pk, actor="ann", now=self.now)
            self.finished.pop(pk, None)

    def _pick(self, draw, *, old=None):
        """A live claim, or an `old` one, rather of work that somebody else holds by now."""
        old = draw("old", [False, False, True]) if old is None else old
        running = dict(Dispatch.objects.filter(status="running").values_list("pk", "lease_epoch"))
        current = [one for one in self.held if one.dispatch.pk in running]
        fitting = [
            one for one in current if (running[one.dispatch.pk] != one.dispatch.lease_epoch) == old
        ]
        return draw("claim", fitting or self.held)

    def _is_live(self, held):
        return Dispatch.objects.filter(
            pk=held.dispatch.pk, status="running", lease_epoch=held.dispatch.lease_epoch
        ).exists()

    def _guarded(self, held, act):
        """Run `act`: a live claim is heard; a dead one changes nothing, answered or refused."""
        live, before = self._is_live(held), snapshot()
        try:
            act()
        except StaleClaimError:
            assert not live, "a live claim was refused"
        if not live:
            assert snapshot() == before, "I2: a stale claim changed something"

    def _attempts(self, columns):
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join(columns)} FROM agents_attempt WHERE outcome <> 'running'"
            )
            return cursor.fetchall()
