"""Pauses of an agent, and of everybody (the kill switch). Each ends by itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from agents.errors import EvoxError, InvalidInputError
from agents.models import Agent, Pause
from agents.models.message import SYSTEM
from agents.policy_pauses import LONGEST, Paused, Span, end_of
from agents.services.records import audit

LOCK = 0x45564F05
"""Key of the advisory lock that whoever pauses or resumes holds: acts are few, one at a time."""
HOLDS = """EXISTS (SELECT 1 FROM agents_pause p
    WHERE (p.agent_id = %(agent)s OR p.agent_id IS NULL) AND p.started_at <= %(now)s
      AND p.until > %(now)s AND (p.lifted_at IS NULL OR p.lifted_at > %(now)s))"""
"""`PauseQuerySet.running().holding()` as SQL: every claim and heartbeat asks it, and Django took
about 1 ms to say it, PostgreSQL 0.1."""
REASON_LIMIT = 500
SWEEP_LIMIT = 200


class NotPausedError(EvoxError):
    """There is no pause to lift. HTTP 409."""

    code = "not_paused"
    status = 409


def pause(agent: Agent | None, *, until: datetime, reason: str, actor: str, now: datetime) -> Pause:
    """Pause `agent`, or everybody when None, until then; a pause that runs already is replaced.

    Raises InvalidInputError of `until` (past, or more than seven days ahead), of `reason` (empty,
    or over 500 characters), and of `name` for a retired agent.
    """
    reason = reason.strip()
    if not now < until <= now + LONGEST:
        raise InvalidInputError("until", "An instant within the next seven days.")
    if not 1 <= len(reason) <= REASON_LIMIT:
        raise InvalidInputError("reason", f"Say why, in 1–{REASON_LIMIT} characters.")
    if agent is not None and agent.retired_at is not None:
        raise InvalidInputError("name", f"{agent.name} is retired.")
    with transaction.atomic():
        old = _standing(agent)
        data: dict[str, Any] = {"until": until.isoformat()}
        if old is not None and old.until <= now:
            _close_expired(old, now=now)
        elif old is not None:
            _lift(old, actor=actor, now=now)
            data |= {"replaces": old.pk, "replacedUntil": old.until.isoformat()}
        new = Pause.objects.create(
            agent=agent, reason=reason, started_by=actor[:64], started_at=now, until=until
        )
        audit("pause", _subject(agent), actor=actor, reason=reason, data=data, now=now)
    return new


def resume(agent: Agent | None, *, actor: str, reason: str = "", now: datetime) -> Pause:
    """Lift the pause of `agent`, or that of everybody when None; the other kind stays.

    Raises NotPausedError when there is none, InvalidInputError of `reason` over 500 characters.
    """
    if len(reason) > REASON_LIMIT:
        raise InvalidInputError("reason", f"At most {REASON_LIMIT} characters.")
    with transaction.atomic():
        old = _standing(agent)
        if old is None or old.until <= now:
            raise NotPausedError(_not_paused(agent, now=now))
        _lift(old, actor=actor, now=now)
        data = {"until": old.until.isoformat()}
        audit("resume", _subject(agent), actor=actor, reason=reason, data=data, now=now)
    return old


def lift_expired(*, limit: int = SWEEP_LIMIT, now: datetime) -> int:
    """Close pauses whose time is over, at most `limit`; how many that was.

    Nothing waits for it: a pause that is over holds nobody, closed or not.
    """
    with transaction.atomic():
        rows = Pause.objects.expired(now=now).select_for_update(skip_locked=True)
        over = list(rows.order_by("until", "id")[:limit])
        for row in over:
            _close_expired(row, now=now)
    return len(over)


def running_pauses(*, now: datetime) -> QuerySet[Pause]:
    """The pauses that hold at `now`, with their agents, the newest first."""
    return Pause.objects.running(now=now).select_related("agent").order_by("-id")


def is_paused(agent: Agent, *, now: datetime) -> bool:
    """Whether the agent, or everybody, is paused at `now`."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {HOLDS}", {"agent": agent.pk, "now": now})
        paused: bool = cursor.fetchone()[0]
    return paused


def paused_ids(*, now: datetime) -> Paused:
    """Who is paused at `now`, in one query; ask by `agent_id in paused`."""
    held: set[int | None] = set()
    held.update(Pause.objects.running(now=now).order_by().values_list("agent_id", flat=True))
    return Paused(ids=frozenset(pk for pk in held if pk is not None), everybody=None in held)


def spans_for(
    agent_ids: Collection[int], *, since: datetime, now: datetime
) -> dict[int, list[Span]]:
    """The pauses of each of these agents that touch [since, now), everybody's included.

    One query however many agents. Spans may overlap, are not cut, and end when the pause did or
    will; `policy_pauses.overlap` cuts them and counts each instant once.
    """
    rows = Pause.objects.filter(
        Q(agent__in=set(agent_ids)) | Q(agent__isnull=True),
        Q(lifted_at__isnull=True) | Q(lifted_at__gt=since),
        until__gt=since,
        started_at__lt=now,
    )
    own: dict[int | None, list[Span]] = {}
    for row in rows.order_by("started_at", "id"):
        end = end_of(until=row.until, lifted_at=row.lifted_at)
        own.setdefault(row.agent_id, []).append(Span(row.started_at, end))
    everybodys = own.get(None, [])
    return {pk: sorted([*own.get(pk, []), *everybodys]) for pk in agent_ids}


def _standing(agent: Agent | None) -> Pause | None:
    """The pause that isn't closed yet, locked, in one's turn among those that pause or resume."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    rows = Pause.objects.select_for_update().filter(lifted_at__isnull=True)
    return (rows.filter(agent__isnull=True) if agent is None else rows.filter(agent=agent)).first()


def _lift(row: Pause, *, actor: str, now: datetime) -> None:
    # Whoever waited for its turn read the clock before the pause that it now lifts began.
    row.lifted_at, row.lifted_by = max(now, row.started_at), actor[:64]
    row.save(update_fields=["lifted_at", "lifted_by"])


def _close_expired(row: Pause, *, now: datetime) -> None:
    row.lifted_at, row.lifted_by = row.until, SYSTEM
    row.save(update_fields=["lifted_at", "lifted_by"])
    kind, pk = ("fleet", 0) if row.agent_id is None else ("agent", row.agent_id)
    data = {"until": row.until.isoformat()}
    audit("pause_ended", (kind, pk), actor=SYSTEM, data=data, now=now)


def _subject(agent: Agent | None) -> tuple[str, int]:
    return ("fleet", 0) if agent is None else ("agent", agent.pk)


def _not_paused(agent: Agent | None, *, now: datetime) -> str:
    if agent is None:
        return "Not everybody is paused; an agent's own pause is lifted by its name."
    if is_paused(agent, now=now):
        return f"{agent.name} has no pause of its own; everybody is paused."
    return f"{agent.name} is not paused."
