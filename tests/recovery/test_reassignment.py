"""A failure that is the agent's own: another agent gets the work, and the agent gets a pause."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.models import Agent, AuditEntry
from agents.states import AgentStatus
from recovery.policy_breaker import Breaker, after_failure, is_own_access
from recovery.services import breakers
from recovery.services.sweeps import sweep
from tests.recovery.world import (
    LEASE,
    MINUTE,
    T0,
    complete,
    fail,
    nothing_for,
    queue,
    row,
    take,
)

pytestmark = pytest.mark.django_db
NO_ACCESS = "HTTP 401 Unauthorized: invalid API key"
BACKOFF = (MINUTE, 5 * MINUTE, 15 * MINUTE)


def test_an_error_that_only_sam_has_goes_to_another_agent_at_once_and_not_back(team):
    dispatch = queue()
    fail(take(team.sam), message=NO_ACCESS)

    assert row(dispatch).run_at == T0
    assert "another agent gets it now" in row(dispatch).reason
    assert nothing_for(team.sam)
    assert take(team.leo).dispatch.pk == dispatch.pk


def test_work_that_was_addressed_to_sam_goes_on_too_when_the_failure_is_sams_own(team):
    dispatch = queue(agent=team.sam)
    fail(take(team.sam), message=NO_ACCESS)

    assert nothing_for(team.sam)
    assert take(team.leo).dispatch.pk == dispatch.pk


def test_an_access_error_that_others_have_too_is_not_sams_own(team):
    queue("first")
    fail(take(team.leo), message=NO_ACCESS, retryable=False)
    dispatch = queue("second")
    fail(take(team.sam), message=NO_ACCESS)

    assert row(dispatch).run_at >= T0 + MINUTE


def test_a_failure_that_another_agent_got_past_is_sams_own(team):
    queue("first")
    fail(take(team.leo))
    complete(take(team.leo, now=T0 + 2 * MINUTE), now=T0 + 2 * MINUTE)
    dispatch = queue("second", now=T0 + 3 * MINUTE)
    fail(take(team.sam, now=T0 + 3 * MINUTE), now=T0 + 3 * MINUTE)

    assert row(dispatch).run_at == T0 + 3 * MINUTE
    assert row(dispatch).excluded_agents == [team.sam.pk]


def test_alone_sam_tries_again_itself_and_the_reason_says_so(team):
    Agent.objects.exclude(pk=team.sam.pk).update(retired_at=T0)
    dispatch = queue()
    fail(take(team.sam), message=NO_ACCESS)

    assert "nobody else can take it" in row(dispatch).reason
    assert take(team.sam, now=T0 + 2 * MINUTE).dispatch.pk == dispatch.pk


def test_the_excluded_agent_gets_it_back_on_record_when_nobody_is_left(team):
    dispatch = queue()
    fail(take(team.sam), message=NO_ACCESS)
    Agent.objects.exclude(pk=team.sam.pk).update(status=AgentStatus.OFFLINE.value)

    assert take(team.sam, now=T0 + MINUTE).dispatch.pk == dispatch.pk
    assert AuditEntry.objects.get(verb="lift_exclusion").subject_id == dispatch.pk


def test_agents_that_show_no_life_are_waited_for_fifteen_minutes(team):
    dispatch = queue()
    fail(take(team.sam), message=NO_ACCESS)
    sweep(now=T0)

    assert nothing_for(team.sam, now=T0 + 14 * MINUTE)
    assert take(team.sam, now=T0 + 15 * MINUTE).dispatch.pk == dispatch.pk


def test_while_another_agent_is_alive_the_excluded_one_never_gets_it_back(team):
    queue()
    fail(take(team.sam), message=NO_ACCESS)
    later = T0 + 60 * MINUTE
    Agent.objects.filter(pk=team.leo.pk).update(last_seen_at=later)

    assert nothing_for(team.sam, now=later)


def test_a_lost_lease_prefers_another_agent_that_is_alive(team):
    dispatch = queue()
    take(team.sam)
    Agent.objects.filter(pk=team.leo.pk).update(last_seen_at=T0 + LEASE)
    sweep(now=T0 + LEASE)

    assert nothing_for(team.sam, now=T0 + LEASE)
    assert take(team.leo, now=T0 + LEASE).dispatch.pk == dispatch.pk


def test_the_last_strategy_is_another_living_agents(team):
    dispatch, now = queue(), T0
    for wait in (2, 7, 20):
        Agent.objects.filter(pk=team.leo.pk).update(last_seen_at=now)
        fail(take(team.sam, now=now), now=now)
        now += wait * MINUTE
    Agent.objects.filter(pk=team.leo.pk).update(last_seen_at=now)

    assert nothing_for(team.sam, now=now)
    held = take(team.leo, now=now)
    assert (held.dispatch.pk, held.attempt.strategy) == (dispatch.pk, "alternative_approach")


def fail_three(agent: Agent) -> None:
    for number in range(3):
        queue(f"d{number}", agent=agent)
        fail(take(agent), retryable=False)


def test_three_dispatches_failed_in_a_row_open_the_breaker_for_a_minute(team):
    fail_three(team.sam)
    queue("more")

    assert nothing_for(team.sam)
    assert take(team.leo).dispatch.title == "more"


def test_after_its_pause_an_agent_proves_itself_with_one_dispatch(team):
    fail_three(team.sam)
    queue("one")
    queue("two")
    later = T0 + MINUTE
    held = take(team.sam, now=later, limit=10)

    assert nothing_for(team.sam, now=later)
    complete(held, now=later)
    assert take(team.sam, now=later).dispatch.title == "two"


def test_one_bad_dispatch_never_opens_the_breaker(team):
    now = T0
    queue(max_attempts=6)
    for _ in range(5):
        fail(take(team.sam, now=now), now=now)
        now += 20 * MINUTE

    assert breakers.standing(team.sam, now=now)[1].open_until is None


def test_a_failure_that_others_have_too_opens_no_breaker(team):
    queue("shared", agent=team.leo)
    fail(take(team.leo), retryable=False)
    fail_three(team.sam)

    assert breakers.standing(team.sam, now=T0)[1].open_until is None


def test_a_person_closes_a_breaker_on_record(team):
    fail_three(team.sam)
    breakers.reset(team.sam, actor="max", now=T0)
    queue("more")

    assert take(team.sam).dispatch.title == "more"
    assert AuditEntry.objects.get(verb="reset_breaker").actor == "max"


@pytest.mark.parametrize(
    ("trips", "pause"),
    [(0, 1), (1, 5), (2, 15), (3, 15)],  # minutes: the backoff, its last step for ever
)
def test_each_relapse_pauses_longer(trips: int, pause: int):
    half_open = Breaker(streak=(1, 2, 3), trips=trips, open_until=T0 - timedelta(seconds=1))
    if trips == 0:
        half_open = Breaker(streak=(1, 2))
    after = after_failure(half_open, dispatch_id=4, others_have_it=False, backoff=BACKOFF, now=T0)

    assert after.open_until == T0 + pause * MINUTE
    assert after.trips == trips + 1


@pytest.mark.parametrize(
    "message",
    [
        "HTTP 401 Unauthorized",
        "Error: invalid API key provided",
        "fatal: Authentication failed for 'https://example.org/x.git'",
        "git@example.org: Permission denied (publickey)",
        "You exceeded your current quota: usage limit reached",
    ],
)
def test_an_agents_own_access_is_recognised(message: str):
    assert is_own_access(message)


@pytest.mark.parametrize(
    "message", ["401 tests passed, 1 failed", "token is not defined", "expected 3, got 401"]
)
def test_other_failures_are_no_matter_of_access(message: str):
    assert not is_own_access(message)
