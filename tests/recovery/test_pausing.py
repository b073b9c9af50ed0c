"""What a pause does to work: no new claims, while what runs goes on."""

from __future__ import annotations

from agents.services import pauses
from agents.services.agents import record_heartbeat
from recovery import queries
from recovery.services import breakers, claims
from tests.recovery.world import (
    HOUR,
    LEASE,
    MINUTE,
    SECOND,
    T0,
    complete,
    fail,
    hire,
    nothing_for,
    queue,
    row,
    status_of,
    take,
)


def hold(agent, *, lasts=HOUR, now=T0):
    return pauses.pause(agent, until=now + lasts, reason="Disk swap", actor="MAX", now=now)


def test_a_paused_agent_claims_nothing_until_its_pause_is_over(team):
    queue(agent=team.sam)
    queue()
    hold(team.sam)

    assert nothing_for(team.sam)
    assert nothing_for(team.sam, now=T0 + HOUR - SECOND)
    assert queries.next_for(team.sam, now=T0) is None
    assert queries.next_for(team.leo, now=T0)
    assert take(team.leo)
    assert take(team.sam, now=T0 + HOUR)


def test_a_resumed_agent_claims_at_once(team):
    queue()
    hold(team.sam)
    pauses.resume(team.sam, actor="MAX", now=T0 + MINUTE)

    assert take(team.sam, now=T0 + MINUTE)


def test_the_kill_switch_stops_every_claim(team):
    for _ in range(3):
        queue()
    hold(None)

    assert all(nothing_for(agent) for agent in (team.sam, team.leo, hire("LATE")))
    pauses.resume(None, actor="MAX", now=T0 + MINUTE)
    assert all(take(agent, now=T0 + MINUTE) for agent in (team.sam, team.leo))


def test_a_claim_asks_for_pause_and_breaker_in_one_statement(team, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert breakers.standing(team.sam, now=T0) == (False, breakers.Breaker())
    hold(team.sam)
    with django_assert_num_queries(1):
        assert breakers.standing(team.sam, now=T0) == (True, breakers.Breaker())


def test_a_claim_reads_the_breaker_as_it_stands(team):
    for n in range(3):
        queue(f"{n}", agent=team.sam)
    for n in range(3):
        fail(take(team.sam), message=f"Own trouble {n}")

    row = breakers.AgentBreaker.objects.get(agent=team.sam)
    paused, breaker = breakers.standing(team.sam, now=T0)

    assert not paused
    assert (list(breaker.streak), breaker.trips) == (row.streak, row.trips)
    assert len(breaker.streak) == 3
    assert (breaker.open_until, row.trips) == (row.open_until, 1)


def test_running_work_goes_on_through_a_pause_and_is_told_of_it(team):
    queue()
    held = take(team.sam)
    hold(team.sam)
    later = T0 + MINUTE

    life = claims.heartbeat(team.sam, claim=held.attempt.claim, now=later)
    assert (life.paused, life.claim_state, life.cancel_requested) == (True, "live", False)
    assert row(held.dispatch).lease_expires_at == later + LEASE
    progress = claims.progress(
        held.dispatch.pk, held.attempt.claim, note=None, marker="a1", by=team.sam, now=later
    )
    assert progress.paused
    complete(held, now=later)
    assert status_of(held.dispatch) == "completed"


def test_every_heartbeat_says_whether_the_agent_is_paused(team):
    def told(agent, **fields):
        return claims.heartbeat(agent, now=T0 + SECOND, **fields).paused

    assert not told(team.sam)
    hold(team.sam)
    assert told(team.sam)
    assert told(team.sam, claim="never given")
    assert not told(team.leo)
    hold(None)
    assert told(team.leo)


def test_a_heartbeat_for_a_lost_claim_says_paused_too(team):
    queue()
    held = take(team.sam)
    hold(team.sam, lasts=3 * HOUR)

    life = claims.heartbeat(team.sam, claim=held.attempt.claim, now=T0 + LEASE + SECOND)

    assert (life.claim_state, life.paused) == ("expired", True)


def test_nobody_waits_for_a_paused_agent(team):
    hold(team.leo)

    able = queries.able_agents([], now=T0)
    assert {agent.name for agent in able} == {"SAM", "ALEX"}
    after = queries.able_agents([], now=T0 + HOUR)
    assert {agent.name for agent in after} == {"SAM", "LEO", "ALEX"}


def test_the_kill_switch_does_not_change_who_could_take_the_work_afterwards(team):
    queue()
    held = take(team.sam)
    for agent in (team.sam, team.leo):
        record_heartbeat(agent, status=None, session=None, now=T0)
    hold(None)
    fail(held, message="401 Unauthorized: bad api key", now=T0 + SECOND)

    assert row(held.dispatch).excluded_agents == [team.sam.pk]
    assert {agent.name for agent in queries.able_agents([], now=T0)} == {"SAM", "LEO", "ALEX"}
