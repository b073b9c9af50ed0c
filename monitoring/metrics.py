"""The figures as Prometheus reads them, from the same queries as the page and the API.

A registry of its own, made for each scrape: nothing is counted in this process, so it doesn't
matter which of several answers, and nothing grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.queries import latest_beats
from monitoring import health, queries
from monitoring.queries_health import PERIODS, Figures, figures
from monitoring.queries_incidents import Middle

AGENTS_SHOWN = 200
"""More agents than this have no series of their own: each costs the reader memory for ever."""
WINDOW = "24h"
PROMISES_OVER = "30d"


class Figured(Collector):
    """What there is to tell at one instant."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """All families; agents' and types' by label, each of a bounded number."""
        day = figures(now=self._now, window=PERIODS[WINDOW])
        yield from _team(day, self._now)
        yield from _work(day)
        yield from _incidents(day)
        yield from _promises(figures(now=self._now, window=PERIODS[PROMISES_OVER]))
        yield from _system(self._now)


def registry(*, now: datetime) -> CollectorRegistry:
    """A registry that tells the figures at `now`, and nothing of this process."""
    # Without auto_describe: with it, registering asks for the figures once more.
    found = CollectorRegistry(auto_describe=False)
    found.register(Figured(now))
    return found


def _team(found: Figures, now: datetime) -> Iterator[Metric]:
    shown = found.team[:AGENTS_SHOWN]
    yield _gauge("evox_agents", "Agents that are not retired.", len(found.team))
    online = {agent.pk for agent in found.team if agent.is_online(now=now)}
    yield _gauge("evox_agents_online", "Agents whose last sign of life still counts.", len(online))
    yield _gauge(
        "evox_agents_working",
        "Agents that hold work and are online.",
        len(online & queries.work_in_hand().keys()),
    )
    seconds = _family(
        "evox_agent_seconds", "Seconds of the last 24 hours by what they were.", "agent", "kind"
    )
    productive = _family(
        "evox_agent_productive_seconds",
        "Seconds up of the last 24 hours with work that did not stand still.",
        "agent",
    )
    for agent in shown:
        own = found.uptime[agent.pk]
        kinds = (own.up, own.down, own.excluded, own.unknown)
        for kind, count in zip(("up", "down", "excluded", "unknown"), kinds, strict=True):
            seconds.add_metric([agent.name, kind], count)
        productive.add_metric([agent.name], own.productive)
    yield seconds
    yield productive
    team = found.team_uptime
    if team.uptime is not None:
        share = team.up / team.known
        yield _gauge("evox_availability_ratio", "Seconds up ÷ seconds up or down, 24 h.", share)


def _work(found: Figures) -> Iterator[Metric]:
    finished = _family(
        "evox_attempts_finished", "Attempts of the last 24 hours with a verdict.", "agent"
    )
    failed = _family("evox_attempts_failed", "Those of them that failed.", "agent")
    for agent in found.team[:AGENTS_SHOWN]:
        if agent.pk in found.work:
            finished.add_metric([agent.name], found.work[agent.pk].finished)
            failed.add_metric([agent.name], found.work[agent.pk].failed)
    yield finished
    yield failed
    yield _by(
        "evox_attempts_failed_by_type",
        "Failed attempts of the last 24 hours by the type of their failure.",
        "type",
        {kind.value: count for kind, count in found.all_work.failed_by_type.items()},
    )
    retries = found.retries
    counts = {
        "completed": retries.completed,
        "failed": retries.ended - retries.completed,
        "under_way": retries.under_way,
    }
    text = "Dispatches that failed first in the last 24 hours and were retried."
    yield _by("evox_retries", text, "state", counts)
    states = queries.waiting_counts()
    yield _by("evox_dispatches_waiting", "Dispatches that wait, by status.", "status", states)


def _incidents(found: Figures) -> Iterator[Metric]:
    standing = {k: n for k, n in queries.open_incidents().items() if k != "open"}
    yield _by("evox_incidents_open", "Incidents that are not resolved.", "severity", standing)
    course = found.course
    counts = {"opened": course.opened, "resolved": course.resolved, "self_healed": course.healed}
    yield _by("evox_incidents", "Incidents of the last 24 hours.", "event", counts)
    yield _quantiles("evox_time_to_acknowledge_seconds", course.to_acknowledge)
    yield _quantiles("evox_time_to_resolve_seconds", course.to_resolve)


def _promises(found: Figures) -> Iterator[Metric]:
    values = {t.key: t.value for t in found.targets if t.value is not None}
    yield _by("evox_promise", "Each promise's value over 30 days.", "promise", values)
    yield _by(
        "evox_promise_target",
        "What each promise's value is held against.",
        "promise",
        {target.key: target.target for target in found.targets},
    )
    met = {target.key: float(target.met) for target in found.targets if target.met is not None}
    yield _by("evox_promise_met", "Whether the promise is kept.", "promise", met)


def _system(now: datetime) -> Iterator[Metric]:
    ready, watching = health.readiness(now=now), health.watching(now=now)
    parts = {"database": ready.database, "broker": ready.broker, "sweeps": ready.sweeps}
    yield _by("evox_part_up", "Whether a part of EVOX works.", "part", parts)
    ages = {name: (now - at).total_seconds() for name, at in latest_beats().items()}
    yield _by("evox_beat_age_seconds", "How long ago a part did its round.", "part", ages)
    text = "Levels told over five minutes late, or not, in 30 days."
    yield _gauge("evox_escalations_missed", text, watching.missed_30d)
    yield _gauge("evox_messages_waiting", "Messages on their way to sinks.", watching.waiting)
    text = "Messages that could not be delivered in 30 days."
    yield _gauge("evox_messages_dead", text, watching.dead_30d)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=labels)


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = _family(name, text, label)
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _quantiles(name: str, middle: Middle) -> Metric:
    values: Iterable[tuple[str, float | None]] = (
        ("0.5", None if middle.median is None else middle.median.total_seconds()),
        ("0.9", None if middle.p90 is None else middle.p90.total_seconds()),
    )
    known = {quantile: value for quantile, value in values if value is not None}
    return _by(name, "By incidents of the last 24 hours.", "quantile", known)
