"""Five agents, every verb, crashes, zombies and clock jumps, in whatever order Hypothesis likes.

Each example runs in one transaction that is rolled back.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agents.errors import StaleClaimError
from agents.models import AuditEntry, Dispatch
from agents.services.dispatches import DuplicateKeyError
from agents.states import FINISHED, AgentRole, IllegalMoveError, Strategy
from recovery.policy import LADDER
from recovery.services import claims, operator, sweeps
from tests.recovery.world import T0, block, complete, fail, hire, queue, snapshot

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
    "I5 every failed attempt has its failure, and no other has": """
        SELECT a.id FROM agents_attempt a WHERE a.outcome NOT IN ('superseded', 'cancelled')
        AND (a.outcome = 'failed') <> EXISTS (
            SELECT 1 FROM failures_failure f WHERE f.attempt_id = a.id)
        """,
}


class Recovery(RuleBasedStateMachine):
    """The whole of recovery, but for threads: those have tests of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.outer = transaction.atomic()
        self.outer.__enter__()
        self.now = T0
        hire("MAX", role=AgentRole.LEAD)
        self.agents = [hire(name, skills=skills) for name, skills in AGENTS.items()]
        self.held = []
        """Every claim that was ever given, live and dead alike."""
        self.closed: dict[int, tuple] = {}
        self.finished: dict[int, tuple[str, int]] = {}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.outer.__exit__(None, None, None)

    # What happens to work.

    @rule(
        key=st.sampled_from([None, None, "a", "b"]),
        skills=st.sampled_from([[], [], ["sql"], ["sql", "css"]]),
        to=st.sampled_from([None, None, None, 0, 1]),
        excluded=st.sampled_from([[], [], [0], [1, 2]]),
        later=st.sampled_from([0, 0, 0, 90]),
        max_attempts=st.sampled_from([4, 4, 1, 6]),
    )
    def create(self, key, skills, to, excluded, later, max_attempts):
        try:
            made = queue(
                unique_key=key,
                required_skills=skills,
                agent=None if to is None else self.agents[to],
                not_before=self.now + timedelta(seconds=later),
                max_attempts=max_attempts,
                now=self.now,
            )
        except DuplicateKeyError:
            return
        if to is None:
            pks = [self.agents[index].pk for index in excluded]
            Dispatch.objects.filter(pk=made.pk).update(excluded_agents=pks)

    @rule(who=st.integers(0, 4), limit=st.sampled_from([1, 1, 1, 2, 50]))
    def claim(self, who, limit):
        agent = self.agents[who]
        got = claims.claim_work(agent, limit=limit, now=self.now)
        assert len(got) <= limit
        for one in got:
            dispatch = one.dispatch
            if dispatch.open_to_all and not dispatch.attempts.count() > 1:
                assert set(dispatch.required_skills) <= set(agent.skills)
                assert agent.pk not in dispatch.excluded_agents, "I9"
        self.held += got
        waiting = Dispatch.objects.filter(status="pending", agent=agent, unique_key=None)
        assert len(got) == limit or not waiting.exists(), "work was left though there was room"

    @precondition(lambda self: self.held)
    @rule(
        data=st.data(),
        verb=st.sampled_from(["complete", "fail", "fail", "hopeless", "hold", "block"]),
        old=st.booleans(),
    )
    def report(self, data, verb, old):
        held = self._pick(data, old=old)
        acts = {
            "complete": lambda: complete(held, now=self.now),
            "fail": lambda: fail(held, now=self.now),
            "hopeless": lambda: fail(held, now=self.now, retryable=False),
            "hold": lambda: fail(held, now=self.now, hold_seconds=600),
            "block": lambda: block(held, now=self.now),
        }
        self._guarded(held, acts[verb])

    @precondition(lambda self: self.held)
    @rule(data=st.data(), who=st.integers(0, 4))
    def crash(self, data, who):
        """A holder goes silent for a whole lease, and somebody else may take its work."""
        held = self._pick(data, old=False)
        self.now += timedelta(seconds=301)
        sweeps.sweep(now=self.now)
        self.held += claims.claim_work(self.agents[who], only=held.dispatch.pk, now=self.now)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), old=st.booleans(), marker=st.sampled_from([None, "c1", "c2"]))
    def progress(self, data, old, marker):
        held = self._pick(data, old=old)
        pk, claim = held.dispatch.pk, held.attempt.claim
        self._guarded(
            held,
            lambda: claims.progress(pk, claim, note="on", marker=marker, by=None, now=self.now),
        )

    @precondition(lambda self: self.held)
    @rule(data=st.data(), old=st.booleans())
    def heartbeat(self, data, old):
        held = self._pick(data, old=old)
        sweeps.sweep(now=self.now)
        live, before = self._is_live(held), snapshot()
        life = claims.heartbeat(held.attempt.agent, claim=held.attempt.claim, now=self.now)
        assert (life.claim_state == "live") == live
        if not live:
            assert snapshot() == before, "I2: a zombie's heartbeat changed something"

    # What happens to the world.

    @rule(seconds=st.sampled_from([1, 59, 61, 120, 299, 301, 900, 1_100, 14_401, 90_000]))
    def time_goes_by(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def sweep(self):
        sweeps.sweep(now=self.now)
        overdue = Dispatch.objects.all()
        for late in ("due", "lease_expired", "past_deadline", "address_lapsed"):
            assert not getattr(overdue, late)(now=self.now).exists(), f"I7: {late} after a sweep"

    @rule(data=st.data(), verb=st.sampled_from(["retry", "cancel", "reassign", "unblock"]))
    def operate(self, data, verb):
        pks = list(Dispatch.objects.order_by("id").values_list("pk", flat=True))
        if not pks:
            return
        pk, to = data.draw(st.sampled_from(pks)), data.draw(st.sampled_from(self.agents))
        before, audited = snapshot(), AuditEntry.objects.count()
        try:
            if verb == "reassign":
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

    # What must hold, whatever happened.

    @invariant()
    def nothing_that_must_never_be(self):
        union = " UNION ALL ".join(
            f"SELECT %s, seen::text FROM ({sql}) AS found (seen)" for sql in NEVER.values()
        )
        with connection.cursor() as cursor:
            cursor.execute(union, list(NEVER))
            assert cursor.fetchall() == []

    @invariant()
    def a_closed_attempt_stays_as_it_was_closed(self):
        columns = ("id", "outcome", "ended_at", "reason", "answer", "failure_id", "agent_id")
        for pk, *rest in self._attempts(columns):
            assert self.closed.setdefault(pk, tuple(rest)) == tuple(rest), f"I4: attempt {pk}"

    @invariant()
    def finished_work_leaves_only_by_an_audited_retry(self):
        for pk, (status, epoch) in list(self.finished.items()):
            now_stands = Dispatch.objects.values_list("status", "lease_epoch").get(pk=pk)
            assert now_stands == (status, epoch), f"I6: dispatch {pk}"
        for pk, status, epoch in Dispatch.objects.filter(
            status__in=[one.value for one in FINISHED]
        ).values_list("pk", "status", "lease_epoch"):
            self.finished[pk] = (status, epoch)

    @invariant()
    def no_strategy_repeats_until_all_were_used(self):
        rungs: dict[int, list[str]] = defaultdict(list)
        tries = Dispatch.objects.filter(attempts__outcome="failed").order_by("attempts__id")
        held = "Held until"
        for pk, strategy, reason in tries.values_list(
            "pk", "attempts__strategy", "attempts__reason"
        ):
            if strategy != Strategy.FIRST_TRY and not reason.startswith(held):
                rungs[pk].append(strategy)
        for pk, used in rungs.items():
            for first in range(0, len(used), len(LADDER)):
                block_of = used[first : first + len(LADDER)]
                assert len(set(block_of)) == len(block_of), f"I8: dispatch {pk} used {used}"

    # Helpers.

    def _pick(self, data, *, old):
        """A live claim, or an `old` one, rather of work that somebody else holds by now."""
        running = dict(Dispatch.objects.filter(status="running").values_list("pk", "lease_epoch"))
        current = [one for one in self.held if one.dispatch.pk in running]
        fitting = [
            one for one in current if (running[one.dispatch.pk] != one.dispatch.lease_epoch) == old
        ]
        return data.draw(st.sampled_from(fitting or self.held))

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
