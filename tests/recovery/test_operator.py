"""The verbs of people: what is legal, what is not, and what is written down."""

from __future__ import annotations

from functools import partial

import pytest

from agents.errors import InvalidInputError, NotFoundError, StaleClaimError
from agents.models import AuditEntry, Dispatch
from agents.services.dispatches import DuplicateKeyError
from agents.states import DispatchStatus, IllegalMoveError, Strategy
from recovery.services import operator, sweeps
from tests.recovery.world import (
    HOUR,
    LEASE,
    MINUTE,
    T0,
    at_once,
    block,
    complete,
    fail,
    nothing_for,
    outcomes_of,
    queue,
    row,
    snapshot,
    status_of,
    take,
)


def pending(team):
    return queue()


def running(team):
    return take(team.sam, only=queue().pk).dispatch


def retrying(team):
    dispatch = running(team)
    fail(holder(dispatch))
    return dispatch


def blocked(team):
    dispatch = running(team)
    block(holder(dispatch))
    return dispatch


def completed(team):
    dispatch = running(team)
    complete(holder(dispatch))
    return dispatch


def exhausted(team):
    dispatch = running(team)
    fail(holder(dispatch), retryable=False)
    return dispatch


def cancelled(team):
    return operator.cancel_dispatch(queue().pk, actor="ann", now=T0)


STATES = {
    maker.__name__: maker
    for maker in (pending, running, retrying, blocked, completed, exhausted, cancelled)
}
LEGAL = {
    "retry": {"retrying", "exhausted"},
    "cancel": {"pending", "running", "retrying", "blocked"},
    "reassign": {"pending", "running", "retrying", "blocked"},
    "unblock": {"blocked"},
}


class Held:
    """A claim, as a report needs it."""

    def __init__(self, dispatch):
        self.dispatch = dispatch
        self.attempt = dispatch.attempts.get(outcome="running")


def holder(dispatch):
    return Held(dispatch)


def act(verb, dispatch, team, *, now=T0 + MINUTE):
    if verb == "reassign":
        return operator.reassign_dispatch(dispatch.pk, agent=team.leo, actor="ann", now=now)
    return getattr(operator, f"{verb}_dispatch")(dispatch.pk, actor="ann", now=now)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", LEGAL)
def test_each_verb_in_each_state_moves_and_is_audited_or_changes_nothing(team, verb, state):
    dispatch = STATES[state](team)
    AuditEntry.objects.all().delete()
    before = snapshot()
    if state in LEGAL[verb]:
        act(verb, dispatch, team)
        entry = AuditEntry.objects.get()
        assert (entry.verb, entry.actor, entry.at) == (verb, "ann", T0 + MINUTE)
        assert (entry.subject_kind, entry.subject_id) == ("dispatch", dispatch.pk)
        assert snapshot() != before
    else:
        with pytest.raises(IllegalMoveError):
            act(verb, dispatch, team)
        assert snapshot() == before
        assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("verb", LEGAL)
def test_a_dispatch_that_does_not_exist_is_not_found(team, verb):
    with pytest.raises(NotFoundError):
        act(verb, Dispatch(pk=999_999_999), team)


def test_a_retry_ends_the_wait_of_one_that_is_retrying(team):
    dispatch = retrying(team)
    act("retry", dispatch, team)
    stored = row(dispatch)
    assert (stored.status, stored.run_at, stored.agent) == ("pending", None, None)
    assert stored.reason == "ann asked for a retry."
    assert take(team.leo).attempt.strategy == Strategy.REPEAT_WITH_EVIDENCE


def used_up(team, **fields):
    """Exhausted after four tries."""
    dispatch = queue(**fields)
    now = T0
    for _ in range(4):
        fail(take(team.sam, now=now), now=now)
        now = row(dispatch).run_at or now
        sweeps.sweep(now=now)
    assert status_of(dispatch) is DispatchStatus.EXHAUSTED
    return dispatch


def test_an_exhausted_one_gets_exactly_one_try_more(team):
    dispatch = used_up(team)
    act("retry", dispatch, team, now=T0 + HOUR)
    assert (row(dispatch).attempt, row(dispatch).max_attempts) == (4, 5)
    assert row(dispatch).finished_at is None
    fail(take(team.sam, now=T0 + HOUR), now=T0 + HOUR)
    assert status_of(dispatch) is DispatchStatus.EXHAUSTED
    assert outcomes_of(dispatch) == ["failed"] * 5


def test_the_try_more_uses_the_oldest_strategy_and_is_told_its_steps(team):
    dispatch = used_up(team)
    act("retry", dispatch, team, now=T0 + HOUR)
    attempt = take(team.sam, now=T0 + HOUR).attempt
    # first_try, repeat, fresh, alternative were used: repeat is the oldest rung.
    assert attempt.strategy == Strategy.REPEAT_WITH_EVIDENCE
    assert attempt.instructions.startswith("Do the same work again, with the evidence below")
    assert "attempt 4 by SAM" in attempt.instructions


def crashed_out(team):
    dispatch = queue()
    now = T0
    for _ in range(3):
        take(team.sam, now=now)
        now += LEASE
        sweeps.sweep(now=now)
    assert status_of(dispatch) is DispatchStatus.EXHAUSTED
    return dispatch


def test_one_that_crashed_out_gets_one_crash_more(team):
    dispatch = crashed_out(team)
    act("retry", dispatch, team, now=T0 + HOUR)
    assert (row(dispatch).crash_count, row(dispatch).max_crashes) == (3, 4)
    take(team.leo, now=T0 + HOUR)
    sweeps.sweep(now=T0 + HOUR + LEASE)
    assert status_of(dispatch) is DispatchStatus.EXHAUSTED
    assert outcomes_of(dispatch) == ["lost"] * 4


def test_one_that_crashed_out_without_a_failure_starts_as_it_would_have(team):
    dispatch = crashed_out(team)
    act("retry", dispatch, team, now=T0 + HOUR)
    attempt = take(team.leo, now=T0 + HOUR).attempt
    # Nothing failed, so there is no evidence that another strategy could be told of.
    assert (attempt.strategy, attempt.instructions) == (Strategy.FIRST_TRY, "")


def test_cancel_asks_a_running_one_and_ends_a_waiting_one(team):
    asked, ended = running(team), retrying(team)
    for dispatch in (asked, ended):
        act("cancel", dispatch, team)
    assert row(asked).status == "running"
    assert row(asked).cancel_requested_at == T0 + MINUTE
    stored = row(ended)
    assert (stored.status, stored.finished_at, stored.run_at) == ("cancelled", T0 + MINUTE, None)
    assert stored.reason == "ann cancelled it."


def test_reassigning_a_running_one_makes_the_old_claim_stale(team):
    dispatch = running(team)
    old = holder(dispatch)
    act("reassign", dispatch, team)
    stored = row(dispatch)
    assert (stored.status, stored.agent, stored.attempt) == ("pending", team.leo, 0)
    assert outcomes_of(dispatch) == ["released"]
    with pytest.raises(StaleClaimError):
        complete(old)
    assert nothing_for(team.sam)
    new = take(team.leo)
    with pytest.raises(StaleClaimError):
        fail(old)
    assert (new.attempt.number, status_of(dispatch)) == (2, "running")


@pytest.mark.parametrize("state", ["pending", "retrying", "blocked"])
def test_reassigning_waiting_work_leaves_it_where_it_waits(team, state):
    dispatch = STATES[state](team)
    before = row(dispatch)
    act("reassign", dispatch, team)
    stored = row(dispatch)
    assert (stored.status, stored.run_at, stored.attempt) == (state, before.run_at, before.attempt)
    assert (stored.agent, stored.agent_until, stored.open_to_all) == (team.leo, None, False)


def test_the_agent_that_a_person_chose_is_no_longer_excluded(team):
    dispatch = queue()
    Dispatch.objects.filter(pk=dispatch.pk).update(excluded_agents=[team.leo.pk, team.sam.pk])
    act("reassign", dispatch, team)
    assert row(dispatch).excluded_agents == [team.sam.pk]


def test_reassigning_after_a_cancel_was_asked_for_is_the_later_word(team):
    dispatch = running(team)
    act("cancel", dispatch, team)
    act("reassign", dispatch, team)
    assert row(dispatch).cancel_requested_at is None
    fail(take(team.leo))
    assert status_of(dispatch) is DispatchStatus.RETRYING


def test_the_ceo_is_given_no_work(team):
    dispatch = queue()
    with pytest.raises(InvalidInputError):
        operator.reassign_dispatch(dispatch.pk, agent=team.ceo, actor="ann", now=T0)
    assert row(dispatch).agent is None


def test_unblocked_work_is_claimed_again_without_having_used_a_try(team):
    dispatch = blocked(team)
    act("unblock", dispatch, team)
    held = take(team.leo)
    assert (held.dispatch.pk, held.dispatch.attempt) == (dispatch.pk, 1)


def test_retrying_an_exhausted_one_whose_follow_up_waits_is_refused(team):
    dispatch = used_up(team, unique_key="k")
    queue(unique_key="k")
    before = snapshot()
    with pytest.raises(DuplicateKeyError):
        act("retry", dispatch, team)
    assert snapshot() == before
    assert not AuditEntry.objects.exists()


def test_reassigning_a_running_one_whose_follow_up_waits_is_refused(team):
    dispatch = queue(unique_key="k")
    take(team.sam)
    queue(unique_key="k")
    before = snapshot()
    with pytest.raises(DuplicateKeyError):
        act("reassign", dispatch, team)
    assert snapshot() == before


def test_a_retry_and_its_follow_up_at_once_leave_one_waiting(live_team):
    dispatch = used_up(live_team, unique_key="k")
    results = at_once(
        partial(act, "retry", dispatch, live_team), partial(queue, unique_key="k", now=T0)
    )
    errors = [r for r in results if isinstance(r, Exception)]
    assert [type(error) for error in errors] == [DuplicateKeyError], results
    assert Dispatch.objects.filter(unique_key="k", status="pending").count() == 1


def test_a_cancel_and_a_claim_at_once_agree(live_team):
    for number in range(8):
        dispatch = queue(f"d{number}")
        cancelling, claiming = at_once(
            partial(act, "cancel", dispatch, live_team),
            partial(take, live_team.sam, only=dispatch.pk),
        )
        assert not isinstance(cancelling, Exception)
        if isinstance(claiming, AssertionError):
            assert status_of(dispatch) is DispatchStatus.CANCELLED
        else:
            stored = row(dispatch)
            assert (stored.status, stored.cancel_requested_at) == ("running", T0 + MINUTE)
