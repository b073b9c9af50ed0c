"""The page's figures. Each docstring is the definition; all take `now` and read no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Prefetch, QuerySet

from agents.models import Agent, Attempt, Dispatch, Pause
from agents.queries import active_agents
from agents.services.pauses import running_pauses
from agents.services.statements import columns, fetch, instance
from agents.states import DispatchStatus
from failures.models import Failure, FailureGroup, Incident
from failures.queries import ROOT_OF_FAILURE
from failures.states import GroupStatus, IncidentStatus
from monitoring.queries_work import Work, work_by_agent
from monitoring.queries_work import retry_success as _retry_success

DAY = timedelta(hours=24)
WEEK = timedelta(days=7)
REPEATS = 3
RECENT_SHOWN = 16
GROUPS_SHOWN = 10

retry_success = _retry_success

_WAITING = """
SELECT status, count(*) FROM agents_dispatch WHERE status IN ('pending', 'retrying')
GROUP BY status
"""
_IN_HAND = """
SELECT agent_id, id, title, lease_expires_at FROM agents_dispatch
WHERE status = 'running' AND agent_id IS NOT NULL ORDER BY id DESC
"""
_BEAT = "SELECT at FROM agents_systembeat WHERE name = %(name)s"
_UNDER_WAY = (DispatchStatus.RUNNING, DispatchStatus.RETRYING, DispatchStatus.BLOCKED)


@dataclass(frozen=True)
class AttemptFigures:
    """What became of the attempts that ended in a window."""

    failed: int
    finished: int
    dispatches_done: int


@dataclass(frozen=True)
class Repeat:
    """A group of like failures that came back."""

    group_id: int
    title: str
    error_type: str
    count: int
    agents: Sequence[str]
    last_at: datetime


def attempt_figures(*, now: datetime, window: timedelta) -> AttemptFigures:
    """Failed attempts, finished attempts, and dispatches done, by when their attempt ended.

    Error rate = failed ÷ finished, where finished is succeeded or failed; see `queries_work`.
    A dispatch is done when an attempt of it succeeded, which completes it for good.
    """
    work = sum(work_by_agent(now=now, window=window).values(), Work())
    return AttemptFigures(work.failed, work.finished, dispatches_done=work.succeeded)


def agents() -> QuerySet[Agent]:
    """Everybody who is not retired, by name."""
    return active_agents().order_by("name")


def pauses(*, now: datetime) -> dict[int | None, Pause]:
    """The pauses that hold, by the agent's id; everybody's is under None."""
    return {pause.agent_id: pause for pause in running_pauses(now=now)}


class Held(NamedTuple):
    """A dispatch that an agent holds a lease of."""

    pk: int
    title: str
    lease_expires_at: datetime


def team() -> list[Agent]:
    """The same as `agents`, of which there are many, without what the ORM takes to make them."""
    sql = f"""SELECT {columns(Agent, of="a")} FROM agents_agent a
        WHERE a.retired_at IS NULL ORDER BY a.name"""  # noqa: S608 - columns of ours
    return [instance(Agent, row) for row in fetch(sql, {})]


def work_in_hand() -> dict[int, list[Held]]:
    """What each agent holds a lease of, by the agent's id; the newest first."""
    held: dict[int, list[Held]] = {}
    for agent_id, *row in fetch(_IN_HAND, {}):
        held.setdefault(agent_id, []).append(Held(*row))
    return held


def waiting_counts() -> dict[str, int]:
    """How many dispatches wait to be claimed, and how many wait for their retry."""
    return dict(fetch(_WAITING, {}))


def recent_dispatches() -> list[Dispatch]:
    """What is under way and what was made last, the last touched first, with their attempts."""
    under_way = Dispatch.objects.filter(status__in=[s.value for s in _UNDER_WAY])
    ids = {*under_way.order_by("-id").values_list("id", flat=True)[: RECENT_SHOWN // 2]}
    newest = Dispatch.objects.order_by("-id").values_list("id", flat=True)[:RECENT_SHOWN]
    for pk in newest:
        if len(ids) >= RECENT_SHOWN:
            break
        ids.add(pk)
    failed = Failure.objects.select_related("group").defer("message", "context").order_by("id")
    tries = Attempt.objects.select_related("agent").order_by("lease_epoch")
    tries = tries.prefetch_related(Prefetch("failures", queryset=failed))
    rows = Dispatch.objects.filter(id__in=ids).select_related("agent")
    return list(
        rows.prefetch_related(Prefetch("attempts", queryset=tries)).order_by("-updated_at", "-id")
    )


def repeats(*, now: datetime, window: timedelta = WEEK) -> list[Repeat]:
    """Mistakes seen three times or more in the window, the most frequent first, by their roots."""
    # Django's stubs don't know the columns that `values` and `annotate` make.
    seen: Any = Failure.objects.filter(created_at__gt=now - window, created_at__lte=now).order_by()
    by_root = seen.values(root=ROOT_OF_FAILURE).annotate(
        n=Count("id"), last=Max("created_at"), names=ArrayAgg("agent__name", distinct=True)
    )
    ignored = FailureGroup.objects.filter(status=GroupStatus.IGNORED.value).order_by()
    often = by_root.exclude(root__in=ignored.values("pk")).filter(n__gte=REPEATS)
    rows = list(often.order_by("-n", "-last")[:GROUPS_SHOWN])
    roots = FailureGroup.objects.in_bulk([row["root"] for row in rows])
    return [_repeat(roots[row["root"]], row) for row in rows]


def _repeat(root: FailureGroup, row: dict[str, Any]) -> Repeat:
    return Repeat(
        group_id=root.pk,
        title=root.title,
        error_type=root.error_type,
        count=row["n"],
        agents=row["names"],
        last_at=row["last"],
    )


def beat_of(name: str) -> datetime | None:
    """When the part of EVOX called `name` last did its round."""
    rows = fetch(_BEAT, {"name": name})
    return rows[0][0] if rows else None


def open_incidents() -> dict[str, int]:
    """How many incidents are open or acknowledged, by severity."""
    standing = Incident.objects.exclude(status=IncidentStatus.RESOLVED.value)
    counts = standing.values_list("severity").annotate(n=Count("id")).order_by("severity")
    by_severity = dict(counts)
    return {"open": sum(by_severity.values()), **by_severity}
