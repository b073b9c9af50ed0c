"""The page's figures over REST, from the same queries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.clock import db_now
from monitoring import health, queries
from monitoring.queries_reviews import review_figures
from monitoring.queries_rollbacks import TARGET, rollback_figures

MONTH = timedelta(days=30)


def _share(part: int, whole: int) -> dict[str, Any]:
    """A share with its counts; no share without a denominator, rather than 0 or 100."""
    return {"value": round(part / whole, 4) if whole else None, "part": part, "whole": whole}


def _reviews(*, now: datetime) -> dict[str, Any]:
    """Reviews triggered of head commits that were to be reviewed, and whether that is proved."""
    figures = review_figures(now=now, window=MONTH)
    return {
        "window": "30d",
        **_share(figures.eligible - figures.missed, figures.eligible),
        "bySource": figures.by_source,
        "p50Seconds": seconds_of(figures.p50),
        "p95Seconds": seconds_of(figures.p95),
        "completeness": figures.completeness(now=now),
        "provedAt": figures.proved_at,
    }


def seconds_of(span: timedelta | None) -> float | None:
    """A duration on the wire."""
    return span.total_seconds() if span is not None else None


def health_figures(*, now: datetime) -> dict[str, Any]:
    """What the page shows at `now`, over the last 24 hours."""
    attempts = queries.attempt_figures(now=now, window=queries.DAY)
    retries = queries.retry_success(now=now, window=queries.DAY)
    ready = health.readiness(now=now)
    watching = health.watching(now=now)
    rollbacks = rollback_figures(now=now, window=MONTH)
    team = list(queries.agents())
    return {
        "window": "24h",
        "agents": {
            "total": len(team),
            "online": sum(agent.is_online(now=now) for agent in team),
            "working": len(queries.work_in_hand()),
        },
        "dispatchesDone": attempts.dispatches_done,
        "errorRate": _share(attempts.failed, attempts.finished),
        "incidents": queries.open_incidents(),
        "retrySuccess": {
            **_share(retries.completed, retries.ended),
            "underWay": retries.under_way,
        },
        "rollbacks": {
            "window": "30d",
            "rolledBack": rollbacks.rolled_back,
            "p95Seconds": seconds_of(rollbacks.p95),
            "late": rollbacks.late,
            "flaky": [{"command": command, "count": n} for command, n in rollbacks.flaky],
        },
        "reviews": _reviews(now=now),
        "targets": {
            "retrySuccess": 0.8,
            "rollbackSeconds": TARGET.total_seconds(),
            "reviewsTriggered": 1.0,
        },
        "uptime": None,
        "system": {
            "database": ready.database,
            "broker": ready.broker,
            "sweeps": ready.sweeps,
            "sweptAt": ready.swept_at,
            "auditedAt": watching.audited_at,
            "missedEscalations30d": watching.missed_30d,
            "messagesWaiting": watching.waiting,
            "messagesDead30d": watching.dead_30d,
        },
    }


class HealthView(APIView):
    """Is anything wrong?"""

    @extend_schema(operation_id="health", responses={200: dict})
    def get(self, request: Request) -> Response:
        """The page's figures; `uptime` is null until it is measured."""
        return Response(health_figures(now=db_now()))
