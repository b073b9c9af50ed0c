"""Who gets which work, in which order, and never twice."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from agents.errors import NotYoursError
from agents.models import Attempt, Dispatch
from agents.services.dispatches import DuplicateKeyError
from agents.states import AttemptOutcome, DispatchStatus, Priority, Strategy
from recovery.services import claims
from tests.recovery.world import (
    HOUR,
    LEASE,
    MINUTE,
    SECOND,
    T0,
    at_once,
    complete,
    hire,
    nothing_for,
    queue,
    row,
    take,
)


def order_for(agent, *, now=T0, limit=50):
    return [one.dispatch.title for one in claims.claim_work(agent, limit=limit, now=now)]


def test_a_claim_gives_the_lease_an_epoch_and_an_attempt(team):
    dispatch = queue()
    held = take(team.sam, now=T0 + SECOND)
    stored = row(dispatch)
    assert (stored.status, stored.agent, stored.attempt) == ("running", team.sam, 1)
    assert (stored.lease_epoch, stored.lease_seconds) == (1, 300)
    assert stored.lease_expires_at == T0 + SECOND + LEASE
    assert stored.deadline_at == T0 + SECOND + timedelta(hours=4)
    assert stored.last_progress_at == T0 + SECOND
    attempt = Attempt.objects.get(claim=held.attempt.claim)
    assert (attempt.pk, attempt.number, attempt.agent) == (held.attempt.pk, 1, team.sam)
    assert (attempt.strategy, attempt.outcome) == (Strategy.FIRST_TRY, AttemptOutcome.RUNNING)


def test_what_a_claim_hands_out_equals_what_is_stored(team):
    queue(payload={"a": [1, None]}, required_skills=[], priority=Priority.HIGH)
    held = take(team.sam)
    stored = row(held.dispatch)
    for field in Dispatch._meta.concrete_fields:
        assert getattr(held.dispatch, field.attname) == getattr(stored, field.attname), field.name
    kept = Attempt.objects.get(pk=held.attempt.pk)
    for field in Attempt._meta.concrete_fields:
        assert getattr(held.attempt, field.attname) == getattr(kept, field.attname), field.name


def test_what_a_batch_hands_out_equals_what_is_stored_whatever_stood_there_before(team):
    made = [queue(f"{number}", agent=team.sam if number % 2 else None) for number in range(4)]
    Dispatch.objects.filter(pk__in=[made[0].pk, made[1].pk]).update(
        reason="Tried before.",
        agent_until=T0 + HOUR,
        last_marker="step 3",
        unmarked_notes=2,
        last_progress_at=T0 - HOUR,
        attempt=1,
        lease_epoch=3,
        next_strategy=Strategy.FRESH_START.value,
        instructions="",
        last_fingerprint="v1:x",
        expected_progress_every=MINUTE,
        superseded_by=made[3],
        cancel_requested_at=T0,
    )
    batch = claims.claim_work(team.sam, limit=10, now=T0 + SECOND)
    assert [held.dispatch.pk for held in batch] == [one.pk for one in made]
    for held in batch:
        for told in (held.dispatch, held.attempt):
            stored = type(told).objects.get(pk=told.pk)
            for field in told._meta.concrete_fields:
                name = field.attname
                assert getattr(told, name) == getattr(stored, name), (told, name)
        assert held.attempt.dispatch is held.dispatch
        assert held.attempt.agent is held.dispatch.agent is team.sam


def test_urgent_goes_before_low_and_older_before_newer(team):
    for title, priority in [
        ("low", Priority.LOW),
        ("n1", Priority.NORMAL),
        ("n2", Priority.NORMAL),
    ]:
        queue(title, priority=priority)
    queue("high", priority=Priority.HIGH)
    queue("urgent", priority=Priority.URGENT)
    assert order_for(team.sam) == ["urgent", "high", "n1", "n2", "low"]


@pytest.mark.parametrize(
    ("waited", "first"),
    [
        # Low ranks 24 h after its creation, normal 8 h: level once low is 16 h older.
        (15 * HOUR + 59 * MINUTE, "normal"),
        (16 * HOUR + SECOND, "low"),
    ],
)
def test_low_work_that_waited_long_enough_overtakes(team, waited, first):
    queue("low", priority=Priority.LOW, now=T0)
    queue("normal", priority=Priority.NORMAL, now=T0 + waited)
    assert take(team.sam, now=T0 + waited).dispatch.title == first


def test_addressed_and_open_work_are_merged_by_rank(team):
    queue("open 1")
    queue("mine 1", agent=team.sam, now=T0 + SECOND)
    queue("open 2", now=T0 + 2 * SECOND)
    queue("mine 2", agent=team.sam, now=T0 + 3 * SECOND)
    queue("mine, urgent", agent=team.sam, priority=Priority.URGENT, now=T0 + 4 * SECOND)
    assert order_for(team.sam, limit=4) == ["mine, urgent", "open 1", "mine 1", "open 2"]
    assert order_for(team.sam) == ["mine 2"]


def test_work_addressed_to_one_agent_is_no_other_agents(team):
    queue(agent=team.leo)
    assert nothing_for(team.sam)
    assert take(team.leo).dispatch.agent == team.leo


def test_open_work_needs_every_skill_that_it_names(team):
    queue("both", required_skills=["django", "sql"])
    half, both = hire("HALF", skills=["django"]), hire("BOTH", skills=["css", "sql", "django"])
    assert nothing_for(half)
    assert nothing_for(team.sam)
    assert take(both).dispatch.title == "both"


def test_an_excluded_agent_does_not_get_open_work(team):
    dispatch = queue()
    Dispatch.objects.filter(pk=dispatch.pk).update(excluded_agents=[team.sam.pk, team.leo.pk])
    assert nothing_for(team.sam)
    assert nothing_for(team.leo)
    assert take(team.alex).dispatch.pk == dispatch.pk


@pytest.mark.parametrize("status", ["running", "retrying", "blocked", "completed", "cancelled"])
def test_only_pending_work_is_claimed(team, status):
    dispatch = queue()
    finished = T0 if status in {"completed", "cancelled"} else None
    running = status == "running"
    Dispatch.objects.filter(pk=dispatch.pk).update(
        status=status,
        agent=team.leo if running else None,
        reason="why",
        run_at=T0 + HOUR if status == "retrying" else None,
        finished_at=finished,
        lease_seconds=300 if running else None,
        lease_expires_at=T0 + LEASE if running else None,
        deadline_at=T0 + HOUR if running else None,
    )
    assert nothing_for(team.sam)


def test_a_follow_up_waits_behind_the_running_one_of_its_key(team):
    first = queue("first", unique_key="deploy")
    held = take(team.sam)
    queue("follow-up", unique_key="deploy")
    queue("other")
    assert take(team.leo).dispatch.title == "other"
    assert nothing_for(team.leo)
    complete(held)
    assert take(team.leo).dispatch.title == "follow-up"
    assert row(first).status == DispatchStatus.COMPLETED


def test_a_second_one_of_a_key_cannot_wait(team):
    queue(unique_key="deploy")
    with pytest.raises(DuplicateKeyError):
        queue(unique_key="deploy")
    take(team.sam)
    queue(unique_key="deploy")
    with pytest.raises(DuplicateKeyError):
        queue(unique_key="deploy")


@pytest.mark.parametrize(("asked", "got"), [(0, 1), (1, 1), (50, 50), (51, 50), (10_000, 50)])
def test_a_batch_holds_at_most_fifty(team, asked, got):
    for number in range(53):
        queue(f"d{number}")
    assert len(claims.claim_work(team.sam, limit=asked, now=T0)) == got
    assert Dispatch.objects.filter(status="running").count() == got
    assert Attempt.objects.count() == got


def test_a_batch_within_both_kinds_keeps_the_limit(team):
    for number in range(6):
        queue(f"open {number}")
        queue(f"mine {number}", agent=team.sam)
    assert len(claims.claim_work(team.sam, limit=5, now=T0)) == 5
    assert Dispatch.objects.filter(status="running").count() == 5


def test_only_takes_that_dispatch_or_none(team):
    queue("first")
    wanted = queue("second")
    assert take(team.sam, only=wanted.pk).dispatch.title == "second"
    assert claims.claim_work(team.leo, only=wanted.pk, now=T0) == []


def test_the_ceo_takes_no_work(team):
    dispatch = queue()
    with pytest.raises(NotYoursError):
        claims.claim_work(team.ceo, now=T0)
    assert row(dispatch).status == DispatchStatus.PENDING


def test_a_lead_may_take_work(team):
    queue()
    assert take(team.max).attempt.agent == team.max


def test_each_claim_raises_the_epoch_and_has_a_token_of_its_own(team):
    dispatch = queue()
    tokens = set()
    for epoch in (1, 2, 3):
        held = take(team.sam, now=T0)
        assert held.dispatch.lease_epoch == epoch
        tokens.add(held.attempt.claim)
        Attempt.objects.filter(pk=held.attempt.pk).update(outcome="released", ended_at=T0)
        Dispatch.objects.filter(pk=dispatch.pk).update(
            status="pending",
            agent=None,
            lease_expires_at=None,
            deadline_at=None,
            lease_seconds=None,
        )
    assert len(tokens) == 3


def test_tokens_stand_in_the_order_of_their_seconds_and_are_random_after_that(team):
    given = []
    for second in range(20):
        for number in range(5):
            queue(f"{second} {number}")
        held = claims.claim_work(team.sam, limit=5, now=T0 + second * SECOND)
        given.append(sorted(one.attempt.claim for one in held))
    in_order = [token for second in given for token in second]
    assert in_order == sorted(in_order)
    assert all(len(token) == 28 for token in in_order)
    assert len({token[8:] for token in in_order}) == 100


def test_sixteen_threads_claim_a_hundred_dispatches_each_once(live_team):
    for number in range(100):
        queue(f"d{number}")
    agents = [hire(f"A{number}") for number in range(16)]

    def work(agent):
        got = []
        while found := claims.claim_work(agent, limit=1 + agent.pk % 3, now=T0):
            got += [one.dispatch.pk for one in found]
        return got

    hauls = at_once(*[partial(work, agent) for agent in agents])
    claimed = [pk for haul in hauls for pk in haul]
    assert sorted(claimed) == sorted(Dispatch.objects.values_list("pk", flat=True))
    assert Attempt.objects.count() == 100
    assert set(Dispatch.objects.values_list("lease_epoch", flat=True)) == {1}


def test_eight_threads_after_one_dispatch_only_one_gets_it(live_team):
    dispatch = queue()
    agents = [hire(f"A{number}") for number in range(8)]
    hauls = at_once(*[partial(claims.claim_work, agent, now=T0) for agent in agents])
    assert sorted(len(haul) for haul in hauls) == [0] * 7 + [1]
    assert row(dispatch).lease_epoch == 1


def test_two_of_one_key_never_run_at_once_however_claims_and_ends_race(live_team):
    """One running, its follow-up waiting; the end of the first races four claims and a creation."""
    agents = [hire(f"A{number}") for number in range(4)]
    for number in range(8):
        key = f"key {number}"
        queue("first", unique_key=key)
        held = take(live_team.sam)
        queue("second", unique_key=key)
        results = at_once(
            partial(complete, held),
            *[partial(claims.claim_work, agent, now=T0) for agent in agents],
            partial(queue, "third", unique_key=key),
        )
        hauls = [one for result in results[1:5] for one in result]
        assert len(hauls) <= 1, results
        running = Dispatch.objects.filter(unique_key=key, status="running")
        assert running.count() == len(hauls)
        assert not isinstance(results[0], Exception)
        assert isinstance(results[5], Dispatch | DuplicateKeyError)
        waiting = Dispatch.objects.filter(unique_key=key, status="pending")
        waiting.update(status="cancelled", finished_at=T0)
