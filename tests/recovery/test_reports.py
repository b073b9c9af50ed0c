"""What an agent's report leads to: complete, fail, block; and whose report counts."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from agents.errors import NotYoursError, StaleClaimError
from agents.models import Agent, Attempt, Dispatch, Message
from agents.states import DispatchStatus, Strategy
from failures.models import Failure
from recovery.services import claims, operator, reports, sweeps
from tests.recovery.world import (
    HOUR,
    LEASE,
    MINUTE,
    SECOND,
    T0,
    at_once,
    block,
    complete,
    fail,
    hire,
    outcomes_of,
    queue,
    row,
    snapshot,
    status_of,
    take,
)

VERBS = {"complete": complete, "fail": fail, "block": block}


def progress(held, now=T0, marker="c1", note=None):
    return claims.progress(
        held.dispatch.pk, held.attempt.claim, note=note, marker=marker, by=None, now=now
    )


def gone_wrong(held, now=T0):
    """Fail, and be back in the queue when its time has come."""
    fail(held, now=now)
    due = row(held.dispatch).run_at
    sweeps.sweep(now=due)
    return due


def test_complete_ends_the_dispatch_and_its_attempt(team):
    dispatch = queue()
    held = take(team.sam)
    closed = complete(held, now=T0 + MINUTE, result={"tests": 3}, evidence="all green")
    stored, attempt = row(dispatch), Attempt.objects.get()
    assert (stored.status, stored.finished_at, stored.reason) == ("completed", T0 + MINUTE, "")
    assert (stored.lease_expires_at, stored.deadline_at, stored.lease_seconds) == (None,) * 3
    assert (attempt.outcome, attempt.ended_at) == ("succeeded", T0 + MINUTE)
    assert attempt.result == {"result": {"tests": 3}, "evidence": "all green"}
    assert closed.answer["status"] == "completed"
    assert closed.answer["finishedAt"] == "2026-03-02T09:01:00Z"


@pytest.mark.parametrize("result", [0, False, "", [], {}])
def test_a_result_that_is_empty_is_kept_all_the_same(team, result):
    queue()
    complete(take(team.sam), result=result)
    assert Attempt.objects.get().result == {"result": result, "evidence": ""}


def test_complete_without_a_result_keeps_none(team):
    queue()
    complete(take(team.sam))
    assert Attempt.objects.get().result is None


def test_a_failed_attempt_logs_a_failure_that_points_at_it(team):
    dispatch = queue(ticket_id="EV-7")
    closed = fail(take(team.sam), message="AssertionError: 3 != 4")
    failure, attempt = Failure.objects.get(), Attempt.objects.get()
    assert (failure.attempt, failure.agent, failure.ticket_id) == (attempt, team.sam, "EV-7")
    assert failure.context["dispatchId"] == dispatch.pk
    assert (attempt.outcome, attempt.failure_id) == ("failed", failure.pk)
    assert closed.answer["failureId"] == failure.pk
    assert closed.answer["occurrences"] == 1
    assert row(dispatch).last_fingerprint == failure.fingerprint


def test_the_first_retry_of_an_unshortened_installation_is_60_to_72_seconds_ahead(team):
    # 60 × [1, 1.2) with the default settings.
    for number in range(20):
        queue(f"d{number}")
        held = take(hire(f"W{number}"))
        fail(held)
        assert T0 + 60 * SECOND <= row(held.dispatch).run_at <= T0 + 72 * SECOND


def test_three_retries_with_three_strategies_then_the_lead_is_told(team):
    dispatch = queue()
    now, strategies = T0, []
    for wait in (60, 300, 900):
        held = take(team.sam, now=now)
        strategies.append(held.attempt.strategy)
        due = gone_wrong(held, now)
        assert now + wait * SECOND <= due <= now + wait * 1.2 * SECOND
        now = due
    held = take(team.sam, now=now)
    strategies.append(held.attempt.strategy)
    fail(held, now=now)
    assert strategies == list(Strategy)
    assert status_of(dispatch) is DispatchStatus.EXHAUSTED
    assert row(dispatch).reason == "Given up after 4 of 4 tries."
    assert outcomes_of(dispatch) == ["failed"] * 4
    fail(held, now=now)
    about_the_loop, message = Message.objects.order_by("id")
    assert (about_the_loop.to_agent, message.to_agent) == (team.max, team.max)
    assert "again and again" in about_the_loop.text
    assert f"#{dispatch.pk} work is exhausted" in message.text


def test_the_next_attempt_is_told_what_went_wrong(team):
    queue()
    held = take(team.sam)
    due = gone_wrong(held)
    again = take(team.sam, now=due)
    assert "AssertionError: 3 != 4" in again.attempt.instructions
    assert "attempt 1 by SAM" in again.attempt.instructions


def test_a_failure_that_no_retry_can_help_is_given_up_at_once(team):
    dispatch = queue()
    fail(take(team.sam), retryable=False)
    assert status_of(dispatch) is DispatchStatus.EXHAUSTED
    assert Message.objects.filter(to_agent=team.max).count() == 1


def test_a_hold_uses_up_no_try_and_no_strategy(team):
    dispatch = queue()
    fail(take(team.sam), hold_seconds=7_200)
    assert (row(dispatch).run_at, row(dispatch).attempt) == (T0 + 2 * HOUR, 0)
    sweeps.sweep(now=T0 + 2 * HOUR)
    held = take(team.sam, now=T0 + 2 * HOUR)
    assert (held.dispatch.attempt, held.attempt.strategy) == (1, Strategy.FIRST_TRY)


def test_a_hold_at_the_last_try_gives_that_try_back(team):
    dispatch = queue(max_attempts=1)
    fail(take(team.sam), hold_seconds=60)
    sweeps.sweep(now=T0 + MINUTE)
    fail(take(team.sam, now=T0 + MINUTE), now=T0 + MINUTE)
    assert status_of(dispatch) is DispatchStatus.EXHAUSTED


def test_block_tells_the_lead_once_and_uses_up_no_try(team):
    dispatch = queue()
    held = take(team.sam)
    block(held, reason="No permission to push.")
    block(held, reason="No permission to push.")
    stored = row(dispatch)
    assert (stored.status, stored.reason, stored.attempt) == (
        "blocked",
        "No permission to push.",
        0,
    )
    message = Message.objects.get()
    assert message.to_agent == team.max
    assert "No permission to push." in message.text


@pytest.mark.parametrize("verb", VERBS)
def test_the_same_report_again_hears_the_same_while_a_second_claim_runs(team, verb):
    dispatch = queue()
    held = take(team.sam)
    first = VERBS[verb](held)
    Dispatch.objects.filter(pk=dispatch.pk).update(
        status="pending", run_at=None, finished_at=None, agent=None, attempt=0
    )
    take(team.leo)
    before, failures = snapshot(), Failure.objects.count()
    again = VERBS[verb](held, now=T0 + MINUTE)
    assert again.answer == first.answer
    assert snapshot() == before
    assert Failure.objects.count() == failures


@pytest.mark.parametrize("verb", VERBS)
def test_the_same_report_that_met_a_follow_up_hears_the_same_again(team, verb):
    queue(unique_key="k")
    held = take(team.sam)
    queue(unique_key="k")
    first = VERBS[verb](held)
    before = snapshot()
    assert VERBS[verb](held, now=T0 + MINUTE).answer == first.answer
    assert snapshot() == before


@pytest.mark.parametrize("verb", VERBS)
def test_the_same_report_that_met_a_cancel_hears_the_same_again(team, verb):
    dispatch = queue()
    held = take(team.sam)
    operator.cancel_dispatch(dispatch.pk, actor="ann", now=T0)
    first = VERBS[verb](held)
    assert VERBS[verb](held, now=T0 + MINUTE).answer == first.answer


@pytest.mark.parametrize("said", VERBS)
@pytest.mark.parametrize("then", VERBS)
def test_another_report_with_a_closed_claim_is_refused(team, said, then):
    if said == then:
        return
    queue()
    held = take(team.sam)
    VERBS[said](held)
    before = snapshot()
    with pytest.raises(StaleClaimError):
        VERBS[then](held, now=T0 + MINUTE)
    assert snapshot() == before


@pytest.mark.parametrize("verb", [*VERBS, "progress", "heartbeat"])
def test_a_stale_epoch_changes_nothing(team, verb):
    """SAM's lease is lost, LEO works on; then SAM comes back from the dead."""
    queue()
    zombie = take(team.sam)
    late = T0 + LEASE
    sweeps.sweep(now=late)
    take(team.leo, now=late)
    before = snapshot()
    if verb == "heartbeat":
        life = claims.heartbeat(team.sam, claim=zombie.attempt.claim, now=late + SECOND)
        assert (life.claim_state, life.lease_expires_at) == ("expired", None)
    else:
        report = VERBS.get(verb, progress)
        with pytest.raises(StaleClaimError) as refused:
            report(zombie, now=late + SECOND)
        assert refused.value.code == "expired"
    assert snapshot() == before
    assert not Failure.objects.exists()
    assert not Message.objects.exists()


@pytest.mark.parametrize("verb", VERBS)
def test_another_agents_claim_is_not_ones_own(team, verb):
    queue()
    held = take(team.sam)
    before = snapshot()
    with pytest.raises(NotYoursError):
        VERBS[verb](held, by=team.leo)
    assert snapshot() == before


@pytest.mark.parametrize("verb", ["fail", "block"])
def test_what_a_follow_up_waits_for_ends_superseded(team, verb):
    first = queue(unique_key="k")
    held = take(team.sam)
    second = queue(unique_key="k")
    VERBS[verb](held)
    stored = row(first)
    assert (stored.status, stored.superseded_by) == ("cancelled", second)
    assert stored.reason == f"Superseded by #{second.pk}."
    assert outcomes_of(first) == ["superseded"]
    assert take(team.sam).dispatch.pk == second.pk


@pytest.mark.parametrize("waits", ["pending", "retrying", "blocked"])
def test_a_follow_up_supersedes_however_it_waits(team, waits):
    first = queue(unique_key="k")
    held = take(team.sam)
    second = queue(unique_key="k", not_before=T0 + HOUR if waits == "retrying" else None)
    if waits == "blocked":
        Dispatch.objects.filter(pk=second.pk).update(status="blocked", reason="No key.")
    fail(held)
    assert status_of(first) is DispatchStatus.CANCELLED
    assert status_of(second) == waits


def test_complete_counts_even_with_a_follow_up_waiting(team):
    first = queue(unique_key="k")
    held = take(team.sam)
    queue(unique_key="k")
    complete(held)
    assert status_of(first) is DispatchStatus.COMPLETED


@pytest.mark.parametrize(
    ("verb", "status", "outcome"),
    [
        ("fail", "cancelled", "cancelled"),
        ("block", "cancelled", "cancelled"),
        ("complete", "completed", "succeeded"),  # it was done before it heard of the cancel
    ],
)
def test_a_report_after_a_cancel_was_asked_for(team, verb, status, outcome):
    dispatch = queue()
    held = take(team.sam)
    operator.cancel_dispatch(dispatch.pk, actor="ann", now=T0)
    assert status_of(dispatch) is DispatchStatus.RUNNING
    VERBS[verb](held)
    assert (status_of(dispatch), outcomes_of(dispatch)) == (status, [outcome])
    assert not Message.objects.exists()


def test_a_late_complete_with_an_unswept_lease_is_accepted(team):
    dispatch = queue()
    complete(take(team.sam), now=T0 + LEASE + HOUR)
    assert status_of(dispatch) is DispatchStatus.COMPLETED


def test_progress_and_heartbeat_hear_of_cancel_and_of_a_follow_up(team):
    dispatch = queue(unique_key="k")
    held = take(team.sam)
    life = claims.heartbeat(team.sam, claim=held.attempt.claim, now=T0 + SECOND)
    assert (life.cancel_requested, life.superseded, life.claim_state) == (False, False, "live")
    operator.cancel_dispatch(dispatch.pk, actor="ann", now=T0)
    queue(unique_key="k")
    for life in (
        claims.heartbeat(team.sam, claim=held.attempt.claim, now=T0 + SECOND),
        claims.progress(
            dispatch.pk, held.attempt.claim, note=None, marker="c1", by=None, now=T0 + SECOND
        ),
    ):
        assert (life.cancel_requested, life.superseded, life.claim_state) == (True, True, "live")


def test_life_extends_the_lease_and_progress_moves_the_stall_clock(team):
    dispatch = queue()
    held = take(team.sam)
    claims.heartbeat(team.sam, claim=held.attempt.claim, now=T0 + MINUTE)
    assert row(dispatch).lease_expires_at == T0 + MINUTE + LEASE
    assert row(dispatch).last_progress_at == T0
    claims.heartbeat(team.sam, now=T0 + 2 * MINUTE)  # without a claim: extends nothing
    assert row(dispatch).lease_expires_at == T0 + MINUTE + LEASE
    for minute, marker, moved in [(3, "c1", 3), (4, "c1", 3), (5, "c2", 5)]:
        now = T0 + minute * MINUTE
        claims.progress(dispatch.pk, held.attempt.claim, note=None, marker=marker, by=None, now=now)
        assert row(dispatch).lease_expires_at == now + LEASE
        assert row(dispatch).last_progress_at == T0 + moved * MINUTE


def test_complete_and_fail_at_once_with_the_same_claim_exactly_one_wins(live_team):
    for number in range(10):
        dispatch = queue(f"d{number}")
        held = take(hire(f"W{number}"))
        results = at_once(partial(complete, held), partial(fail, held))
        refused = [r for r in results if isinstance(r, StaleClaimError)]
        assert len(refused) == 1, results
        assert outcomes_of(dispatch) in (["succeeded"], ["failed"])
        assert status_of(dispatch) in {DispatchStatus.COMPLETED, DispatchStatus.RETRYING}
        logged = Failure.objects.filter(attempt__dispatch=dispatch).count()
        assert logged == (outcomes_of(dispatch) == ["failed"])


@pytest.mark.parametrize("verb", VERBS)
def test_the_same_report_four_times_at_once_hears_one_answer(live_team, verb):
    for number in range(5):
        dispatch = queue(f"d{number}")
        held = take(hire(f"W{number}"))
        results = at_once(*[partial(VERBS[verb], held) for _ in range(4)])
        assert not [r for r in results if isinstance(r, Exception)], results
        assert results[0].answer == results[1].answer == results[2].answer == results[3].answer
        assert len(outcomes_of(dispatch)) == 1
    assert Failure.objects.count() == (0 if verb == "complete" else 5), "a blocker is one, too"


def test_a_report_read_before_its_twin_was_written_hears_the_twins_answer(team, monkeypatch):
    """The same as above without luck: the attempt is read, then the twin closes it."""
    queue()
    held = take(team.sam)
    read = reports.attempt_with_claim
    answers = []

    def read_then_twin(pk, claim):
        attempt = read(pk, claim)
        if not answers:
            answers.append(None)
            answers.append(fail(held).answer)
        return attempt

    monkeypatch.setattr(reports, "attempt_with_claim", read_then_twin)
    assert fail(held).answer == answers[1]


def test_a_lost_lease_sweep_and_a_complete_at_once_agree_on_one_end(live_team):
    for number in range(10):
        dispatch = queue(f"d{number}")
        held = take(live_team.sam)
        late = T0 + LEASE
        done, _ = at_once(partial(complete, held, now=late), partial(sweeps.sweep, now=late))
        if isinstance(done, StaleClaimError):
            assert done.code == "expired"
            assert (status_of(dispatch), outcomes_of(dispatch)) == ("pending", ["lost"])
            operator.cancel_dispatch(dispatch.pk, actor="ann", now=late)
        else:
            assert not isinstance(done, Exception), done
            assert (status_of(dispatch), outcomes_of(dispatch)) == ("completed", ["succeeded"])


def test_a_follow_up_that_arrives_while_its_like_fails_leaves_one_waiting(live_team):
    for number in range(10):
        first = queue("first", unique_key=f"k{number}")
        held = take(live_team.sam)
        results = at_once(partial(fail, held), partial(queue, "second", unique_key=f"k{number}"))
        assert not isinstance(results[0], Exception), results
        waiting = Dispatch.objects.filter(
            unique_key=f"k{number}", status__in=["pending", "retrying", "blocked"]
        )
        assert waiting.count() == 1
        assert outcomes_of(first) in (["failed"], ["superseded"])
        Dispatch.objects.filter(pk__in=waiting).update(
            status="cancelled", run_at=None, finished_at=T0
        )


def test_a_report_is_a_sign_of_life(team):
    queue()
    complete(take(team.sam), now=T0 + MINUTE)
    assert Agent.objects.get(pk=team.sam.pk).last_seen_at == T0 + MINUTE


def test_marks_and_hold_survive_a_report_at_the_deadline(team):
    """Reported in time, a failure at the very deadline is the agent's, not the sweep's."""
    dispatch = queue()
    held = take(team.sam)
    fail(held, now=T0 + timedelta(hours=4))
    sweeps.sweep(now=T0 + timedelta(hours=4))
    assert outcomes_of(dispatch) == ["failed"]
    assert Failure.objects.get().error_type != "timeout"
