"""How much of what happens, and when: all drawn from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

KINDS_OF_EVENT = (
    "kill_agent",
    "stop_agent",
    "kill_web",
    "kill_web_process",
    "kill_worker",
    "kill_beat",
    "flush_redis",
    "hang_redis",
    "hold_redis_down",
    "restart_postgres",
    "crash_postgres",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run. Durations are seconds."""

    seed: int = 20
    agents: int = 10
    dispatches: int = 460
    hopeless: int = 5
    """Dispatches that fail at every try."""
    poison: int = 4
    """Dispatches that kill each agent that takes them."""
    window: float = 240
    """How long things are broken."""
    work: float = 1.6
    """What an attempt takes on average; some take eight seconds."""
    lease: int = 8
    backoff: str = "2,4,6"
    sweep: int = 10
    kill_agent: int = 70
    stop_agent: int = 12
    kill_web: int = 5
    kill_web_process: int = 8
    kill_worker: int = 5
    kill_beat: int = 2
    flush_redis: int = 4
    hang_redis: int = 1
    hold_redis_down: int = 2
    restart_postgres: int = 2
    crash_postgres: int = 2
    redis_away: float = 12
    probes: int = 66
    """Agents of the phase in which beat alone sweeps; each is killed holding a lease."""
    drain: float = 150
    limit: int = 600
    """The whole run, with start and end."""
    least_held_kills: int = 50
    least_stale: int = 10

    def environment(self) -> dict[str, str]:
        """What differs from the defaults of a real system."""
        return {
            # No lead is at work here, who would take the diagnoses of what fails again and again.
            "EVOX_PATTERN_THRESHOLD": "1000",
            "EVOX_LEASE_SECONDS": str(self.lease),
            "EVOX_RETRY_BACKOFF": self.backoff,
            "EVOX_SWEEP_SECONDS": str(self.sweep),
        }

    def events(self) -> list[tuple[float, str]]:
        """(seconds since the start, what), in order; spread over the window, none at its ends."""
        draw = random.Random(f"events {self.seed}")
        found = []
        for kind in KINDS_OF_EVENT:
            count = getattr(self, kind)
            step = (self.window - 8) / max(count, 1)
            found += [(4 + (i + draw.random()) * step, kind) for i in range(count)]
        return sorted(found)

    def kind_of(self, n: int) -> str:
        """What dispatch `n` is like."""
        for kind, count in (("hopeless", self.hopeless), ("poison", self.poison)):
            step = self.dispatches // max(count, 1)
            if n < count * step and n % step == {"hopeless": 3, "poison": 7}[kind]:
                return kind
        return "normal"


FULL = Plan()
SMALL = replace(
    FULL,
    agents=6,
    dispatches=44,
    hopeless=1,
    poison=1,
    window=24,
    work=0.8,
    lease=3,
    backoff="1,2,3",
    sweep=3,
    kill_agent=12,
    stop_agent=4,
    kill_web=1,
    kill_web_process=1,
    kill_worker=1,
    kill_beat=0,
    flush_redis=1,
    hang_redis=0,
    hold_redis_down=1,
    restart_postgres=1,
    crash_postgres=0,
    redis_away=4,
    probes=8,
    drain=300,
    limit=600,
    least_held_kills=8,
    least_stale=1,
)
