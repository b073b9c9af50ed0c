"""What time alone must do, whoever it is that sweeps."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction

from agents.models import Attempt, Dispatch, Message, SystemBeat
from agents.states import AttemptOutcome, DispatchStatus, Strategy
from failures.models import Failure
from recovery.services import claims, operator, sweeps
from recovery.services.sweeps import SWEEP_LOCK, Swept, sweep
from tests.recovery.world import (
    HOUR,
    LEASE,
    MINUTE,
    SECOND,
    T0,
    at_once,
    complete,
    fail,
    hire,
    nothing_for,
    outcomes_of,
    queue,
    row,
    snapshot,
    status_of,
    take,
)

TICK = timedelta(microseconds=1)
DEADLINE = timedelta(hours=4)


def lose(agent, *, now):
    """`agent` takes the next dispatch and dies; when its lease is over, a sweep notices."""
    held = take(agent, now=now)
    sweep(now=now + LEASE)
    return held, now + LEASE


def test_a_retry_is_released_when_due_and_not_a_tick_before(team):
    dispatch = queue()
    fail(take(team.sam))
    due = row(dispatch).run_at
    assert sweep(now=due - TICK) == Swept()
    assert nothing_for(team.sam, now=due - TICK)
    assert sweep(now=due) == Swept(released=1)
    stored = row(dispatch)
    assert (stored.status, stored.run_at, stored.next_strategy) == (
        "pending",
        None,
        Strategy.REPEAT_WITH_EVIDENCE,
    )


def test_work_asked_for_later_starts_then(team):
    dispatch = queue(not_before=T0 + HOUR)
    assert nothing_for(team.sam, now=T0 + HOUR - TICK)
    assert take(team.sam, now=T0 + HOUR).dispatch.pk == dispatch.pk


def test_a_lost_lease_uses_up_no_try_and_counts_a_crash(team):
    dispatch = queue()
    take(team.sam)
    assert sweep(now=T0 + LEASE - TICK) == Swept()
    assert sweep(now=T0 + LEASE) == Swept(lost=1)
    stored = row(dispatch)
    assert (stored.status, stored.attempt, stored.crash_count) == ("pending", 0, 1)
    assert (stored.agent, stored.lease_expires_at, stored.deadline_at) == (None, None, None)
    assert stored.reason == "SAM went silent, and its lease ran out 0 s ago (crash 1 of 3)."
    assert outcomes_of(dispatch) == ["lost"]
    assert not Failure.objects.exists()
    assert take(team.leo, now=T0 + LEASE).attempt.strategy == Strategy.FIRST_TRY


def test_the_third_lost_lease_gives_the_work_up_and_tells_the_lead_once(team):
    dispatch = queue()
    now = T0
    for expected in ("pending", "pending", "exhausted"):
        _, now = lose(team.sam, now=now)
        assert status_of(dispatch) == expected
    sweep(now=now + HOUR)
    stored = row(dispatch)
    assert (stored.attempt, stored.crash_count, stored.finished_at) == (0, 3, now)
    assert stored.reason.endswith("(crash 3 of 3). Given up.")
    assert Attempt.objects.latest("id").reason == stored.reason
    assert outcomes_of(dispatch) == ["lost"] * 3
    assert Message.objects.filter(to_agent=team.max).count() == 1


def test_work_that_a_person_addressed_goes_back_to_that_agent(team):
    dispatch = queue(agent=team.leo)
    lose(team.leo, now=T0)
    assert row(dispatch).agent == team.leo
    assert nothing_for(team.sam, now=T0 + LEASE)


def test_past_its_deadline_an_attempt_failed_by_timeout_and_climbs_the_ladder(team):
    dispatch = queue()
    held = take(team.sam)
    for minute in range(0, 240, 4):
        claims.heartbeat(team.sam, claim=held.attempt.claim, now=T0 + minute * MINUTE)
    assert sweep(now=T0 + DEADLINE - TICK) == Swept()
    assert sweep(now=T0 + DEADLINE) == Swept(overdue=1)
    stored, failure, attempt = row(dispatch), Failure.objects.get(), Attempt.objects.get()
    assert (failure.error_type, failure.attempt) == ("timeout", attempt)
    assert (attempt.outcome, attempt.failure_id) == (AttemptOutcome.FAILED, failure.pk)
    assert (stored.status, stored.attempt, stored.crash_count) == ("retrying", 1, 0)
    assert T0 + DEADLINE + 60 * SECOND <= stored.run_at <= T0 + DEADLINE + 72 * SECOND
    assert stored.next_strategy == Strategy.REPEAT_WITH_EVIDENCE


def test_all_that_ran_past_their_deadline_are_one_group_however_long_they_ran(team):
    late = {team.sam: 0, team.leo: 20, team.alex: 61, hire("RAY"): 1_440}
    for agent, minutes in late.items():
        queue(max_attempts=1)
        take(agent)
        Dispatch.objects.filter(status="running").update(lease_expires_at=T0 + 99 * HOUR)
        sweep(now=T0 + DEADLINE + minutes * MINUTE)
    assert Failure.objects.count() == 4
    assert len(set(Failure.objects.values_list("fingerprint", flat=True))) == 1


def test_four_deadlines_exhaust(team):
    dispatch = queue()
    now = T0
    for _ in range(4):
        take(team.sam, now=now)
        Dispatch.objects.update(lease_expires_at=now + 9 * HOUR)  # alive the whole time
        sweep(now=now + DEADLINE)
        now = row(dispatch).run_at or now
        sweep(now=now)
    assert status_of(dispatch) is DispatchStatus.EXHAUSTED
    assert outcomes_of(dispatch) == ["failed"] * 4


def test_a_retry_kept_for_its_agent_is_all_agents_a_minute_later(team):
    dispatch = queue()
    fail(take(team.sam))
    due = row(dispatch).run_at
    sweep(now=due)
    assert row(dispatch).agent == team.sam
    assert nothing_for(team.leo, now=due + MINUTE - TICK)
    assert sweep(now=due + MINUTE) == Swept(opened=1)
    assert take(team.leo, now=due + MINUTE).dispatch.pk == dispatch.pk


def test_after_a_long_pause_a_due_retry_is_released_and_opened_in_one_round(team):
    queue()
    fail(take(team.sam))
    assert sweep(now=T0 + HOUR) == Swept(released=1, opened=1)
    take(team.leo, now=T0 + HOUR)


@pytest.mark.parametrize(
    ("late", "outcome"), [(LEASE, "lost"), (DEADLINE, "superseded")], ids=["lease", "deadline"]
)
def test_a_follow_up_that_waits_keeps_lost_or_overdue_work_from_coming_back(team, late, outcome):
    first = queue(unique_key="k")
    take(team.sam)
    if outcome == "superseded":
        Dispatch.objects.filter(pk=first.pk).update(lease_expires_at=T0 + 9 * HOUR)
    second = queue(unique_key="k")
    sweep(now=T0 + late)
    assert (status_of(first), outcomes_of(first)) == ("cancelled", [outcome])
    assert row(first).superseded_by == second
    assert status_of(second) is DispatchStatus.PENDING


def test_a_lost_lease_after_a_cancel_was_asked_for_ends_cancelled(team):
    dispatch = queue()
    take(team.sam)
    operator.cancel_dispatch(dispatch.pk, actor="ann", now=T0)
    sweep(now=T0 + LEASE)
    assert (status_of(dispatch), outcomes_of(dispatch)) == ("cancelled", ["lost"])


def everything_due(team):
    """One row for each part of a sweep; returns them and the instant when all are due."""
    lost = queue("lost")
    take(team.sam, only=lost.pk)
    overdue = queue("overdue")
    take(team.sam, only=overdue.pk)
    Dispatch.objects.filter(pk=overdue.pk).update(lease_expires_at=T0 + 99 * HOUR)
    due = queue("due")
    fail(take(team.sam, only=due.pk))
    kept = queue("kept")
    Dispatch.objects.filter(pk=kept.pk).update(agent=team.alex, agent_until=T0 + MINUTE)
    return {"lost": lost, "overdue": overdue, "due": due, "kept": kept}, T0 + DEADLINE


def by_beat(team, now):
    sweeps.sweep_and_sign(now=now)


def by_a_claim(team, now):
    # It names a row that doesn't exist, so it takes nothing; but it sweeps.
    claims.claim_work(team.leo, only=999_999_999, now=now)


def by_a_heartbeat(team, now):
    claims.heartbeat(team.leo, now=now)


@pytest.mark.parametrize("sweeper", [by_beat, by_a_claim, by_a_heartbeat])
def test_claims_and_heartbeats_sweep_all_that_beat_does(team, sweeper):
    rows, now = everything_due(team)
    sweeper(team, now)
    standing = {name: (status_of(one), row(one).agent) for name, one in rows.items()}
    assert standing["lost"] == ("pending", None)
    assert standing["overdue"] == ("retrying", team.sam)
    assert standing["due"] == ("pending", None)
    assert standing["kept"] == ("pending", None)


def test_the_very_claim_that_releases_a_retry_gets_it(team):
    dispatch = queue()
    fail(take(team.sam))
    assert take(team.sam, now=row(dispatch).run_at).dispatch.pk == dispatch.pk


def test_a_sweep_inside_a_call_is_short_and_the_next_goes_on(team):
    for number in range(25):
        queue(f"d{number}", not_before=T0 + HOUR)
    for left in (15, 5, 0):
        claims.heartbeat(team.sam, now=T0 + HOUR)
        assert Dispatch.objects.filter(status="retrying").count() == left


def test_a_failing_sweep_does_not_fail_the_claim(team, monkeypatch):
    queue(not_before=T0 + MINUTE)
    queue("ready")

    def broken(**_):
        raise ValueError("a defect")

    monkeypatch.setattr(sweeps, "sweep", broken)
    assert take(team.sam, now=T0 + HOUR).dispatch.title == "ready"


def poison_by_a_lost_attempt(dispatch):
    """A running row without its attempt: no sweep can make sense of it."""
    Attempt.objects.filter(dispatch=dispatch).delete()


def poison_by_a_closed_attempt(dispatch):
    """A running row whose attempt is closed already."""
    Attempt.objects.filter(dispatch=dispatch).update(outcome="released", ended_at=T0)


def poison_by_its_tries(dispatch):
    """A row that the database won't let move: losing it counts one crash too many."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else the table can't be altered now
        cursor.execute("ALTER TABLE agents_dispatch DROP CONSTRAINT dispatch_crashes_within_max")
        cursor.execute(
            "UPDATE agents_dispatch SET crash_count = 2, max_crashes = 9 WHERE id = %s",
            [dispatch.pk],
        )
        cursor.execute("ALTER TABLE agents_dispatch ADD CONSTRAINT tight CHECK (crash_count <= 2)")


@pytest.mark.parametrize(
    "poison", [poison_by_a_lost_attempt, poison_by_a_closed_attempt, poison_by_its_tries]
)
def test_one_poison_row_does_not_strand_the_rest(team, poison):
    held = [take(team.sam) for _ in range(3) if queue()]
    due = queue("due", not_before=T0 + MINUTE)
    poison(held[0].dispatch)
    swept = sweep(now=T0 + LEASE)
    assert swept == Swept(lost=2, released=1)
    assert [status_of(one.dispatch) for one in held] == ["running", "pending", "pending"]
    assert status_of(due) is DispatchStatus.PENDING


def test_a_sweep_is_skipped_while_another_is_at_it(live_team):
    queue(not_before=T0 + MINUTE)
    holds, done = threading.Event(), threading.Event()

    def hold_the_lock():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SWEEP_LOCK])
            holds.set()
            assert done.wait(timeout=60)

    def try_to_sweep():
        assert holds.wait(timeout=60)
        try:
            return sweep(now=T0 + HOUR)
        finally:
            done.set()

    _, skipped = at_once(hold_the_lock, try_to_sweep)
    assert skipped is None
    assert sweep(now=T0 + HOUR) == Swept(released=1)


def without_the_lock(monkeypatch):
    monkeypatch.setattr(sweeps, "_sole_sweeper", lambda: True)


@pytest.mark.parametrize("locked", [True, False], ids=["sole", "all at once"])
def test_eight_sweeps_at_once_release_each_dispatch_once(live_team, monkeypatch, caplog, locked):
    """Even without the advisory lock: each row is looked at again under its own."""
    if not locked:
        without_the_lock(monkeypatch)
    lost = [take(live_team.sam).dispatch for _ in range(15) if queue()]
    overdue = [take(hire(f"W{number}")).dispatch for number in range(15) if queue()]
    Dispatch.objects.filter(pk__in=[o.pk for o in overdue]).update(lease_expires_at=T0 + 99 * HOUR)
    for number in range(15):
        queue(f"due {number}", not_before=T0 + HOUR)
    results = at_once(*[partial(sweep, now=T0 + DEADLINE)] * 8)
    assert not [r for r in results if isinstance(r, Exception)], results
    assert not caplog.records  # else only the database refused what a sweep tried twice
    done = [r for r in results if r is not None]
    assert sum(r.lost for r in done) == 15
    assert sum(r.overdue for r in done) == 15
    assert sum(r.released for r in done) == 15
    assert set(Dispatch.objects.filter(pk__in=[d.pk for d in lost]).values_list("crash_count")) == {
        (1,)
    }
    assert Failure.objects.count() == 15
    assert not Attempt.objects.filter(outcome="running").exists()


def test_a_row_that_moved_on_since_it_was_listed_is_left_alone(team, monkeypatch, caplog):
    """The sweep lists two lost leases; while it works on the first, the second completes."""
    queue("first")
    queue("second")
    take(team.sam)
    second = take(team.sam)
    act = sweeps.lose_lease

    def lose_and_complete(dispatch, now):
        act(dispatch, now)
        if second.dispatch.status == "running":
            second.dispatch.status = "told"
            complete(second, now=now)

    monkeypatch.setattr(sweeps, "lose_lease", lose_and_complete)
    assert sweep(now=T0 + LEASE) == Swept(lost=1)
    assert not caplog.records  # nothing was tried and refused
    assert (status_of(second.dispatch), outcomes_of(second.dispatch)) == (
        "completed",
        ["succeeded"],
    )


def test_sweeping_twice_changes_nothing_more(team):
    _, now = everything_due(team)
    sweep(now=now)
    before = snapshot()
    assert sweep(now=now) == Swept()
    assert snapshot() == before


def test_beat_signs_its_round(team):
    sweeps.sweep_and_sign(now=T0)
    assert SystemBeat.objects.get(name="sweeper").at == T0
