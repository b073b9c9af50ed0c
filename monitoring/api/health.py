"""The page's figures over REST, from the same queries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.api.fields import StrictSerializer
from agents.api.views import validated
from agents.clock import db_now
from learnings.services import switch
from monitoring import health, policy_uptime, queries
from monitoring.definitions import DEFINITIONS
from monitoring.policy_uptime import FULL, Seconds
from monitoring.queries_health import DEFAULT_PERIOD, PERIODS, Figures, figures
from monitoring.queries_incidents import Middle
from monitoring.queries_reviews import review_figures
from monitoring.queries_rollbacks import rollback_figures
from monitoring.queries_work import Work
from monitoring.targets import RETRY_SUCCESS, REVIEWS, ROLLBACK_SECONDS, Target

MONTH = timedelta(days=30)


class HealthQuery(StrictSerializer):
    """Over which period."""

    period = serializers.ChoiceField(choices=list(PERIODS), default=DEFAULT_PERIOD)


def share(part: int, whole: int) -> dict[str, Any]:
    """A share with its counts; no share without a denominator, rather than 0 or 100."""
    return {"value": round(part / whole, 4) if whole else None, "part": part, "whole": whole}


def seconds_of(span: timedelta | None) -> float | None:
    """A duration on the wire."""
    return span.total_seconds() if span is not None else None


def health_figures(*, period: str = DEFAULT_PERIOD, now: datetime) -> dict[str, Any]:
    """What the page shows at `now`, over `period`; reviews and rollbacks always over 30 days."""
    found = figures(now=now, window=PERIODS[period])
    online = {agent.pk for agent in found.team if agent.is_online(now=now)}
    return {
        "window": period,
        "agents": {
            "total": len(found.team),
            "online": len(online),
            "working": len(online & queries.work_in_hand().keys()),
        },
        "dispatchesDone": found.all_work.succeeded,
        "errorRate": _error_rate(found),
        "incidents": queries.open_incidents(),
        "incidentCourse": _course(found),
        "ceoInterventions": {
            "messages": found.interventions.messages,
            "acts": found.interventions.acts,
            "aDay": round(found.interventions.a_day, 4),
        },
        "retrySuccess": {
            **share(found.retries.completed, found.retries.ended),
            "underWay": found.retries.under_way,
        },
        "sameMistake": {
            "most": found.same_mistake.most,
            "learnings": found.same_mistake.learnings,
        },
        "rollbacks": _rollbacks(now=now),
        "reviews": _reviews(now=now),
        "injection": _injection(),
        "targets": {
            "retrySuccess": RETRY_SUCCESS,
            "rollbackSeconds": ROLLBACK_SECONDS,
            "reviewsTriggered": REVIEWS,
        },
        "promises": [_promise(target) for target in found.targets],
        "uptime": _uptimes(found),
        "system": _system(now=now),
        "definitions": {key: one.text for key, one in DEFINITIONS.items()},
    }


def _error_rate(found: Figures) -> dict[str, Any]:
    work = found.all_work
    nothing = Work()
    return {
        **share(work.failed, work.finished),
        "byType": {kind.value: count for kind, count in work.failed_by_type.items()},
        "byAgent": [
            {"agentName": agent.name, **share(own.failed, own.finished)}
            for agent in found.team
            for own in [found.work.get(agent.pk, nothing)]
        ],
    }


def _course(found: Figures) -> dict[str, Any]:
    course = found.course
    return {
        "opened": course.opened,
        "resolved": course.resolved,
        "selfHealed": share(course.healed, course.resolved),
        "toAcknowledge": _middle(course.to_acknowledge),
        "toResolve": _middle(course.to_resolve),
        "escalated": course.escalated,
        "escalationP95Seconds": seconds_of(course.escalation_p95),
    }


def _middle(middle: Middle) -> dict[str, Any]:
    return {
        "count": middle.count,
        "medianSeconds": seconds_of(middle.median),
        "p90Seconds": seconds_of(middle.p90),
    }


def _uptimes(found: Figures) -> dict[str, Any]:
    agents = [
        {
            "agentName": agent.name,
            "neverConnected": agent.last_seen_at is None,
            **_uptime(found.uptime[agent.pk]),
        }
        for agent in found.team
    ]
    return {**_uptime(found.team_uptime), "agents": agents}


def _uptime(seconds: Seconds) -> dict[str, Any]:
    return {
        "value": None if seconds.uptime is None else seconds.uptime / FULL,
        "percent": policy_uptime.percent(seconds.uptime),
        "coverage": None if seconds.coverage is None else seconds.coverage / FULL,
        "upSeconds": seconds.up,
        "downSeconds": seconds.down,
        "excludedSeconds": seconds.excluded,
        "unknownSeconds": seconds.unknown,
        "productiveSeconds": seconds.productive,
    }


def _promise(target: Target) -> dict[str, Any]:
    value = None if target.value is None else round(target.value, 4)
    return {
        "key": target.key,
        "value": value,
        "bound": target.bound.value,
        "target": target.target,
        "unit": target.unit,
        "part": target.part,
        "count": target.count,
        "met": target.met,
    }


def _rollbacks(*, now: datetime) -> dict[str, Any]:
    found = rollback_figures(now=now, window=MONTH)
    return {
        "window": "30d",
        "rolledBack": found.rolled_back,
        "p95Seconds": seconds_of(found.p95),
        "late": found.late,
        "flaky": [{"command": command, "count": n} for command, n in found.flaky],
    }


def _reviews(*, now: datetime) -> dict[str, Any]:
    """Reviews triggered of head commits that were to be reviewed, and whether that is proved."""
    found = review_figures(now=now, window=MONTH)
    return {
        "window": "30d",
        **share(found.triggered, found.eligible),
        "bySource": found.by_source,
        "p50Seconds": seconds_of(found.p50),
        "p95Seconds": seconds_of(found.p95),
        "completeness": found.completeness(now=now),
        "provedAt": found.proved_at,
    }


def _system(*, now: datetime) -> dict[str, Any]:
    ready, watching = health.readiness(now=now), health.watching(now=now)
    return {
        "database": ready.database,
        "broker": ready.broker,
        "sweeps": ready.sweeps,
        "sweptAt": ready.swept_at,
        "auditedAt": watching.audited_at,
        "missedEscalations30d": watching.missed_30d,
        "messagesWaiting": watching.waiting,
        "messagesDead30d": watching.dead_30d,
    }


def _injection() -> dict[str, Any]:
    """Whether agents are told what was learned, and if not, since when, by whom and why."""
    state = switch.state()
    if state is None or state.on:
        return {"on": True}
    return {"on": False, "since": state.at, "by": state.by, "reason": state.reason}


class HealthView(APIView):
    """Is anything wrong?"""

    @extend_schema(operation_id="health", parameters=[HealthQuery], responses={200: dict})
    def get(self, request: Request) -> Response:
        """The page's figures over a period, with what each number means."""
        wanted = validated(HealthQuery, request.query_params)
        return Response(health_figures(period=wanted["period"], now=db_now()))
