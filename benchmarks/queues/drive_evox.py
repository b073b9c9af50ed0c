"""EVOX, as its views do it: claim_work with a session, then complete_dispatch or complete_many."""

import os
from datetime import UTC, datetime
from uuid import uuid4

import psycopg

from benchmarks.queues import pace, rows


def main() -> None:
    dsn, verb, rest = pace.arguments()
    os.environ["DATABASE_URL"] = dsn
    os.environ["DJANGO_SETTINGS_MODULE"] = "evox.settings"
    if verb == "fill":
        fill(dsn, int(rest[0]))
        return
    import django

    django.setup()
    run(int(rest[0]), float(rest[1]))


def fill(dsn: str, wanted: int) -> None:
    """The tables, the team and the obstacles when they are missing; then the work."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        [(made,)] = connection.execute("SELECT to_regclass('agents_dispatch') IS NOT NULL")
        if not made:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            rows.team(connection)
            rows.obstacles(connection)
        rows.work(connection, wanted)
        connection.execute("VACUUM ANALYZE")
    pace.answer(filled=wanted)


def run(batch: int, seconds: float) -> None:
    from agents.models import Agent
    from recovery.services import claims, reports

    agents = list(Agent.objects.filter(name__startswith="W").order_by("id"))
    sessions = [uuid4() for _ in agents]

    def cycle(number: int) -> int:
        agent = agents[number]
        held = claims.claim_work(
            agent, limit=batch, session=sessions[number], now=datetime.now(tz=UTC)
        )
        now = datetime.now(tz=UTC)
        if batch > 1 and hasattr(reports, "complete_many"):
            done = [reports.Done(pk=one.dispatch.pk, claim=one.attempt.claim) for one in held]
            reports.complete_many(done, by=agent, now=now)
        else:
            for one in held:
                reports.complete_dispatch(one.dispatch.pk, one.attempt.claim, by=agent, now=now)
        return len(held)

    pace.run_threads(cycle, seconds)


if __name__ == "__main__":
    main()
