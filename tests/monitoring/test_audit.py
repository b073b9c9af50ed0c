"""The auditor: what it finds late or missing, what it repairs, and what it counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.models import Delivery, Message, Sink
from agents.services import records
from agents.services.messages import ceo_channel
from agents.states import AgentRole, SinkKind
from failures.models import Incident, IncidentEvent
from failures.states import IncidentKind, IncidentStatus
from monitoring import health
from monitoring.models import AuditFinding
from monitoring.services import auditor, escalation
from monitoring.services.watch import watch
from monitoring.states import AuditCheck, Part
from recovery.services import claims
from tests.recovery.world import MINUTE, SECOND, T0, hire, queue, take


@pytest.fixture
def stuck(db):
    """SAM claimed something at T0 and makes no progress; MAX leads."""
    hire("MAX", role=AgentRole.LEAD)
    sam = hire("SAM")
    queue("Fix the login", agent=sam)
    take(sam, lease=timedelta(hours=3))
    return sam


def watched(minutes: float, sam, *, audited: bool = False) -> None:
    now = T0 + minutes * MINUTE
    claims.heartbeat(sam, now=now)
    watch(now=now)
    if audited:
        auditor.audit(now=now)


def found() -> list[tuple[str, str]]:
    """What the book says, the first one first."""
    return list(AuditFinding.objects.order_by("id").values_list("check_name", "subject"))


def missed(now) -> int:
    """What the page shows as missed escalations."""
    return health.watching(now=now).missed_30d


def test_a_ladder_in_time_leaves_the_book_empty(stuck):
    for minute in range(15, 75):
        watched(minute + 0.1, stuck, audited=True)

    assert Incident.objects.get().escalation_level == 3
    assert found() == []
    assert missed(T0 + 75 * MINUTE) == 0


def test_levels_that_were_told_five_minutes_late_are_counted_once_each(stuck):
    watched(15.1, stuck)
    watched(66, stuck, audited=True)
    watched(67, stuck, audited=True)

    number = Incident.objects.get().pk
    assert found() == [
        (AuditCheck.STEP_OVERDUE, f"incident:{number}:level:2"),
        (AuditCheck.STEP_OVERDUE, f"incident:{number}:level:3"),
    ]
    assert missed(T0 + 67 * MINUTE) == 2
    assert missed(T0 + 31 * 24 * 60 * MINUTE) == 0


def test_four_minutes_late_is_within_the_promise(stuck):
    watched(19, stuck)
    watched(34, stuck, audited=True)

    assert found() == []


def test_a_watcher_that_stands_still_is_done_for_by_the_audit(stuck):
    claims.heartbeat(stuck, now=T0 + 25 * MINUTE)
    auditor.audit(now=T0 + 25 * MINUTE)

    incident = Incident.objects.get(kind=IncidentKind.STALLED.value)
    assert [check for check, _ in found()] == [AuditCheck.STALL_UNSEEN]
    auditor.audit(now=incident.next_step_at + 6 * MINUTE)
    assert Incident.objects.get(pk=incident.pk).escalation_level >= 1


def test_an_incident_that_no_round_can_move_is_found(stuck, monkeypatch):
    watched(15.1, stuck)

    def spoiled(incident, step):
        raise RuntimeError("a bad row")

    monkeypatch.setattr(escalation, "_take_step", spoiled)
    watched(36, stuck, audited=True)

    assert found() == [(AuditCheck.STEP_OVERDUE, f"incident:{Incident.objects.get().pk}:level:2")]


def test_a_timer_that_was_lost_is_wound_again(stuck):
    watched(15.1, stuck)
    Incident.objects.update(next_step_at=None)

    watched(31, stuck, audited=True)
    watched(31.2, stuck)

    assert Incident.objects.get().escalation_level == 2
    assert len(found()) == 1


def test_a_message_that_is_not_on_its_way_is_put_there(stuck):
    ceo = ceo_channel(now=T0)
    Sink.objects.create(
        channel=ceo,
        name="hook",
        kind=SinkKind.WEBHOOK.value,
        url="https://example.org",
        secret="whsec_" + "a" * 32,
        created_at=T0,
    )
    watched(60.1, stuck)
    Delivery.objects.all().delete()

    auditor.audit(now=T0 + 61 * MINUTE)

    assert Delivery.objects.get().message.channel == ceo
    assert (AuditCheck.LEVEL_UNTOLD, f"message:{Delivery.objects.get().message_id}") in found()


def test_a_level_without_a_message_is_found(stuck):
    watched(15.1, stuck)
    Message.objects.all().delete()

    auditor.audit(now=T0 + 16 * MINUTE)

    assert [check for check, _ in found()] == [AuditCheck.LEVEL_UNTOLD]


def test_a_message_that_waits_too_long_is_found(stuck):
    test_a_message_that_is_not_on_its_way_is_put_there(stuck)
    AuditFinding.objects.all().delete()

    auditor.audit(now=T0 + 67 * MINUTE)

    assert AuditCheck.DELIVERY_LATE in [check for check, _ in found()]


@pytest.mark.parametrize("part", [Part.SWEEPER, Part.WATCHER, Part.SENDER])
def test_a_part_that_stopped_is_an_incident_until_it_goes_again(stuck, part):
    for each in (Part.SWEEPER, Part.WATCHER, Part.SENDER):
        records.beat(each, now=T0)
    later = T0 + 5 * MINUTE + SECOND
    for each in {Part.SWEEPER, Part.WATCHER, Part.SENDER} - {part}:
        records.beat(each, now=later)

    auditor.audit(now=later)
    auditor.audit(now=later + SECOND)

    own = Incident.objects.get(kind=IncidentKind.SELF.value)
    assert f"EVOX's {part} has done no round since 09:00:00 UTC" == own.title
    assert IncidentEvent.objects.filter(incident=own, kind="escalated", level=2).count() == 1
    records.beat(part, now=later + 2 * SECOND)
    auditor.audit(now=later + 3 * SECOND)
    own.refresh_from_db()
    assert own.status == IncidentStatus.RESOLVED


def test_one_broken_check_stops_no_other(stuck, monkeypatch):
    records.beat(Part.WATCHER, now=T0 - 10 * MINUTE)
    monkeypatch.setattr(auditor, "_UNTOLD", "SELECT nonsense")

    auditor.audit(now=T0)

    assert [check for check, _ in found()] == [AuditCheck.BEAT_STALE]
