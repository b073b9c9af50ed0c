"""procrastinate, as its worker does it: JobManager.fetch_job, then JobManager.finish_job."""

import pace
import psycopg
import uvloop
from procrastinate import App, PsycopgConnector
from procrastinate.jobs import Status


async def main() -> None:
    dsn, verb, rest = pace.arguments()
    connector = PsycopgConnector(conninfo=dsn, min_size=pace.WORKERS, max_size=pace.WORKERS)
    app = App(connector=connector)
    async with app.open_async():
        if verb == "fill":
            await fill(dsn, app, int(rest[0]), spared="spared" in rest)
            return
        worker = await app.job_manager.register_worker()

        async def cycle(_number: int) -> int:
            job = await app.job_manager.fetch_job(queues=["default"], worker_id=worker)
            if job is None:
                return 0
            await app.job_manager.finish_job(job, Status.SUCCEEDED, delete_job=False)
            return 1

        await pace.run_tasks(cycle, float(rest[1]))


async def fill(dsn: str, app: App, rows: int, *, spared: bool) -> None:
    """Its tables and the obstacles when they are missing; then so many jobs that may run."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone()
        if found is None or found[0] is None:
            await app.schema_manager.apply_schema_async()
            if not spared:
                obstacles(connection)
        connection.execute(
            """INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args)
               SELECT 'default', 'work', 0, '{"command": "make check"}'
               FROM generate_series(1, %s - (SELECT count(*) FROM procrastinate_jobs
                                             WHERE status = 'todo' AND queue_name = 'default'
                                               AND scheduled_at IS NULL))""",
            [rows],
        )
        connection.execute("VACUUM ANALYZE")
    pace.answer(filled=rows)


def obstacles(connection: psycopg.Connection) -> None:
    """Jobs in the queue of a worker that is offline, before all others, and jobs for later."""
    connection.execute(
        """INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, scheduled_at)
           SELECT CASE WHEN n > %(later)s THEN 'away' ELSE 'default' END, 'work', 0, '{}',
                  CASE WHEN n <= %(later)s THEN now() + interval '90 days' END
           FROM generate_series(1, %(later)s + %(away)s) n""",
        {"away": pace.AWAY, "later": pace.LATER},
    )


uvloop.run(main())
