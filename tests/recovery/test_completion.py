"""The good end in one statement: what it judges under the lock, and many reports at once."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from agents.errors import NotFoundError, NotYoursError, StaleClaimError
from agents.models import Agent, Attempt, Dispatch
from recovery.models import AgentBreaker
from recovery.services import claims, reports, sweeps
from recovery.services.completion import Done
from tests.recovery.world import (
    LEASE,
    MINUTE,
    SECOND,
    T0,
    complete,
    fail,
    outcomes_of,
    queue,
    row,
    snapshot,
    status_of,
    take,
)

LATE = T0 + LEASE
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def done(held, **fields):
    return Done(pk=held.dispatch.pk, claim=held.attempt.claim, **fields)


def complete_while(held, act):
    """Complete, wait for the row that is locked here, and go on once `act` has been committed."""
    heard = []

    def run():
        try:
            heard.append(complete(held, now=LATE))
        except Exception as error:  # noqa: BLE001 - the test looks at what came out
            heard.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        Dispatch.objects.select_for_update().get(pk=held.dispatch.pk)
        thread.start()
        until = time.monotonic() + 60
        with connection.cursor() as cursor:
            while time.monotonic() < until:
                cursor.execute(WAITING)
                if cursor.fetchone()[0]:
                    break
                time.sleep(0.01)
            else:
                pytest.fail("Nobody waited for the row.")
        act()
    thread.join(timeout=60)
    return heard[0]


def test_a_complete_that_waited_while_its_work_went_to_another_changes_nothing(live_team):
    """The row runs again when it looks, but by a newer epoch."""
    dispatch = queue()
    held = take(live_team.sam)

    def lose_and_claim():
        sweeps.sweep(now=LATE)
        take(live_team.leo, now=LATE)

    heard = complete_while(held, lose_and_claim)
    assert isinstance(heard, StaleClaimError)
    assert heard.code == "expired"
    stored = row(dispatch)
    assert (stored.status, stored.agent, stored.lease_epoch) == ("running", live_team.leo, 2)
    assert outcomes_of(dispatch) == ["lost", "running"]


def test_a_complete_that_waited_while_its_lease_was_lost_changes_nothing(live_team):
    dispatch = queue()
    held = take(live_team.sam)
    heard = complete_while(held, lambda: sweeps.sweep(now=LATE))
    assert isinstance(heard, StaleClaimError)
    assert status_of(dispatch) == "pending"
    assert outcomes_of(dispatch) == ["lost"]


def test_a_complete_that_waited_for_nothing_that_matters_completes(live_team):
    dispatch = queue()
    held = take(live_team.sam)
    touched = Dispatch.objects.filter(pk=dispatch.pk)
    heard = complete_while(held, lambda: touched.update(last_progress_at=LATE))
    assert heard.dispatch.status == "completed"
    assert row(dispatch).last_progress_at == LATE
    assert outcomes_of(dispatch) == ["succeeded"]


def test_many_are_completed_as_each_would_be_alone(team):
    for number in range(6):
        queue(f"d{number}")
    alone, *others = claims.claim_work(team.sam, limit=6, now=T0)
    later = T0 + MINUTE
    closed = complete(alone, result={"a": 1}, evidence="log", now=later)
    many = [done(held, result={"a": 1}, evidence="log") for held in others]
    said = reports.complete_many(many, by=team.sam, now=later)
    assert said == {held.dispatch.pk: closed.answer for held in others}
    shown = {"result": {"a": 1}, "evidence": "log"}
    assert list(Attempt.objects.values_list("result", flat=True)) == [shown] * 6
    same = {"id", "rank_at", "title", "created_at", "dispatch_id", "claim"}
    for rows in snapshot():
        left = [{k: v for k, v in one.items() if k not in same} for one in rows]
        assert all(one == left[0] for one in left[1:])
    assert Agent.objects.get(pk=team.sam.pk).last_seen_at == later


def test_each_of_many_that_may_not_hears_why_and_the_others_go_through(team):
    for number in range(5):
        queue(f"d{number}")
    mine, stale, told, failed = claims.claim_work(team.sam, limit=4, now=T0)
    [other] = claims.claim_work(team.leo, now=T0)
    complete(told, by=team.sam)
    fail(failed)
    stored = row(stale.dispatch)
    Attempt.objects.filter(pk=stale.attempt.pk).update(outcome="lost", ended_at=T0)
    missing = Done(pk=max(Dispatch.objects.values_list("pk", flat=True)) + 1, claim="x")
    made_up = Done(pk=stored.pk, claim="made up")
    asked = [done(other), done(mine), done(told), done(failed), missing, made_up]
    said = reports.complete_many(asked, by=team.sam, now=T0)
    assert isinstance(said[other.dispatch.pk], NotYoursError)
    assert said[mine.dispatch.pk]["status"] == "completed"
    assert said[told.dispatch.pk] == said[mine.dispatch.pk], "as the first time"
    assert said[failed.dispatch.pk].code == "stale"
    assert isinstance(said[missing.pk], NotFoundError)
    assert said[made_up.pk].code == "unknown_claim"
    assert status_of(other.dispatch) == "running"
    assert status_of(mine.dispatch) == "completed"


def test_more_than_fifty_or_one_twice_is_refused_before_anything_happens(team):
    queue()
    held = take(team.sam)
    with pytest.raises(ValueError, match="different"):
        reports.complete_many([done(held), done(held)], by=None, now=T0)
    with pytest.raises(ValueError, match="50"):
        reports.complete_many([Done(pk=n, claim="x") for n in range(51)], by=None, now=T0)
    assert reports.complete_many([], by=None, now=T0) == {}
    assert status_of(held.dispatch) == "running"


@pytest.mark.parametrize("verb", ["one", "many"])
def test_a_success_clears_what_was_held_against_the_agent_and_nobody_else(team, verb):
    for agent in (team.sam, team.leo):
        AgentBreaker.objects.create(agent=agent, streak=[7], trips=0, updated_at=T0)
    queue()
    held = take(team.sam)
    if verb == "one":
        complete(held, now=T0 + SECOND)
    else:
        reports.complete_many([done(held)], by=None, now=T0 + SECOND)
    left = AgentBreaker.objects.order_by("agent_id").values_list("agent__name", "streak")
    assert dict(left) == {"SAM": [], "LEO": [7]}


def test_many_of_several_agents_show_that_all_of_them_live(team):
    for number in range(2):
        queue(f"d{number}")
    held = [take(team.sam), take(team.leo)]
    now = T0 + timedelta(minutes=3)
    reports.complete_many([done(one) for one in held], by=None, now=now)
    seen = dict(Agent.objects.values_list("name", "last_seen_at"))
    assert (seen["SAM"], seen["LEO"], seen["ALEX"]) == (now, now, None)
