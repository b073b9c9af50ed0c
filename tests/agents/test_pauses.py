"""Pauses of an agent and of everybody: how they begin, end by themselves, and count."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import InvalidInputError
from agents.models import Agent, AuditEntry, Pause
from agents.policy_pauses import Paused, Span, end_of, overlap, unpaused
from agents.services import pauses
from agents.services.agents import register_agent, retire_agent
from tests.recovery.world import at_once
from tests.wire import T0

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@pytest.fixture
def sam(db) -> Agent:
    return register_agent("SAM", now=T0)


@pytest.fixture
def leo(db) -> Agent:
    return register_agent("LEO", now=T0)


def hold(agent: Agent | None, *, lasts=HOUR, now=T0, reason="Disk swap", actor="MAX") -> Pause:
    return pauses.pause(agent, until=now + lasts, reason=reason, actor=actor, now=now)


def acts() -> list[tuple[str, str, str, int]]:
    rows = AuditEntry.objects.order_by("id")
    return list(rows.values_list("verb", "actor", "subject_kind", "subject_id"))


EDGES = st.integers(min_value=0, max_value=60)


@given(st.lists(st.tuples(EDGES, EDGES), max_size=6), EDGES, EDGES)
def test_the_overlap_is_what_counting_second_by_second_gives(edges, since, until) -> None:
    spans = [Span(at(start), at(end)) for start, end in edges]
    seconds = [s for s in range(since, until) if any(start <= s < end for start, end in edges)]

    covered = overlap(spans, at(since), at(until))

    assert covered == timedelta(seconds=len(seconds))
    left = timedelta(seconds=max(until - since, 0)) - covered
    assert unpaused(spans, at(since), at(until)) == left


@given(st.lists(st.tuples(EDGES, EDGES), max_size=6), st.tuples(EDGES, EDGES, EDGES))
def test_the_overlap_adds_up_over_any_cut(edges, cuts) -> None:
    spans = [Span(at(start), at(end)) for start, end in edges]
    first, middle, last = (at(cut) for cut in sorted(cuts))

    parts = overlap(spans, first, middle) + overlap(spans, middle, last)

    assert overlap(spans, first, last) == parts


@pytest.mark.parametrize(("lifted", "end"), [(None, 60), (30, 30), (60, 60), (90, 60)], ids=str)
def test_a_pause_ends_at_its_time_or_when_it_was_lifted_sooner(lifted, end) -> None:
    lifted_at = None if lifted is None else at(lifted)
    assert end_of(until=at(60), lifted_at=lifted_at) == at(end)


def test_a_pause_holds_its_agent_from_its_start_up_to_its_end(sam, leo) -> None:
    hold(sam)

    held = [T0, T0 + HOUR - SECOND]
    free = [T0 - SECOND, T0 + HOUR]
    assert [pauses.is_paused(sam, now=now) for now in held + free] == [True, True, False, False]
    assert not pauses.is_paused(leo, now=T0)
    assert pauses.paused_ids(now=T0) == Paused(ids=frozenset({sam.pk}))
    assert pauses.paused_ids(now=T0 + HOUR) == Paused()


@pytest.mark.parametrize("whom", ["SAM", None])
def test_all_ways_to_ask_who_is_paused_agree_at_every_edge(sam, leo, whom) -> None:
    for agent in (leo, sam if whom else None):
        hold(agent)
    pauses.resume(sam if whom else None, actor="ann", now=T0 + 2 * MINUTE)
    edges = (T0, T0 + 2 * MINUTE, T0 + HOUR)

    for now in [edge + step for edge in edges for step in (-SECOND, timedelta(0), SECOND)]:
        for agent in (sam, leo):
            said = pauses.is_paused(agent, now=now)
            assert said == Pause.objects.running(now=now).holding(agent).exists()
            assert said == (agent.pk in pauses.paused_ids(now=now))
            assert said == (
                overlap(
                    pauses.spans_for([agent.pk], since=now, now=now + SECOND)[agent.pk],
                    now,
                    now + SECOND,
                )
                > timedelta(0)
            )


def test_the_kill_switch_holds_everybody_also_who_comes_later(sam) -> None:
    hold(None)
    late = register_agent("LATE", now=T0)

    paused = pauses.paused_ids(now=T0)
    assert (paused.everybody, late.pk in paused, None in paused) == (True, True, True)
    assert pauses.is_paused(late, now=T0)
    assert not pauses.is_paused(late, now=T0 + HOUR)


@pytest.mark.parametrize(
    ("lasts", "reason", "field"),
    [
        (timedelta(0), "Why", "until"),
        (-MINUTE, "Why", "until"),
        (7 * DAY + SECOND, "Why", "until"),
        (HOUR, " ", "reason"),
        (HOUR, "x" * 501, "reason"),
    ],
)
def test_a_pause_needs_a_near_end_and_a_reason(sam, lasts, reason, field) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        hold(sam, lasts=lasts, reason=reason)

    assert refusal.value.field == field
    assert (Pause.objects.count(), acts()) == (0, [])


def test_the_longest_pause_is_a_week_and_a_retired_agent_gets_none(sam, leo) -> None:
    assert hold(sam, lasts=7 * DAY).until == T0 + 7 * DAY

    retire_agent(leo, now=T0)
    leo.refresh_from_db()
    with pytest.raises(InvalidInputError, match="LEO is retired"):
        hold(leo)


def test_a_second_pause_replaces_the_first_and_both_are_on_record(sam) -> None:
    first = hold(sam, lasts=DAY)
    second = hold(sam, now=T0 + MINUTE, actor="ann")

    first.refresh_from_db()
    assert (first.lifted_at, first.lifted_by) == (T0 + MINUTE, "ann")
    assert Pause.objects.get(lifted_at__isnull=True) == second
    assert acts() == [("pause", "MAX", "agent", sam.pk), ("pause", "ann", "agent", sam.pk)]
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert entry.data == {
        "until": (T0 + MINUTE + HOUR).isoformat(),
        "replaces": first.pk,
        "replacedUntil": (T0 + DAY).isoformat(),
    }
    assert not pauses.is_paused(sam, now=T0 + 2 * HOUR)


def test_resuming_ends_the_pause_at_once_and_says_who_and_why(sam) -> None:
    hold(sam)
    pauses.resume(sam, actor="ann", reason="Disk is in", now=T0 + MINUTE)

    row = Pause.objects.get()
    assert (row.lifted_at, row.lifted_by) == (T0 + MINUTE, "ann")
    assert pauses.is_paused(sam, now=T0 + MINUTE - SECOND)
    assert not pauses.is_paused(sam, now=T0 + MINUTE)
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.verb, entry.actor, entry.reason) == ("resume", "ann", "Disk is in")


def test_what_is_not_paused_cannot_be_resumed(sam) -> None:
    for agent in (sam, None):
        with pytest.raises(pauses.NotPausedError):
            pauses.resume(agent, actor="ann", now=T0)
    hold(None)
    with pytest.raises(pauses.NotPausedError, match="no pause of its own; everybody is paused"):
        pauses.resume(sam, actor="ann", now=T0)
    with pytest.raises(pauses.NotPausedError):
        pauses.resume(None, actor="ann", now=T0 + HOUR)
    assert [verb for verb, *_ in acts()] == ["pause"]


def test_the_two_kinds_of_pause_are_lifted_apart(sam, leo) -> None:
    hold(sam)
    hold(None)
    pauses.resume(None, actor="ann", now=T0 + MINUTE)

    assert pauses.is_paused(sam, now=T0 + MINUTE)
    assert not pauses.is_paused(leo, now=T0 + MINUTE)
    assert acts()[1:] == [("pause", "MAX", "fleet", 0), ("resume", "ann", "fleet", 0)]


def test_the_sweep_closes_what_is_over_at_its_own_time_and_once(sam, leo) -> None:
    hold(sam)
    hold(None)
    hold(leo, lasts=DAY)

    assert pauses.lift_expired(now=T0 + HOUR - SECOND) == 0
    assert pauses.lift_expired(now=T0 + 5 * HOUR) == 2
    assert pauses.lift_expired(now=T0 + 5 * HOUR) == 0
    closed = Pause.objects.filter(lifted_at=T0 + HOUR, lifted_by="SYSTEM")
    assert set(closed.values_list("agent_id", flat=True)) == {sam.pk, None}
    assert set(acts()[3:]) == {
        ("pause_ended", "SYSTEM", "agent", sam.pk),
        ("pause_ended", "SYSTEM", "fleet", 0),
    }


def test_the_sweep_takes_no_more_than_its_limit(sam, leo) -> None:
    hold(sam)
    hold(leo, lasts=2 * HOUR)

    assert pauses.lift_expired(limit=1, now=T0 + DAY) == 1
    assert Pause.objects.get(lifted_at__isnull=True).agent == leo


def test_a_pause_that_is_over_makes_room_without_a_sweep(sam) -> None:
    first = hold(sam)
    hold(sam, now=T0 + DAY)

    first.refresh_from_db()
    assert (first.lifted_at, first.lifted_by) == (T0 + HOUR, "SYSTEM")
    assert [verb for verb, *_ in acts()] == ["pause", "pause_ended", "pause"]
    assert not pauses.is_paused(sam, now=T0 + 2 * HOUR)


def test_the_spans_of_many_agents_are_one_query(sam, leo, django_assert_num_queries) -> None:
    hold(sam)
    pauses.resume(sam, actor="ann", now=T0 + 10 * MINUTE)
    hold(sam, now=T0 + 20 * MINUTE)
    hold(None, now=T0 + 30 * MINUTE, lasts=10 * MINUTE)

    with django_assert_num_queries(1):
        spans = pauses.spans_for([sam.pk, leo.pk], since=T0, now=T0 + HOUR)

    everybodys = Span(T0 + 30 * MINUTE, T0 + 40 * MINUTE)
    assert spans == {
        sam.pk: [
            Span(T0, T0 + 10 * MINUTE),
            Span(T0 + 20 * MINUTE, T0 + 80 * MINUTE),
            everybodys,
        ],
        leo.pk: [everybodys],
    }
    assert overlap(spans[sam.pk], T0, T0 + HOUR) == 50 * MINUTE
    later = pauses.spans_for([sam.pk, leo.pk], since=T0 + 40 * MINUTE, now=T0 + HOUR)
    assert later == {sam.pk: spans[sam.pk][1:2], leo.pk: []}
    assert pauses.spans_for([leo.pk], since=T0, now=T0 + 30 * MINUTE) == {leo.pk: []}


def test_the_database_lets_no_two_pauses_of_one_stand(sam) -> None:
    for agent in (sam, None):
        first = hold(agent)
        with pytest.raises(IntegrityError, match="pause_one_a_time"), transaction.atomic():
            Pause.objects.create(
                agent=agent, reason="x", started_by="x", started_at=T0, until=first.until
            )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("whom", ["SAM", None])
def test_of_two_pauses_at_once_one_stands_and_one_is_replaced(whom) -> None:
    agent = register_agent(whom, now=T0) if whom else None
    for n in range(10):
        # Each read the clock at its own instant; whoever comes second may have the earlier one.
        made = at_once(
            lambda: hold(agent, now=T0 + SECOND, actor="ann"),
            lambda: hold(agent, now=T0, actor="bob"),
        )
        assert {type(row) for row in made} == {Pause}
        assert Pause.objects.count() == 2 * (n + 1)
        assert Pause.objects.filter(lifted_at__isnull=True).count() == 1
        assert pauses.is_paused(agent, now=T0 + MINUTE) if agent else True
    assert [verb for verb, *_ in acts()] == ["pause"] * 20


@pytest.mark.django_db(transaction=True)
def test_a_pause_and_the_sweep_at_once_close_an_old_one_once() -> None:
    sam = register_agent("SAM", now=T0)
    for n in range(10):
        now = T0 + n * DAY
        hold(sam, now=now)
        over = now + 2 * HOUR
        made = at_once(
            lambda: hold(sam, now=over),  # noqa: B023 - called at once
            lambda: pauses.lift_expired(now=over),  # noqa: B023
        )
        assert type(made[0]) is Pause
        assert type(made[1]) is int
        pauses.lift_expired(now=over + 2 * HOUR)
    ended = [verb for verb, *_ in acts() if verb == "pause_ended"]
    assert len(ended) == Pause.objects.filter(lifted_by="SYSTEM").count() == 20
