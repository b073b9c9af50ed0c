"""Figures of reviews: which of the commits that were to be reviewed got one, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from agents.services.statements import fetch
from monitoring.queries_rolled import typed
from recovery.states import TriggerSource

MISSED_AFTER = timedelta(minutes=1)
"""A commit that was seen so long ago and has no review counts as missed."""

_FIGURES = """
WITH seen AS (
    SELECT source, seen_at, triggered_at, triggered_at - changed_at AS took
    FROM recovery_reviewhead WHERE seen_at > %(since)s AND seen_at <= %(now)s
)
SELECT count(*),
       count(*) FILTER (WHERE triggered_at IS NULL AND seen_at < %(missed)s),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE source = 'webhook'),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY took) FILTER (WHERE source = 'webhook'),
       count(*) FILTER (WHERE source = 'webhook'),
       count(*) FILTER (WHERE source = 'redelivery'),
       count(*) FILTER (WHERE source = 'reconcile'),
       (SELECT count(*) FROM recovery_repository),
       (SELECT min(proved_at) FROM recovery_repository
        HAVING count(*) = count(proved_at))
FROM seen
"""


@dataclass(frozen=True)
class ReviewFigures:
    """Reviews triggered = head commits with a dispatch ÷ head commits that were to be reviewed."""

    eligible: int
    missed: int
    by_source: Mapping[str, int]
    """How EVOX came to know of those that have one: webhook, redelivery, reconcile."""
    p50: timedelta | None
    p95: timedelta | None
    """From GitHub's time of the change, in whole seconds, to the queued review; webhook only."""
    token: bool
    """Without one nobody is asked, and completeness can't be proved."""
    proved_at: datetime | None
    """Until when every known repository was listed; None when one never was."""
    repositories: int

    @property
    def triggered(self) -> int:
        """Those that got a review."""
        return self.eligible - self.missed

    def completeness(self, *, now: datetime) -> str:
        """What can be said of commits that never reached EVOX, as a sentence."""
        if not self.token:
            return "Webhook only: without GITHUB_TOKEN, completeness can't be proved."
        if not self.repositories:
            return "No repository is known yet."
        if self.proved_at is None:
            return "Completeness is unknown: not every repository could be listed yet."
        if now - self.proved_at > 3 * settings.EVOX_RECONCILE:
            return f"Completeness is unknown since {self.proved_at:%Y-%m-%d %H:%M} UTC."
        return "Complete: every open pull request of every known repository was listed."


def review_figures(*, now: datetime, window: timedelta) -> ReviewFigures:
    """Head commits first seen within the window, in one statement."""
    params: dict[str, Any] = {"since": now - window, "now": now, "missed": now - MISSED_AFTER}
    [(eligible, missed, p50, p95, *counts, repositories, proved_at)] = fetch(
        typed(_FIGURES), params
    )
    return ReviewFigures(
        eligible=eligible,
        missed=missed,
        by_source={
            source.value: count
            for source, count in zip(TriggerSource, counts, strict=True)
            if count
        },
        p50=p50,
        p95=p95,
        token=bool(settings.GITHUB_TOKEN),
        proved_at=proved_at,
        repositories=repositories,
    )
