"""How long a briefing takes at 1,000 learnings, and a look for similar failures at many groups.

    python -m benchmarks.briefing [--learnings 1000] [--groups 100000] [--rounds 60]

In a fresh database: learnings with scopes of globs and agents, groups whose templates share words,
an agent with 500 failures. Briefings are read for work that names files, command, ticket and past
failures; questions are asked with words that half of all groups have, and with rare ones; failures
are logged with and without the index of words on their groups. Prints medians, 95th percentiles
and the number of statements, and exits with 1 when a briefing's median is 100 ms or longer.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.escalation.ground import analyse, heading, servers, use

GOAL_MS = 100.0
SEED = 8
TOOLS = ("tsc", "eslint", "pytest", "mypy", "cargo", "docker", "webpack", "terraform")
PARTS = ("web", "api", "db", "checkout", "search", "mail", "admin", "worker")
WORDS = (
    "module type value import export path cache token index column schema socket gateway timeout"
    " argument parser version package build image layer volume cluster replica queue broker lease"
    " branch merge commit patch header cookie session route handler template render widget"
)

_GROUPS = """
INSERT INTO failures_failuregroup (fingerprint, family, error_type, classified_type, template,
    tool_code, error_class, count, status, resolution, resolved_by, guidance, first_seen_at,
    last_seen_at)
SELECT 'v1:bench' || n, '', 'build', '',
       CASE WHEN n %% 2 = 0 THEN 'gateway ' ELSE '' END
       || (%(words)s::text[])[1 + n %% %(many)s] || ' '
       || (%(words)s::text[])[1 + (n / 7) %% %(many)s] || ' is not a word' || n,
       '', '', 3, 'open', '', '', '', %(now)s - interval '9 days',
       %(now)s - n * interval '1 second'
FROM generate_series(1, %(count)s) AS n
"""


def main(options: argparse.Namespace) -> int:
    with servers() as environment:
        use(environment)
        from agents.clock import db_now
        from agents.services.agents import seed_team

        now = db_now()
        seed_team(now=now)
        facts = heading(SEED)
        draw = random.Random(SEED)
        fill_learnings(options.learnings, draw, now)
        fill_groups(options.groups, now)
        work = fill_work(draw, now)
        analyse()
        for name, said in facts:
            print(f"{name}: {said}")
        print(f"{options.learnings:,} learnings, {options.groups:,} groups\n")
        median = briefings(work, options.rounds, now)
        questions(options.rounds, now)
        logging(options.rounds * 5, now)
    return int(median >= GOAL_MS)


def fill_learnings(count: int, draw: random.Random, now: Any) -> None:
    from datetime import timedelta

    from learnings.models import Learning

    words = WORDS.split()
    Learning.objects.bulk_create(
        Learning(
            slug=f"bench-{number}",
            title=" ".join(draw.sample(words, 6)),
            problem=" ".join(draw.choices(words, k=40)),
            rule=" ".join(draw.choices(words, k=25)),
            solution=" ".join(draw.choices(words, k=80)),
            category="build",
            origin="person",
            status="active",
            scope=scope(draw),
            proposed_by="max",
            approved_by="eve",
            created_at=now,
            published_at=now - timedelta(minutes=number),
            review_at=now + timedelta(days=90),
        )
        for number in range(count)
    )


def scope(draw: random.Random) -> dict[str, list[str]]:
    paths = [f"{draw.choice(PARTS)}/**/*.{draw.choice(('ts', 'py', 'rs'))}" for _ in range(3)]
    return {
        "paths": paths if draw.random() < 0.5 else [],
        "tools": [draw.choice(TOOLS)] if draw.random() < 0.5 else [],
        "types": [draw.choice(("build", "test", "api"))],
        "agents": ["SAM", "LEO"] if draw.random() < 0.1 else [],
    }


def fill_groups(count: int, now: Any) -> None:
    from django.db import connection

    words = WORDS.split()
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS, {"words": words, "many": len(words), "count": count, "now": now})


def fill_work(draw: random.Random, now: Any) -> Any:
    """Work with files, a ticket and failures, and an agent that failed 500 times."""
    from agents.models import Agent
    from agents.services.dispatches import NewDispatch, create_dispatch
    from failures.services.log import NewFailure, log_failures
    from failures.states import ErrorType

    sam = Agent.objects.get(name="SAM")
    words = WORDS.split()
    log_failures(
        [
            NewFailure(
                agent=sam,
                error_type=ErrorType.BUILD,
                message=f"{' '.join(draw.sample(words, 5))} is wrong",
                ticket_id=f"T-{number % 25}",
            )
            for number in range(500)
        ],
        now=now,
    )
    new = NewDispatch(
        title="Upgrade the gateway's parser",
        command="npx tsc && eslint web/checkout api/handler.ts",
        ticket_id="T-7",
        payload={"files": [f"web/{part}/page.ts" for part in PARTS]},
        required_skills=["typescript"],
    )
    return create_dispatch(new, actor="bench", now=now)


def briefings(work: Any, rounds: int, now: Any) -> float:
    from agents.models import Agent
    from learnings.services.briefing import brief, record_told

    sam = Agent.objects.get(name="SAM")
    read = measure("briefing, read", lambda: brief(sam, work), rounds)
    measure("briefing, read and recorded", lambda: record_told(brief(sam, work), now=now), rounds)
    return read


def questions(rounds: int, now: Any) -> None:
    from failures.services.similar import Asker, similar

    asker = Asker(reads_all=True)
    for name, text in (
        ("similar, words of half the groups", "The gateway closed: type value is not a word"),
        ("similar, one rare word", "ERROR: word4711 is broken"),
        ("similar, 4,000 characters", f"{WORDS} " * 20),
    ):
        measure(name, lambda text=text: similar(text, asker=asker, limit=20, now=now), rounds)


def logging(rounds: int, now: Any) -> None:
    """What the index of words costs a failure: its group's row is written anew each time."""
    from django.db import connection

    from agents.models import Agent
    from failures.models import FailureGroup
    from failures.services.log import NewFailure, log_failure
    from failures.states import ErrorType

    leo = Agent.objects.get(name="LEO")
    report = NewFailure(agent=leo, error_type=ErrorType.TEST, message="gateway handler is broken")
    index = next(one for one in FailureGroup._meta.indexes if one.name == "failuregroup_words")
    for _ in range(2):
        measure("failure logged, with the index", lambda: log_failure(report, now=now), rounds)
        with connection.schema_editor() as editor:
            editor.remove_index(FailureGroup, index)
        measure("failure logged, without", lambda: log_failure(report, now=now), rounds)
        with connection.schema_editor() as editor:
            editor.add_index(FailureGroup, index)


def measure(name: str, act: Callable[[], Any], rounds: int) -> float:
    """Milliseconds, the median of `rounds`."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as seen:
        act()
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        act()
        took.append((time.perf_counter() - started) * 1000)
    median, worst = statistics.median(took), statistics.quantiles(took, n=20)[-1]
    print(f"{name:38} median {median:7.2f} ms  p95 {worst:7.2f} ms  {len(seen):3} statements")
    return median


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learnings", type=int, default=1_000)
    parser.add_argument("--groups", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    sys.exit(main(parser.parse_args()))
