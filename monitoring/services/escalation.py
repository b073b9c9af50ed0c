"""The ladder: whose next step is due, and who is told. The timer is a column."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from agents.models import Agent
from agents.models.message import SYSTEM
from agents.services.messages import Words, send_messages
from agents.states import Priority
from failures import kinds
from failures.models import Incident
from failures.services.log import NewFailure, log_failures
from failures.services.timeline import ESCALATED, Line, add_lines
from failures.states import ErrorType, IncidentKind, IncidentStatus
from monitoring import policy, policy_words
from monitoring.services import causes, findings
from monitoring.services.clocks import Clocks
from monitoring.services.findings import Found
from monitoring.services.hearers import Hearer, Hearers
from monitoring.states import AuditCheck

logger = logging.getLogger(__name__)

BATCH = 200
BATCHES = 50
SAVED = (
    *("status", "ack_expires_at", "snoozed_until", "escalation_level"),
    *("next_step_at", "reminders", "title", "version"),
)


@dataclass
class _Round:
    """What one batch writes, gathered so that its size doesn't change how many statements it is."""

    now: datetime
    clocks: Clocks
    hearers: Hearers
    lines: list[Line]
    words: list[Words]
    failures: list[NewFailure]
    late: list[Found]

    def line(self, incident: Incident, kind: str, level: int | None = None, **data: object) -> None:
        self.lines.append(
            Line(incident=incident, kind=kind, actor=SYSTEM, level=level, data=dict(data))
        )

    def say(self, incident: Incident, hearer: Hearer, text: str, key: str, level: int) -> None:
        self.words.append(
            Words(
                text=text,
                to=hearer.to,
                priority=Priority.URGENT if level >= kinds.CEO else Priority.HIGH,
                about=("incident", incident.pk),
                dedup_key=f"incident:{incident.pk}:{key}",
            )
        )


def escalate_due(*, now: datetime) -> int:
    """Take every step that is due; returns how many incidents were looked at.

    A batch is one transaction with a fixed number of statements. When one row spoils its batch, its
    rows go one by one, so that it strands only itself.
    """
    seen = 0
    for _ in range(BATCHES):
        due = _due_ids(now=now)
        if not due:
            break
        try:
            _take_steps(due, now=now)
        except Exception:
            logger.exception("A batch of escalations failed; its incidents go one by one.")
            if not _one_by_one(due, now=now):
                break
        seen += len(due)
    return seen


def _due_ids(*, now: datetime) -> list[int]:
    rows = Incident.objects.filter(next_step_at__lte=now)
    rows = rows.exclude(status=IncidentStatus.RESOLVED.value).order_by("next_step_at", "id")
    return list(rows.values_list("id", flat=True)[:BATCH])


def _one_by_one(due: Sequence[int], *, now: datetime) -> int:
    moved = 0
    for pk in due:
        try:
            _take_steps([pk], now=now)
            moved += 1
        except Exception:
            logger.exception("Escalating incident %s failed; it is left for the next round.", pk)
    return moved


def _take_steps(due: Sequence[int], *, now: datetime) -> None:
    with transaction.atomic():
        rows = Incident.objects.filter(pk__in=due, next_step_at__lte=now)
        rows = rows.exclude(status=IncidentStatus.RESOLVED.value)
        incidents = list(
            rows.select_for_update(of=("self",), skip_locked=True)
            .select_related("agent", "dispatch")
            .order_by("id")
        )
        over = causes.resolve_gone(incidents, now=now)
        incidents = [incident for incident in incidents if incident.pk not in over]
        step = _Round(
            now=now,
            clocks=Clocks.of(incidents, now=now),
            hearers=Hearers(now=now),
            lines=[],
            words=[],
            failures=[],
            late=[],
        )
        for incident in incidents:
            _take_step(incident, step)
        Incident.objects.bulk_update(incidents, SAVED, batch_size=BATCH)
        add_lines(step.lines, now=now)
        send_messages(step.words, now=now)
        if step.failures:
            log_failures(step.failures, now=now)
        findings.write_down(step.late, now=now)


def _take_step(incident: Incident, step: _Round) -> None:
    rest_ended = _end_rest(incident, step)
    standing = step.clocks.standing(incident)
    planned = incident.next_step_at or step.now
    match policy.next_step(standing, rest_ended=bool(rest_ended), now=step.now):
        case policy.Tell(level=level, skipped=skipped, next_at=next_at):
            incident.next_step_at = next_at
            _tell(incident, level, skipped, step)
            step.late += _late(incident, standing, (*skipped, level), planned, now=step.now)
        case policy.Remind(level=level, number=number, next_at=next_at):
            incident.next_step_at, incident.reminders = next_at, number
            _remind(incident, level, rest_ended, step)
        case policy.Wait(until=until):
            incident.next_step_at = until
            return
    incident.version += 1


def _late(
    incident: Incident,
    standing: policy.Standing,
    levels: Sequence[int],
    planned: datetime,
    *,
    now: datetime,
) -> list[Found]:
    """Those levels that are told later than promised, by their own timer or after a rest."""
    found = []
    for level in levels:
        late = now - max(policy.due_at(standing, level), planned)
        if late > findings.PROMISE:
            subject = f"incident:{incident.pk}:level:{level}"
            detail = f"{incident.number} level {level} was told {late} late."
            found.append(
                Found(check=AuditCheck.STEP_OVERDUE, subject=subject, detail=detail, late_by=late)
            )
    return found


def _end_rest(incident: Incident, step: _Round) -> str:
    """Wake what rested long enough; returns what to say of it, "" when it didn't rest."""
    said = ""
    if incident.snoozed_until is not None and incident.snoozed_until <= step.now:
        incident.snoozed_until = None
        step.line(incident, "snooze_ended")
        said = "It was snoozed, and that time is over."
    if incident.ack_expires_at is not None and incident.ack_expires_at <= step.now:
        incident.status, incident.ack_expires_at = IncidentStatus.OPEN.value, None
        step.line(incident, "acknowledgement_ended", by=incident.acknowledged_by)
        said = (
            f"{incident.acknowledged_by} acknowledged it, and it is still open:"
            " it counts again as nobody's."
        )
    return said


def _tell(incident: Incident, level: int, skipped: Sequence[int], step: _Round) -> None:
    hearer = step.hearers.of_level(incident, level)
    about = _about(incident, step)
    incident.escalation_level = level
    if incident.kind == IncidentKind.STALLED and level >= kinds.LEAD:
        _call_it_stuck(incident, about, step)
    for missed in skipped:
        step.line(incident, "superseded", missed, by_level=level)
    text = policy_words.told(about, level, instead_of_peer=hearer.instead_of_peer)
    step.say(incident, hearer, text, f"L{level}", level)
    data = {"to": hearer.to.name}
    if hearer.instead_of_peer:
        data["instead"] = "no peer at work"
    step.line(incident, ESCALATED, level, **data)
    if kinds.LEAD in skipped:
        # Slept through, but whoever must act still hears of it.
        lead = step.hearers.of_level(incident, kinds.LEAD)
        if lead.to != hearer.to:
            step.say(incident, lead, text, f"L{kinds.LEAD}", kinds.LEAD)
            step.line(incident, "told", None, to=lead.to.name)


def _remind(incident: Incident, level: int, rest_ended: str, step: _Round) -> None:
    hearer = step.hearers.of_level(incident, max(level, kinds.LEAD))
    number = incident.reminders
    text = policy_words.reminded(
        _about(incident, step), level, number=number, rest_ended=rest_ended
    )
    step.say(incident, hearer, text, f"R{number}", level)
    step.line(incident, "reminded", level, to=hearer.to.name, number=number)


def _call_it_stuck(incident: Incident, about: policy_words.About, step: _Round) -> None:
    """From the lead's level on it is called stuck, and is a failure, so that learning sees it."""
    title = policy_words.stuck_title(about.agent, about.work)[:200]
    if incident.title == title:
        return
    incident.title = title
    if incident.agent is not None:
        step.failures.append(_as_failure(incident, incident.agent, about))


def _as_failure(incident: Incident, agent: Agent, about: policy_words.About) -> NewFailure:
    minutes = int(about.elapsed / timedelta(minutes=1))
    return NewFailure(
        agent=agent,
        error_type=ErrorType.TIMEOUT,
        message=f"Stuck: no progress for {minutes} min",
        ticket_id=incident.dispatch.ticket_id if incident.dispatch else "",
        context={"incident": incident.number, "work": about.work, "stalled": True},
        by_evox=True,
    )


def _about(incident: Incident, step: _Round) -> policy_words.About:
    dispatch = incident.dispatch
    return policy_words.About(
        number=incident.number,
        kind=IncidentKind(incident.kind),
        title=incident.title,
        agent=incident.agent.name if incident.agent else "",
        work=policy_words.work_of(
            dispatch.pk if dispatch else None,
            dispatch.title if dispatch else "",
            dispatch.ticket_id if dispatch else "",
        ),
        elapsed=step.clocks.elapsed(incident),
    )
