"""pgqueuer, as its queue manager does it: Queries.dequeue, then log_jobs, over asyncpg's pool."""

import uuid
from datetime import timedelta

import asyncpg
import pace
import uvloop
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.queries import EntrypointExecutionParameter, Queries


async def main() -> None:
    dsn, verb, rest = pace.arguments()
    async with asyncpg.create_pool(dsn, min_size=pace.WORKERS, max_size=pace.WORKERS) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        if verb == "fill":
            await fill(pool, queries, int(rest[0]), spared="spared" in rest)
            return
        batch = int(rest[0])
        entrypoints = {"work": EntrypointExecutionParameter(concurrency_limit=0)}
        managers = [uuid.uuid4() for _ in range(pace.WORKERS)]

        async def cycle(number: int) -> int:
            jobs = await queries.dequeue(
                batch, entrypoints, managers[number], None, timedelta(seconds=30)
            )
            if jobs:
                await queries.log_jobs([(job, "successful", None) for job in jobs])
            return len(jobs)

        await pace.run_tasks(cycle, float(rest[1]))


async def fill(pool: asyncpg.Pool, queries: Queries, rows: int, *, spared: bool) -> None:
    """Its tables and the obstacles when they are missing; then so many jobs that may run."""
    if not await queries.schema_is_installed():
        await queries.install()
        if not spared:
            await obstacles(pool)
    await pool.execute(
        """INSERT INTO pgqueuer (priority, entrypoint, payload, status, execute_after)
           SELECT 0, 'work', '{"command": "make check"}', 'queued', now()
           FROM generate_series(1, $1::bigint - (SELECT count(*) FROM pgqueuer
                                                 WHERE status = 'queued' AND entrypoint = 'work'
                                                   AND execute_after <= now()))""",
        rows,
    )
    await pool.execute("VACUUM ANALYZE")
    pace.answer(filled=rows)


async def obstacles(pool: asyncpg.Pool) -> None:
    """Jobs of a worker that is offline, before all others, and jobs for later."""
    await pool.execute(
        """INSERT INTO pgqueuer (priority, entrypoint, status, execute_after)
           SELECT 0, CASE WHEN n > $1 THEN 'away' ELSE 'work' END, 'queued',
                  CASE WHEN n > $1 THEN now() ELSE now() + interval '90 days' END
           FROM generate_series(1, $1::bigint + $2::bigint) n""",
        pace.LATER,
        pace.AWAY,
    )


uvloop.run(main())
