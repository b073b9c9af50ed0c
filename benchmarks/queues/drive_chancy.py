"""chancy, as its worker does it: Worker.fetch_jobs, Worker.queue_update, Worker.flush.

A worker of its own for each connection, since flush holds a lock of the worker; without the
default plugins, whose hooks would only add to its work.
"""

import dataclasses
import logging
from datetime import UTC, datetime

import pace
import psycopg
import uvloop
from chancy import Chancy, Queue, QueuedJob, Worker


async def main() -> None:
    dsn, verb, rest = pace.arguments()
    app = Chancy(
        dsn,
        min_connection_pool_size=pace.WORKERS,
        max_connection_pool_size=2 * pace.WORKERS,
        no_default_plugins=True,
        log=logging.getLogger("quiet"),
    )
    async with app:
        if verb == "fill":
            await app.migrate()
            fill(dsn, int(rest[0]), spared="spared" in rest)
            return
        batch, queue = int(rest[0]), Queue(name="default")
        workers = [Worker(app, register_signal_handlers=False) for _ in range(pace.WORKERS)]

        async def cycle(number: int) -> int:
            worker = workers[number]
            async with app.pool.connection() as connection:
                jobs = await worker.fetch_jobs(queue, connection, up_to=batch)
            for job in jobs:
                done = dataclasses.replace(
                    job,
                    state=QueuedJob.State.SUCCEEDED,
                    completed_at=datetime.now(tz=UTC),
                    attempts=job.attempts + 1,
                )
                await worker.queue_update(done)
            await worker.flush()
            return len(jobs)

        await pace.run_tasks(cycle, float(rest[1]))


def fill(dsn: str, rows: int, *, spared: bool) -> None:
    """The obstacles once, then so many jobs that may run; its ids are time-ordered UUIDs, too."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        [(empty,)] = connection.execute("SELECT NOT EXISTS (SELECT 1 FROM chancy_jobs)")
        if empty and not spared:
            obstacles(connection)
        connection.execute(
            """INSERT INTO chancy_jobs (id, queue, func, kwargs, limits, meta, priority,
                                        max_attempts, scheduled_at)
               SELECT uuidv7(), 'default', 'work', '{"command": "make check"}', '[]', '{}', 0, 1,
                      now()
               FROM generate_series(1, %s - (SELECT count(*) FROM chancy_jobs
                                             WHERE state = 'pending' AND queue = 'default'
                                               AND scheduled_at <= now()))""",
            [rows],
        )
        connection.execute("VACUUM ANALYZE")
    pace.answer(filled=rows)


def obstacles(connection: psycopg.Connection) -> None:
    """Jobs in the queue of a worker that is offline, before all others, and jobs for later."""
    connection.execute(
        """INSERT INTO chancy_jobs (id, queue, func, kwargs, limits, meta, priority, max_attempts,
                                    scheduled_at)
           SELECT uuidv7(), CASE WHEN n > %(later)s THEN 'away' ELSE 'default' END, 'work', '{}',
                  '[]', '{}', 0, 1,
                  CASE WHEN n > %(later)s THEN now() ELSE now() + interval '90 days' END
           FROM generate_series(1, %(later)s + %(away)s) n""",
        {"away": pace.AWAY, "later": pace.LATER},
    )


uvloop.run(main())
