"""pgqueuer's bare statements, Queries.dequeue, then Queries.log_jobs, over asyncpg's pool.

Nobody is meant to use it so: no task for a job, no heartbeat, no buffer, no listener. It is the
lower bound of what its tables and statements cost.
"""

import uuid
from datetime import timedelta

import asyncpg
import pace
import uvloop
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.queries import EntrypointExecutionParameter, Queries
from pgqueuer_rows import fill


async def main() -> None:
    dsn, verb, rest = pace.arguments()
    if verb == "fill":
        await fill(dsn, int(rest[0]), spared="spared" in rest)
        return
    async with asyncpg.create_pool(dsn, min_size=pace.WORKERS, max_size=pace.WORKERS) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
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


uvloop.run(main())
