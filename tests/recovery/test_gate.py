"""What a claim does before it takes work, though it asks for nothing first."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from agents.models import Agent, AgentSession, Dispatch
from agents.services.agents import record_heartbeat
from agents.states import AgentStatus, Priority
from recovery.models import AgentBreaker
from recovery.services import claims
from tests.recovery.world import (
    HOUR,
    LEASE,
    MINUTE,
    SECOND,
    T0,
    fail,
    nothing_for,
    queue,
    row,
    take,
)


def lost(team):
    """A dispatch whose lease runs out."""
    dispatch = queue("lost")
    take(team.leo)
    return dispatch, T0 + LEASE


def due(team):
    """A dispatch whose retry comes due."""
    dispatch = queue("due")
    fail(take(team.leo))
    return dispatch, row(dispatch).run_at


def lapsed(team):
    """A dispatch that was kept for somebody who did not come for it."""
    dispatch = queue("lapsed")
    Dispatch.objects.filter(pk=dispatch.pk).update(agent=team.leo, agent_until=T0 + HOUR)
    return dispatch, T0 + HOUR


def overdue(team):
    """A dispatch that is past its deadline."""
    dispatch = queue("overdue")
    take(team.leo)
    Dispatch.objects.filter(pk=dispatch.pk).update(lease_expires_at=T0 + 9 * HOUR)
    return dispatch, T0 + 4 * HOUR


@pytest.mark.parametrize("waits", [lost, due, lapsed, overdue], ids=lambda waits: waits.__name__)
def test_a_claim_that_finds_work_at_once_sweeps_all_the_same(team, waits):
    dispatch, at = waits(team)
    queue("mine", agent=team.sam, priority=Priority.URGENT)
    before = row(dispatch)
    assert take(team.sam, now=at).dispatch.title == "mine"
    after = row(dispatch)
    assert (after.status, after.agent_id) != (before.status, before.agent_id)


def test_claims_are_a_sign_of_life_of_agent_and_session_once_a_second(team):
    session = uuid4()
    for number in range(4):
        queue(f"d{number}")
    for seconds, seen in [(0, 0), (0.9, 0), (1, 1), (61, 61)]:
        take(team.sam, session=session, now=T0 + timedelta(seconds=seconds))
        then = T0 + timedelta(seconds=seen)
        assert AgentSession.objects.get(pk=session).last_seen_at == then
        assert Agent.objects.get(pk=team.sam.pk).last_seen_at == then


def test_a_second_session_of_a_lively_agent_is_written_down(team):
    first, second = uuid4(), uuid4()
    for session in (first, second):
        queue()
        take(team.sam, session=session)
    assert set(AgentSession.objects.values_list("pk", flat=True)) == {first, second}


def test_a_claim_right_after_it_said_goodbye_brings_the_agent_back(team):
    session = uuid4()
    record_heartbeat(team.sam, status=AgentStatus.OFFLINE, session=session, now=T0)
    queue()
    sam = Agent.objects.get(pk=team.sam.pk)
    take(sam, session=session, now=T0 + SECOND / 2)
    assert AgentSession.objects.get(pk=session).ended_at is None
    assert Agent.objects.get(pk=sam.pk).status == AgentStatus.IDLE


def test_a_session_that_ended_while_another_lives_begins_again_with_its_claim(team):
    session = uuid4()
    record_heartbeat(team.sam, status=None, session=session, now=T0)
    AgentSession.objects.filter(pk=session).update(ended_at=T0)
    queue()
    take(team.sam, session=session, now=T0 + SECOND / 2)
    assert AgentSession.objects.get(pk=session).ended_at is None


def test_an_agent_whose_breaker_opens_in_the_sweep_of_its_own_claim_gets_nothing(team):
    """Two failures in a row; its third, past the deadline, is found by the claim for a fourth."""
    overdue_one = queue("overdue")
    take(team.sam)
    Dispatch.objects.filter(pk=overdue_one.pk).update(lease_expires_at=T0 + 9 * HOUR)
    AgentBreaker.objects.create(agent=team.sam, streak=[-1, -2], trips=0, updated_at=T0)
    queue("fourth")
    now = T0 + 4 * HOUR + MINUTE
    assert nothing_for(team.sam, now=now)
    assert AgentBreaker.objects.get(agent=team.sam).open_until > now
    assert claims.claim_work(team.leo, now=now) != []
