"""The ladder: who hears of work that stands still, when, and what stops it."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from agents.models import Agent, Message
from agents.services import pauses
from agents.states import AgentRole
from failures.models import Failure, Incident
from failures.services import incidents
from failures.states import IncidentKind, IncidentStatus
from monitoring.services import escalation
from monitoring.services.watch import watch
from recovery.services import claims
from tests.recovery.world import MINUTE, SECOND, T0, block, complete, fail, hire, queue, take


def at(clock: str):
    """The instant that many minutes and seconds after the claim, such as "14:59"."""
    minutes, seconds = clock.split(":")
    return T0 + int(minutes) * MINUTE + int(seconds) * SECOND


@pytest.fixture
def stuck(db, settings) -> SimpleNamespace:
    """SAM claimed something at T0 and does nothing but breathe; LEO is at work, MAX leads."""
    settings.EVOX_DEADLINE = timedelta(days=1)
    world = SimpleNamespace(max=hire("MAX", role=AgentRole.LEAD), sam=hire("SAM"), leo=hire("LEO"))
    dispatch = queue("Fix the login", ticket_id="AGT-310", agent=world.sam)
    world.held = take(world.sam, lease=timedelta(hours=8))
    breathe(world.sam, now=T0)
    world.dispatch = dispatch
    return world


def breathe(*agents: Agent, now) -> None:
    """Signs of life, which are no progress."""
    for agent in agents:
        claims.heartbeat(agent, now=now)


def watch_at(clock: str, *alive: Agent) -> None:
    """A round of watching at that instant, with these agents alive."""
    breathe(*alive, now=at(clock))
    watch(now=at(clock))


def the_stall() -> Incident:
    return Incident.objects.get(kind=IncidentKind.STALLED.value)


def said_to(name: str) -> list[str]:
    """The first lines of what EVOX said to an agent or a channel, the first one first."""
    rows = Message.objects.filter(to_agent__name=name) | Message.objects.filter(channel__name=name)
    return [message.text.partition("\n")[0] for message in rows.order_by("id")]


def told() -> dict[str, list[str]]:
    """Who heard how much of it."""
    return {name: said_to(name) for name in ("LEO", "MAX", "ceo") if said_to(name)}


def steps() -> list[tuple[str, int | None]]:
    """The levels on the timeline."""
    kinds = ("escalated", "superseded", "reminded")
    return list(the_stall().events.filter(kind__in=kinds).values_list("kind", "level"))


def test_at_14_59_nobody_hears_of_it(stuck):
    watch_at("14:59", stuck.sam, stuck.leo)

    assert not Incident.objects.exists()
    assert told() == {}


def test_at_15_01_a_peer_is_asked(stuck):
    watch_at("15:01", stuck.sam, stuck.leo)

    incident = the_stall()
    assert (incident.escalation_level, incident.next_step_at) == (1, at("30:00"))
    assert told() == {
        "LEO": [
            f"[L1] {incident.number} SAM without progress 15 min 1 s on"
            f" #{stuck.dispatch.pk} Fix the login (AGT-310)"
        ]
    }


def test_at_29_59_the_lead_has_not_heard_and_at_30_01_he_has(stuck):
    watch_at("15:01", stuck.sam, stuck.leo)
    watch_at("29:59", stuck.sam, stuck.leo)
    assert set(told()) == {"LEO"}

    watch_at("30:01", stuck.sam, stuck.leo)

    assert set(told()) == {"LEO", "MAX"}
    assert the_stall().title == f"SAM is stuck on #{stuck.dispatch.pk} Fix the login (AGT-310)"


def test_stuck_work_is_a_failure_so_that_learning_sees_it(stuck):
    watch_at("15:01", stuck.sam, stuck.leo)
    assert not Failure.objects.exists()

    watch_at("30:01", stuck.sam, stuck.leo)
    watch_at("60:01", stuck.sam, stuck.leo)

    failure = Failure.objects.get()
    assert (failure.agent, failure.error_type) == (stuck.sam, "timeout")
    assert failure.message == "Stuck: no progress for 30 min"


def test_at_60_01_the_ceo_channel_hears(stuck):
    for clock in ("15:01", "30:01", "59:59"):
        watch_at(clock, stuck.sam, stuck.leo)
    assert "ceo" not in told()

    watch_at("60:01", stuck.sam, stuck.leo)

    assert [line[:4] for line in said_to("ceo")] == ["[L3]"]
    assert steps() == [("escalated", 1), ("escalated", 2), ("escalated", 3)]


def test_the_ceo_channel_is_reminded_every_hour_five_times_at_most(stuck):
    for minutes in range(15, 470):
        watch_at(f"{minutes}:02", stuck.sam)

    reminders = the_stall().events.filter(kind="reminded")
    assert [event.at for event in reminders] == [at(f"{60 * n}:02") for n in range(2, 7)]
    assert len(said_to("ceo")) == 6
    assert the_stall().next_step_at is None


def test_progress_at_29_59_starts_the_clock_again(stuck):
    watch_at("15:01", stuck.sam, stuck.leo)
    claims.progress(
        stuck.dispatch.pk,
        stuck.held.attempt.claim,
        note=None,
        marker="commit 2",
        by=stuck.sam,
        now=at("29:59"),
    )

    watch_at("30:01", stuck.sam, stuck.leo)
    assert the_stall().status == IncidentStatus.RESOLVED
    assert the_stall().resolution == "It made progress again."
    assert "MAX" not in told()

    watch_at("44:58", stuck.sam, stuck.leo)
    assert Incident.objects.count() == 1
    watch_at("45:00", stuck.sam, stuck.leo)
    assert Incident.objects.count() == 2


def test_a_heartbeat_is_life_and_no_progress(stuck):
    for minutes in range(31):
        claims.heartbeat(stuck.sam, claim=stuck.held.attempt.claim, now=at(f"{minutes}:00"))
    watch_at("30:01", stuck.sam, stuck.leo)

    assert the_stall().escalation_level == 2


def test_a_paused_clock_stands_still_and_goes_on_where_it_stood(stuck):
    pauses.pause(stuck.sam, until=at("50:00"), reason="Lunch", actor="MAX", now=at("10:00"))
    for clock in ("15:01", "30:01", "49:59", "54:59"):
        watch_at(clock, stuck.sam, stuck.leo)
        assert not Incident.objects.exists()

    watch_at("55:01", stuck.sam, stuck.leo)
    assert the_stall().escalation_level == 1
    watch_at("69:59", stuck.sam, stuck.leo)
    assert the_stall().escalation_level == 1
    watch_at("70:01", stuck.sam, stuck.leo)
    assert the_stall().escalation_level == 2


def test_a_pause_freezes_the_ladder_of_an_open_incident_and_the_kill_switch_freezes_all(stuck):
    watch_at("15:01", stuck.sam, stuck.leo)
    pauses.pause(None, until=at("45:00"), reason="Upgrade", actor="MAX", now=at("25:00"))

    watch_at("31:00", stuck.sam, stuck.leo)
    watch_at("49:59", stuck.sam, stuck.leo)
    assert the_stall().escalation_level == 1

    watch_at("50:01", stuck.sam, stuck.leo)
    assert the_stall().escalation_level == 2


def test_a_pause_that_is_lifted_early_lets_the_clock_go_on_within_a_minute(stuck):
    watch_at("15:01", stuck.sam, stuck.leo)
    pauses.pause(stuck.sam, until=at("600:00"), reason="Lunch", actor="MAX", now=at("29:00"))
    watch_at("30:01", stuck.sam, stuck.leo)
    pauses.resume(stuck.sam, actor="MAX", now=at("31:00"))

    watch_at("33:01", stuck.sam, stuck.leo)

    assert the_stall().escalation_level == 2


def test_after_an_outage_of_70_minutes_one_message_goes_to_the_highest_level(stuck):
    watch_at("70:00", stuck.sam, stuck.leo)

    assert [line[:4] for line in said_to("ceo")] == ["[L3]"]
    assert "LEO" not in told()
    assert len(said_to("MAX")) == 1, "the lead still hears"
    assert steps() == [("superseded", 1), ("superseded", 2), ("escalated", 3)]
    for clock in ("70:10", "75:00", "129:59"):
        watch_at(clock, stuck.sam, stuck.leo)
    assert len(said_to("ceo")) + len(said_to("MAX")) == 2


def test_rounds_that_run_again_and_again_tell_nobody_twice(stuck):
    for clock in ("15:01", "15:01", "15:02", "30:01", "30:01", "60:01", "60:01", "60:11"):
        watch_at(clock, stuck.sam, stuck.leo)

    assert {name: len(lines) for name, lines in told().items()} == {"LEO": 1, "MAX": 1, "ceo": 1}


def test_work_that_said_how_long_a_step_takes_is_given_that_time(stuck):
    slow = queue("Train", agent=stuck.leo, expected_progress_every=timedelta(hours=2))
    take(stuck.leo, lease=timedelta(hours=8))

    watch_at("134:59", stuck.sam, stuck.leo)
    assert not Incident.objects.filter(dispatch=slow).exists()
    watch_at("135:01", stuck.sam, stuck.leo)
    assert Incident.objects.get(dispatch=slow).escalation_level == 1


def test_completion_ends_it(stuck):
    watch_at("15:01", stuck.sam, stuck.leo)
    complete(stuck.held, now=at("20:00"))
    watch_at("20:05", stuck.sam, stuck.leo)

    assert the_stall().resolution == "The work is completed now."
    watch_at("61:00", stuck.sam, stuck.leo)
    assert set(told()) == {"LEO"}


def test_a_ceo_who_was_told_hears_that_it_is_over(stuck):
    watch_at("60:01", stuck.sam, stuck.leo)
    complete(stuck.held, now=at("61:00"))
    watch_at("61:05", stuck.sam, stuck.leo)

    assert said_to("ceo")[-1] == f"{the_stall().number} is over: The work is completed now."


def test_an_acknowledgement_stops_the_ladder_for_half_an_hour_and_then_comes_back(stuck):
    watch_at("15:01", stuck.sam, stuck.leo)
    incidents.acknowledge(the_stall().pk, actor="LEO", now=at("20:00"))
    watch_at("30:01", stuck.sam, stuck.leo)
    watch_at("49:59", stuck.sam, stuck.leo)
    assert set(told()) == {"LEO"}

    watch_at("50:01", stuck.sam, stuck.leo)

    incident = the_stall()
    assert (incident.status, incident.escalation_level) == (IncidentStatus.OPEN, 2)
    assert len(said_to("MAX")) == 1
    assert incident.events.filter(kind="acknowledgement_ended").count() == 1


def test_a_forgotten_acknowledgement_is_said_again_when_no_level_is_due(stuck):
    watch_at("30:01", stuck.sam, stuck.leo)
    incidents.acknowledge(the_stall().pk, actor="MAX", now=at("30:30"))
    Incident.objects.update(ladder={"1": 900, "2": 1800, "3": 36000})

    watch_at("60:31", stuck.sam, stuck.leo)

    assert the_stall().status == IncidentStatus.OPEN
    last = Message.objects.filter(to_agent=stuck.max).latest("id")
    assert last.text.endswith(
        "MAX acknowledged it, and it is still open: it counts again as nobody's."
    )


def test_a_snooze_lets_it_rest_until_its_hour(stuck):
    watch_at("15:01", stuck.sam, stuck.leo)
    incidents.snooze(
        the_stall().pk, until=at("90:00"), reason="Known", actor="MAX", now=at("16:00")
    )
    watch_at("89:59", stuck.sam, stuck.leo)
    assert the_stall().escalation_level == 1

    watch_at("90:01", stuck.sam, stuck.leo)
    assert the_stall().escalation_level == 3


def test_resolved_by_hand_it_is_not_opened_again_before_a_whole_quarter_of_an_hour(stuck):
    watch_at("15:01", stuck.sam, stuck.leo)
    incidents.resolve(the_stall().pk, resolution="I helped.", actor="LEO", now=at("16:00"))

    watch_at("30:59", stuck.sam, stuck.leo)
    assert Incident.objects.count() == 1
    watch_at("31:01", stuck.sam, stuck.leo)
    assert Incident.objects.count() == 2


def test_with_nobody_to_help_the_lead_hears_at_once_and_why(stuck):
    watch_at("15:01", stuck.sam)

    message = Message.objects.get(to_agent=stuck.max)
    assert "No peer who could help is at work" in message.text
    assert the_stall().events.get(kind="escalated").data == {
        "to": "MAX",
        "instead": "no peer at work",
    }


@pytest.mark.parametrize("why", ["offline", "paused", "stuck", "other skills", "the lead"])
def test_a_peer_who_cannot_help_is_not_asked(stuck, why):
    Agent.objects.filter(pk=stuck.sam.pk).update(skills=["sql"])
    Agent.objects.filter(pk=stuck.leo.pk).update(skills=["sql", "css"])
    alive = [stuck.sam, stuck.leo]
    if why == "offline":
        alive = [stuck.sam]
    elif why == "paused":
        pauses.pause(stuck.leo, until=at("50:00"), reason="Lunch", actor="MAX", now=at("10:00"))
    elif why == "stuck":
        queue("Other", agent=stuck.leo)
        block(take(stuck.leo, now=at("1:00")), now=at("2:00"))
    elif why == "other skills":
        Agent.objects.filter(pk=stuck.leo.pk).update(skills=["css"])
    else:
        Agent.objects.filter(pk=stuck.leo.pk).update(role=AgentRole.CEO.value)

    watch_at("15:01", *alive)

    assert the_stall().events.get(kind="escalated").data["to"] == "MAX"


def test_a_stuck_lead_is_the_ceos_business(stuck):
    queue("Plan the week", agent=stuck.max)
    take(stuck.max, lease=timedelta(hours=8))

    watch_at("30:01", stuck.sam, stuck.max)

    event = Incident.objects.get(agent=stuck.max).events.get(kind="escalated", level=2)
    assert event.data["to"] == "ceo"


def test_peers_are_asked_in_turn(stuck):
    hire("ALEX")
    for n in range(3):
        agent = hire(f"NEW{n}")
        queue(f"Job {n}", agent=agent, now=at("0:00"))
        take(agent, lease=timedelta(hours=8))
    watch_at("15:01", stuck.sam, stuck.leo, Agent.objects.get(name="ALEX"))

    asked = [
        event.data["to"]
        for incident in Incident.objects.order_by("id")
        for event in incident.events.filter(kind="escalated")
    ]
    assert sorted(asked) == ["ALEX", "ALEX", "LEO", "LEO"]


def test_a_block_is_told_to_the_lead_at_once_and_the_ceo_after_an_hour(stuck):
    block(stuck.held, now=at("5:00"), reason="I need the staging key.")

    incident = Incident.objects.get(kind=IncidentKind.BLOCKED.value)
    assert (incident.escalation_level, incident.next_step_at) == (2, at("65:00"))
    assert len(said_to("MAX")) == 1
    watch_at("64:59", stuck.sam)
    assert "ceo" not in told()
    watch_at("65:01", stuck.sam)
    assert len(said_to("ceo")) == 1
    assert Failure.objects.get().message == "I need the staging key."


def test_the_third_same_failure_on_one_dispatch_opens_a_loop_at_once(stuck):
    held, now = stuck.held, at("1:00")
    for n in range(3):
        assert not Incident.objects.filter(kind=IncidentKind.ERROR_LOOP.value).exists()
        closed = fail(held, now=now, message="ImportError: no module named stripe")
        now = (closed.dispatch.run_at or now) + SECOND
        if n < 2:
            [held] = claims.claim_work(stuck.sam, now=now)

    loop = Incident.objects.get(kind=IncidentKind.ERROR_LOOP.value)
    assert (loop.agent, loop.dispatch, loop.escalation_level) == (stuck.sam, stuck.dispatch, 2)
    assert any("again and again" in line for line in said_to("MAX"))


def test_a_loop_ends_with_the_next_success(stuck):
    test_the_third_same_failure_on_one_dispatch_opens_a_loop_at_once(stuck)
    later = at("60:00")
    [held] = claims.claim_work(stuck.sam, now=later)
    complete(held, now=later + SECOND)

    watch(now=later + 2 * SECOND)

    assert Incident.objects.get(kind="error_loop").status == IncidentStatus.RESOLVED


def test_a_silent_agent_with_a_lease_opens_one_incident_and_its_next_beat_ends_it(stuck):
    watch(now=at("2:59"))
    assert not Incident.objects.exists()
    watch(now=at("3:01"))
    watch(now=at("3:11"))

    silent = Incident.objects.get(kind=IncidentKind.SILENT.value)
    assert (silent.agent, silent.escalation_level) == (stuck.sam, 2)
    assert len(said_to("MAX")) == 1
    watch_at("5:00", stuck.sam)
    silent.refresh_from_db()
    assert silent.resolution == "SAM gave a sign of life again."


def test_a_silence_that_was_dealt_with_by_hand_is_not_opened_again(stuck):
    watch(now=at("3:01"))
    silent = Incident.objects.get(kind=IncidentKind.SILENT.value)
    incidents.resolve(silent.pk, resolution="Known.", actor="MAX", now=at("4:00"))

    watch(now=at("4:10"))

    assert Incident.objects.filter(kind="silent").count() == 1


def test_a_closed_laptop_is_no_incident(stuck):
    breathe(stuck.leo, now=at("0:30"))  # Holds nothing, opened no session.

    watch(now=at("200:00"))

    assert not Incident.objects.filter(agent=stuck.leo).exists()


def test_an_incident_that_cannot_be_told_strands_no_other(stuck, monkeypatch):
    queue("Other", agent=stuck.leo)
    take(stuck.leo, lease=timedelta(hours=8))
    real = escalation._take_step

    def spoiled(incident, step):
        if incident.agent == stuck.sam:
            raise RuntimeError("a bad row")
        real(incident, step)

    monkeypatch.setattr(escalation, "_take_step", spoiled)
    watch_at("30:01", stuck.sam, stuck.leo)

    assert Incident.objects.get(agent=stuck.leo).escalation_level == 2
    assert Incident.objects.get(agent=stuck.sam).escalation_level == 0
