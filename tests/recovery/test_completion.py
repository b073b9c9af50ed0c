"""Completing in one statement does what completing step by step does, for one report or many."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from django.db import connection, transaction

from agents.errors import NotFoundError, NotYoursError, StaleClaimError
from agents.models import Agent, Attempt, Dispatch
from agents.states import DispatchStatus
from recovery.models import AgentBreaker
from recovery.services import claims, completion, reports, sweeps
from tests.recovery.world import (
    LEASE,
    MINUTE,
    SECOND,
    T0,
    at_once,
    complete,
    fail,
    outcomes_of,
    queue,
    row,
    status_of,
    take,
)

DONE = T0 + MINUTE


def done(held, **fields) -> completion.Done:
    return completion.Done(pk=held.dispatch.pk, claim=held.attempt.claim, **fields)


def stored(held) -> list[object]:
    """The rows that a completion touches, without what differs between any two."""
    dispatch = Dispatch.objects.filter(pk=held.dispatch.pk).values().get()
    attempt = Attempt.objects.filter(pk=held.attempt.pk).values().get()
    for name in ("id", "title", "unique_key"):
        del dispatch[name]
    for name in ("id", "dispatch_id", "claim"):
        del attempt[name]
    breakers = list(AgentBreaker.objects.values("agent__name", "streak", "trips", "open_until"))
    return [dispatch, attempt, breakers, list(Agent.objects.order_by("id").values())]


@pytest.mark.parametrize("shown", [{}, {"result": {"a": [1, None, "ü"]}}, {"evidence": "log"}])
@pytest.mark.parametrize("asked_to_stop", [False, True])
@pytest.mark.parametrize("follow_up", [False, True])
def test_both_ways_leave_the_same_rows_and_answer(team, shown, asked_to_stop, follow_up):
    seen = []
    for number, way in enumerate(["one statement", "steps"]):
        Agent.objects.update(last_seen_at=T0)
        AgentBreaker.objects.update_or_create(
            agent=team.sam, defaults={"streak": [7], "trips": 1, "updated_at": T0}
        )
        queue(str(number), unique_key=f"key {number}")
        held = take(team.sam)
        if follow_up:
            queue("next", unique_key=f"key {number}", agent=team.leo)
        if asked_to_stop:
            Dispatch.objects.filter(pk=held.dispatch.pk).update(cancel_requested_at=T0)
        if way == "steps":
            closed = reports._complete_by_steps(done(held, **shown), by=team.sam, now=DONE)
        else:
            closed = complete(held, by=team.sam, now=DONE, **shown)
        assert closed.dispatch.status == row(held.dispatch).status == DispatchStatus.COMPLETED
        seen.append((stored(held), closed.answer))
    assert seen[0] == seen[1]


def test_what_is_handed_back_is_what_is_stored(team):
    queue(payload={"a": [1, None]})
    closed = complete(take(team.sam), result={"b": 2}, evidence="log", now=DONE)
    for model in (closed.dispatch, closed.attempt):
        kept = type(model).objects.get(pk=model.pk)
        for field in type(model)._meta.concrete_fields:
            assert getattr(model, field.attname) == getattr(kept, field.attname), field.name


def test_success_calms_the_breaker_and_shows_life(team):
    AgentBreaker.objects.create(agent=team.sam, streak=[1, 2], trips=2, updated_at=T0)
    queue()
    complete(take(team.sam), now=DONE)
    breaker = AgentBreaker.objects.get()
    assert (breaker.streak, breaker.trips, breaker.updated_at) == ([], 0, DONE)
    assert Agent.objects.get(pk=team.sam.pk).last_seen_at == DONE


def test_life_is_written_once_a_second(team):
    for title in "ab":
        queue(title)
    first, second = claims.claim_work(team.sam, limit=2, now=T0)
    complete(first, now=DONE)
    complete(second, now=DONE + SECOND / 2)
    assert Agent.objects.get(pk=team.sam.pk).last_seen_at == DONE


def test_many_at_once_each_hear_what_they_alone_would_hear(team):
    for number in range(5):
        queue(str(number))
    held = claims.claim_work(team.sam, limit=4, now=T0)
    others = take(team.leo)
    good, replayed, failed, stale = held
    first = complete(replayed, now=DONE)
    fail(failed, now=DONE)
    sweeps.lose_lease(row(stale.dispatch), T0 + LEASE)
    asked = [done(one) for one in (*held, others)]
    unknown = completion.Done(pk=10**9, claim="x")
    heard = reports.complete_many([*asked, unknown], by=team.sam, now=DONE + MINUTE)
    assert heard[good.dispatch.pk]["status"] == "completed"
    assert heard[replayed.dispatch.pk] == first.answer
    assert isinstance(heard[failed.dispatch.pk], StaleClaimError)
    assert heard[stale.dispatch.pk].code == "expired"
    assert isinstance(heard[others.dispatch.pk], NotYoursError)
    assert isinstance(heard[unknown.pk], NotFoundError)
    assert status_of(others.dispatch) == DispatchStatus.RUNNING
    assert status_of(stale.dispatch) == DispatchStatus.PENDING


def test_a_batch_keeps_each_result_with_its_own_dispatch(team):
    for number in range(12):
        queue(str(number))
    held = claims.claim_work(team.sam, limit=12, now=T0)
    asked = [done(one, result=one.dispatch.title) for one in reversed(held)]
    reports.complete_many(asked, by=team.sam, now=DONE)
    for one in held:
        shown = Attempt.objects.get(pk=one.attempt.pk).result
        assert shown == {"result": one.dispatch.title, "evidence": ""}


@pytest.mark.parametrize("count", [51, 2])
def test_a_batch_is_bounded_and_names_each_once(team, count):
    asked = [completion.Done(pk=number if count > 50 else 7, claim="x") for number in range(count)]
    with pytest.raises(ValueError, match="Up to 50 different"):
        reports.complete_many(asked, by=team.sam, now=DONE)


@pytest.mark.parametrize("taken_again", [False, True])
def test_a_completion_that_waited_while_the_lease_was_lost_changes_nothing(live_team, taken_again):
    """It read the row as its own, then waits for the lock: what it finds under it counts."""
    dispatch = queue()
    held = take(live_team.sam)
    results: list[object] = []

    def report() -> None:
        try:
            results.append(complete(held, now=T0 + LEASE))
        except StaleClaimError as error:
            results.append(error)
        finally:
            connection.close()

    late = threading.Thread(target=report)
    with transaction.atomic():
        locked = Dispatch.objects.select_for_update().get(pk=dispatch.pk)
        late.start()
        late.join(timeout=0.5)
        assert late.is_alive()
        sweeps.lose_lease(locked, T0 + LEASE)
        if taken_again:
            assert take(live_team.leo, now=T0 + LEASE).dispatch.pk == dispatch.pk
    late.join(timeout=10)
    [heard] = results
    assert isinstance(heard, StaleClaimError)
    assert heard.code == "expired"
    assert status_of(dispatch) == ("running" if taken_again else "pending")
    assert outcomes_of(dispatch) == (["lost", "running"] if taken_again else ["lost"])


def test_batches_and_single_reports_over_the_same_rows_close_each_once(live_team):
    for number in range(20):
        queue(str(number))
    held = claims.claim_work(live_team.sam, limit=20, now=T0)
    forth, back = [done(one) for one in held], [done(one) for one in reversed(held)]
    results = at_once(
        partial(reports.complete_many, forth, by=live_team.sam, now=DONE),
        partial(reports.complete_many, back, by=live_team.sam, now=DONE + SECOND),
        *[partial(complete, one, now=DONE + 2 * SECOND) for one in held[::5]],
    )
    assert not [result for result in results if isinstance(result, Exception)]
    heard = [answer for result in results[:2] for answer in result.values()]
    assert {answer["status"] for answer in heard} == {"completed"}
    for one in held:
        assert outcomes_of(one.dispatch) == ["succeeded"]
        attempt = Attempt.objects.get(pk=one.attempt.pk)
        assert attempt.ended_at == row(one.dispatch).finished_at
        told = attempt.answer["finishedAt"]
        assert results[0][one.dispatch.pk]["finishedAt"] == told
        assert results[1][one.dispatch.pk]["finishedAt"] == told
