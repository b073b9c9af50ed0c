"""How fast failures are taken in, beside a naive view that only inserts.

    python -m benchmarks.ingest [--rounds 5] [--seconds 3]

The service's bulks of 1,000, bulks over HTTP, and single reports over HTTP with keys on, in rounds
that take turns with a Django REST framework view that checks a body and writes one row, without
key, masking, fingerprint or group (benchmarks/ingest_peer.py), under the same server, with the
same middleware. Prints medians.

Beside each rate stands what comes of a second that the web's Python and PostgreSQL computed, both
on one core: other programs of the machine change that less than the time it took, so ratios are of
these. Exits with 1 when a goal is missed: 5,000 failures a second of distinct texts and 20,000 of
repeated ones through the service, and 1.5 single reports, of new texts or of known ones, for one of
the naive view.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from benchmarks.escalation.ground import ROOT, heading, servers, use
from benchmarks.ingest_calls import AGENTS, BULK, Caller, bodies, encoded, naive, pressed
from benchmarks.processor import computed, postmaster, spent_below
from benchmarks.webhook import free_port, wait_for

CONNECTIONS = 4
DISTINCT_GOAL, REPEATED_GOAL, SINGLE_GOAL = 5_000, 20_000, 1.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    asked = parser.parse_args()
    with servers() as environment, ExitStack() as stack:
        environment |= {"EVOX_REQUIRE_KEY": "true"}
        use(environment)
        keys = prepare()
        own = stack.enter_context(served(environment, "evox.wsgi:application"))
        peer = stack.enter_context(served(environment, "benchmarks.ingest_peer:application"))
        for name, value in heading(0):
            print(f"{name}: {value}")
        kept = service(asked.rounds)
        kept |= over_http(own, peer, keys, asked.rounds, asked.seconds)
        return verdict(kept)


def prepare() -> list[str]:
    from django.db import connection

    from agents.clock import db_now
    from agents.services.agents import create_key, register_agent

    agents = [register_agent(f"A{n}", now=db_now()) for n in range(AGENTS)]
    keys = [create_key(agent) for agent in agents]
    with connection.cursor() as cursor:
        cursor.execute(naive_table())
    return [*keys, create_key(None)]


def naive_table() -> str:
    source = (ROOT / "benchmarks" / "ingest_peer.py").read_text()
    return source.split('TABLE = """')[1].split('"""')[0]


@contextmanager
def served(environment: Mapping[str, str], application: str):
    port = free_port()
    web = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port)),
            *("--workers", "1", "--blocking-threads", "8", application),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield port, web.pid
    finally:
        web.terminate()
        web.wait(20)


def service(rounds: int) -> dict[str, float]:
    """Bulks through the service: the rate that was seen, and what it computed."""
    from agents.clock import db_now
    from agents.models import Agent
    from failures.services.log import NewFailure, log_bulk
    from failures.states import ErrorType

    agents = {agent.name: agent for agent in Agent.objects.all()}
    chance, seen = random.Random(7), {True: [], False: []}
    for turn in range(rounds + 1):
        for distinct, found in seen.items():
            reports = [
                NewFailure(
                    agent=agents[str(body["agentName"])],
                    error_type=ErrorType.BUILD,
                    message=str(body["errorMessage"]),
                    context=body["context"],
                )
                for _ in range(5)
                for body in bodies(chance, distinct=distinct)
            ]
            before, began = computed(), time.perf_counter()
            for start in range(0, len(reports), BULK):
                log_bulk(reports[start : start + BULK], now=db_now())
            took, work = time.perf_counter() - began, computed() - before
            if turn:  # The first one warms up.
                found.append((len(reports) / took, len(reports) / work))
    rates = {}
    for distinct, found in seen.items():
        rate, idle = (statistics.median(one) for one in zip(*found, strict=True))
        kind = "distinct" if distinct else "repeated"
        print(f"service, bulks of {BULK:,}, {kind} texts: {rate:8,.0f}/s; computed {idle:8,.0f}/s")
        rates[f"service {kind}"] = max(rate, idle)
    return rates


Work = tuple[int, Callable[[int], tuple[Caller, list[bytes]]]]


def calls_of(own: int, peer: int, keys: Sequence[str]) -> dict[str, Work]:
    """What is measured: a call's failures, and what each connection sends."""
    chance = random.Random(11)
    distinct, repeated = (
        [bodies(chance, distinct=kind) for _ in range(4)] for kind in (True, False)
    )

    def singles(n: int) -> list[dict[str, object]]:
        """So many that none comes twice in a round, of one agent's."""
        found = [body for _ in range(3) for body in bodies(chance, distinct=True)]
        return [{**body, "agentName": f"A{n}"} for body in found]

    def to_evox(key: str, said) -> tuple[Caller, list[bytes]]:
        return Caller(own, "/api/v1/failures", key), encoded(said)

    seen = [singles(n)[:100] for n in range(CONNECTIONS)]
    operator = keys[-1]
    return {
        "naive view, one": (
            1,
            lambda n: (Caller(peer, "/one"), encoded(map(naive, singles(n)))),
        ),
        "EVOX, one, new texts": (1, lambda n: to_evox(keys[n], singles(n))),
        "EVOX, one, known texts": (1, lambda n: to_evox(keys[n], seen[n])),
        "naive view, bulks": (
            BULK,
            lambda n: (Caller(peer, "/many"), encoded([[naive(b) for b in distinct[n]]])),
        ),
        "EVOX, bulks, distinct": (BULK, lambda n: to_evox(operator, [distinct[n]])),
        "EVOX, bulks, repeated": (BULK, lambda n: to_evox(operator, [repeated[n]])),
    }


def over_http(
    own: tuple[int, int], peer: tuple[int, int], keys: Sequence[str], rounds: int, seconds: float
) -> dict[str, float]:
    works = calls_of(own[0], peer[0], keys)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    database = postmaster()
    for turn in range(rounds + 1):
        for name, (size, make) in works.items():
            callers, web = [make(n) for n in range(CONNECTIONS)], (own, peer)["naive" in name][1]
            before = spent_below(web) + spent_below(database)
            calls, took = pressed(callers, seconds)
            work = spent_below(web) + spent_below(database) - before
            if turn:  # The first one warms up.
                rates[name].append((size * calls / took, size * calls / max(work, 0.01)))
    middles = {}
    for name, found in rates.items():
        rate, idle = (statistics.median(one) for one in zip(*found, strict=True))
        print(f"HTTP: {name:24} {rate:8,.0f} failures/s; computed {idle:8,.0f}/s")
        middles[name] = idle
    return middles


def verdict(rates: Mapping[str, float]) -> int:
    new, known = (
        rates[f"EVOX, one, {kind} texts"] / rates["naive view, one"] for kind in ("new", "known")
    )
    bulk = rates["EVOX, bulks, distinct"] / rates["naive view, bulks"]
    print(f"one by one, of the naive view: {new:.2f} × new texts, {known:.2f} × known ones")
    print(f"in bulks of distinct texts: {bulk:.2f} ×")
    missed = [
        what
        for what, found, goal in (
            ("new texts one by one", new, SINGLE_GOAL),
            ("known texts one by one", known, SINGLE_GOAL),
            ("distinct", rates["service distinct"], DISTINCT_GOAL),
            ("repeated", rates["service repeated"], REPEATED_GOAL),
        )
        if found < goal
    ]
    print(f"missed: {', '.join(missed)}" if missed else "All goals are reached.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
