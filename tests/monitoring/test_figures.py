"""What counts in each figure, and what doesn't; the promises; what each number means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.models import Agent, Attempt, AuditEntry
from agents.states import AttemptOutcome
from failures.models import Incident, IncidentEvent
from learnings.models import Learning
from monitoring.definitions import DEFINITIONS
from monitoring.queries import attempt_figures
from monitoring.queries_health import PERIODS, figures, same_mistake
from monitoring.queries_incidents import course, interventions
from monitoring.queries_work import Work, retry_success, work_by_agent
from monitoring.targets import Bound, Facts, Target, targets
from tests.monitoring.world import World
from tests.wire import T0, get, refused

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.mark.django_db
@pytest.mark.parametrize("outcome", list(AttemptOutcome))
def test_only_succeeded_and_failed_attempts_count_in_the_error_rate(outcome) -> None:
    world = World(T0)
    for number in range(2):
        world.complete("SAM", world.queue(f"Compile {number}", ago=60), ago=50)
    one = Attempt.objects.earliest("id")
    ended = None if outcome is AttemptOutcome.RUNNING else one.ended_at
    Attempt.objects.filter(pk=one.pk).update(outcome=outcome.value, ended_at=ended)

    found = attempt_figures(now=T0, window=DAY)

    counted = {AttemptOutcome.SUCCEEDED: (0, 2), AttemptOutcome.FAILED: (1, 2)}
    assert (found.failed, found.finished) == counted.get(outcome, (0, 1))


@pytest.mark.django_db
def test_a_failed_attempt_counts_under_the_type_that_it_reported_and_by_its_agent() -> None:
    world = World(T0)
    world.fail("SAM", world.queue("Compile", ago=60), "AssertionError: one", ago=50)
    world.fail("LEO", world.queue("Test", ago=60), "AssertionError: two", ago=50)
    Attempt.objects.filter(agent__name="LEO").update(failure_id=None)

    found = work_by_agent(now=T0, window=DAY)

    by_name = {Agent.objects.get(pk=pk).name: own for pk, own in found.items()}
    assert {k.value: n for k, n in by_name["SAM"].failed_by_type.items() if n} == {"test": 1}
    assert {k.value: n for k, n in by_name["LEO"].failed_by_type.items() if n} == {"other": 1}
    assert sum(found.values(), Work()).failed == 2


@pytest.mark.django_db
def test_a_retry_counts_by_its_first_failure_and_only_once_it_was_tried_again() -> None:
    world = World(T0)
    once = world.queue("Compile", ago=3000)
    world.fail("SAM", once, "AssertionError: one", ago=2900)  # Before the window.
    world.fail("SAM", once, "AssertionError: two", ago=100)
    world.complete("LEO", once, ago=50)
    again = world.queue("Test", ago=200)
    world.fail("SAM", again, "AssertionError: three", ago=150)
    assert retry_success(now=T0, window=DAY).under_way == 0

    world.claim("LEO", again, ago=20)
    assert retry_success(now=T0, window=DAY).under_way == 1
    found = retry_success(now=T0, window=3 * DAY)
    assert (found.completed, found.ended, found.under_way) == (1, 1, 1)


def trouble(number: int, *, opened: float, resolved: float | None = None, by: str = "SYSTEM"):
    """An incident, by minutes before T0."""
    return Incident.objects.create(
        kind="blocked",
        severity="error",
        status="open" if resolved is None else "resolved",
        title="Trouble",
        dedup_key=f"d{number}",
        opened_at=T0 - opened * MINUTE,
        resolved_at=None if resolved is None else T0 - resolved * MINUTE,
        resolved_by="" if resolved is None else by,
    )


def line(incident: Incident, kind: str, ago: float, *, actor: str = "SYSTEM", level=None) -> None:
    IncidentEvent.objects.create(
        incident=incident,
        seq=incident.events.count() + 1,
        kind=kind,
        level=level,
        actor=actor,
        at=T0 - ago * MINUTE,
    )


@pytest.mark.django_db
def test_how_soon_people_acted_and_what_healed_without_them() -> None:
    alone = trouble(1, opened=100, resolved=90)
    line(alone, "resolved", 90)
    helped = trouble(2, opened=100, resolved=60)  # EVOX resolved it after somebody took it on.
    line(helped, "acknowledged", 95, actor="ann")
    line(helped, "acknowledged", 70, actor="bob")
    line(helped, "resolved", 60)
    by_hand = trouble(3, opened=50, resolved=20, by="ann")
    line(by_hand, "resolved", 20, actor="ann")
    trouble(4, opened=40)
    trouble(5, opened=30, resolved=30)  # A record: born resolved.
    old = trouble(6, opened=3000, resolved=2000)
    line(old, "acknowledged", 2990, actor="ann")

    found = course(now=T0, window=DAY)

    assert (found.opened, found.resolved, found.healed) == (4, 3, 1)
    assert (found.to_acknowledge.count, found.to_acknowledge.median) == (2, 17.5 * MINUTE)
    assert (found.to_resolve.median, found.to_resolve.p90) == (30 * MINUTE, 38 * MINUTE)
    everything = course(now=T0, window=30 * DAY)
    assert (everything.opened, everything.resolved, everything.to_acknowledge.count) == (5, 4, 3)


@pytest.mark.django_db
def test_an_escalation_is_timed_from_the_standstill_to_the_first_level() -> None:
    stuck = trouble(1, opened=60)
    Incident.objects.filter(pk=stuck.pk).update(stall_since=T0 - 75 * MINUTE)
    line(stuck, "escalated", 59, level=1)
    line(stuck, "escalated", 44, level=2)
    line(trouble(2, opened=30), "escalated", 30, level=2)
    line(trouble(3, opened=4000), "escalated", 3990, level=2)

    found = course(now=T0, window=DAY)

    assert found.escalated == 2
    assert found.escalation_p95 == pytest.approx(0.95 * 16 * MINUTE, abs=timedelta(seconds=1))


@pytest.mark.django_db
def test_the_ceo_is_called_by_level_three_and_acts_by_name() -> None:
    Agent.objects.create(name="EVA", role="ceo", created_at=T0)
    one = trouble(1, opened=60)
    line(one, "escalated", 50, level=2)
    line(one, "escalated", 40, level=3)
    line(one, "reminded", 30, level=3)
    line(one, "acknowledged", 20, actor="EVA")
    line(trouble(2, opened=5000), "escalated", 4000, level=3)
    for actor, ago in [("eva", 10), ("ann", 10), ("SYSTEM", 10), ("CEO", 5), ("EVA", 4000)]:
        AuditEntry.objects.create(
            at=T0 - ago * MINUTE, actor=actor, verb="retry", subject_kind="dispatch", subject_id=1
        )

    found = interventions(now=T0, window=DAY)

    assert (found.messages, found.acts, found.a_day) == (2, 3, 5.0)
    assert interventions(now=T0, window=10 * DAY).a_day == 0.7


@pytest.mark.django_db
def test_the_same_mistake_is_the_most_repeats_of_a_learning_in_force() -> None:
    assert (same_mistake().most, same_mistake().learnings) == (None, 0)
    for number, (status, repeats) in enumerate([("active", 1), ("watch", 4), ("retired", 9)]):
        Learning.objects.create(
            slug=f"l{number}",
            title="Pin it",
            category="build",
            status=status,
            origin="agent",
            proposed_by="SAM",
            approved_by="MAX",
            created_at=T0,
            published_at=T0,
            review_at=T0,
            exposed_repeats=repeats,
            watch_since=T0 if status == "watch" else None,
            retired_at=T0 if status == "retired" else None,
        )
    assert (same_mistake().most, same_mistake().learnings) == (4, 2)


FACTS = Facts(
    retries_completed=81,
    retries_ended=100,
    rolled_back=4,
    rollback_p95=119.9,
    escalated=7,
    escalation_p95=1799.0,
    reviews_triggered=12,
    reviews_eligible=12,
    interventions=29,
    days=30.0,
    repeats=2,
    learnings=5,
)
MISSED = Facts(
    retries_completed=80,
    retries_ended=100,
    rolled_back=4,
    rollback_p95=120.0,
    escalated=7,
    escalation_p95=1800.0,
    reviews_triggered=11,
    reviews_eligible=12,
    interventions=30,
    days=30.0,
    repeats=3,
    learnings=5,
)
NOTHING = Facts(
    retries_completed=0,
    retries_ended=0,
    rolled_back=0,
    rollback_p95=None,
    escalated=0,
    escalation_p95=None,
    reviews_triggered=0,
    reviews_eligible=0,
    interventions=0,
    days=1.0,
    repeats=None,
    learnings=0,
)


def test_each_promise_is_met_just_inside_of_its_bound_and_missed_on_it() -> None:
    assert [target.met for target in targets(FACTS)] == [True] * 6
    assert [target.met for target in targets(MISSED)] == [False] * 6


def test_a_promise_without_data_is_neither_kept_nor_broken() -> None:
    found = {target.key: target.met for target in targets(NOTHING)}
    assert found.pop("ceo_interventions") is True
    assert set(found.values()) == {None}


def test_a_bound_says_on_which_side_it_holds() -> None:
    def met(bound: Bound, value: float) -> bool | None:
        return Target(key="x", value=value, bound=bound, target=1.0, unit="share").met

    assert [met(bound, 1.0) for bound in Bound] == [False, False, True, True]
    assert [met(bound, 2.0) for bound in Bound] == [True, False, True, False]


def test_each_promise_and_figure_has_a_definition() -> None:
    assert {target.key for target in targets(FACTS)} <= DEFINITIONS.keys()
    for one in DEFINITIONS.values():
        assert one.text.endswith(".")
        assert one.unit


@pytest.mark.django_db
def test_the_api_takes_a_period_and_says_what_each_number_means() -> None:
    for period in PERIODS:
        answer = get(f"health?period={period}").json()
        assert answer["window"] == period
        assert answer["definitions"].keys() == DEFINITIONS.keys()
        assert len(answer["promises"]) == 6
    assert get("health").json()["window"] == "24h"
    assert refused(get("health?period=1y"), 400)


@pytest.mark.django_db
def test_an_empty_house_has_no_share_of_anything() -> None:
    answer = get("health?period=30d").json()
    assert answer["uptime"]["percent"] == "no data"
    assert answer["uptime"]["value"] is None
    assert answer["errorRate"]["value"] is None
    assert answer["incidentCourse"]["selfHealed"]["value"] is None
    assert figures(now=T0, window=DAY).team_uptime.window == 0
