"""Figures of rollbacks: how fast a breaking commit is gone, and which builds can't be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agents.services.statements import fetch
from monitoring.queries_rolled import typed

TARGET = timedelta(seconds=120)
FLAKY_SHOWN = 10

_TIMES = """
SELECT count(*) FILTER (WHERE NOT late),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY received_at - committed_at)
           FILTER (WHERE NOT late AND committed_at <= received_at),
       count(*) FILTER (WHERE late)
FROM recovery_rollback
WHERE kind = 'rolled_back' AND received_at > %(since)s AND received_at <= %(now)s
"""
_FLAKY = """
SELECT command, count(*) FROM recovery_rollback
WHERE kind = 'build_flaky' AND received_at > %(since)s AND received_at <= %(now)s
GROUP BY command ORDER BY count(*) DESC, command LIMIT %(rows)s
"""


@dataclass(frozen=True)
class RollbackFigures:
    """What became of breaking commits in a window."""

    rolled_back: int
    """Reports that came at once; `late` ones are not in it."""
    p95: timedelta | None
    """From the commit, by its machine's clock, to the received incident; late ones left out."""
    late: int
    """Reports that waited in a hook's spool, since EVOX could not be reached."""
    flaky: Sequence[tuple[str, int]]
    """Build commands that failed and passed on one revision, with how often."""


def rollback_figures(*, now: datetime, window: timedelta) -> RollbackFigures:
    """Breaking commits rolled back within the window, in two statements."""
    params: dict[str, Any] = {"since": now - window, "now": now, "rows": FLAKY_SHOWN}
    [(rolled_back, p95, late)] = fetch(typed(_TIMES), params)
    flaky = [(command, count) for command, count in fetch(typed(_FLAKY, rows="int"), params)]
    return RollbackFigures(rolled_back=rolled_back, p95=p95, late=late, flaky=flaky)
