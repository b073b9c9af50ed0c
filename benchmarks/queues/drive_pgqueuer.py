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
            await fill(pool, queries, int(rest[0]))
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


async def fill(pool: asyncpg.Pool, queries: Queries, rows: int) -> None:
    """Its tables when they are missing; then so many jobs that may run, by SQL."""
    if not await queries.schema_is_installed():
        await queries.install()
    await pool.execute(
        """INSERT INTO pgqueuer (priority, entrypoint, payload, status, execute_after)
           SELECT 0, 'work', '{"command": "make check"}', 'queued', now()
           FROM generate_series(1, $1::bigint - (SELECT count(*) FROM pgqueuer
                                                 WHERE status = 'queued'))""",
        rows,
    )
    await pool.execute("VACUUM ANALYZE")
    pace.answer(filled=rows)


uvloop.run(main())
