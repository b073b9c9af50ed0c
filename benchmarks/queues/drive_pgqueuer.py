"""pgqueuer, as its documentation and its own benchmark run it: PgQueuer.run with an entrypoint.

Ten of them in one event loop, each with a connection of its own, as the tuning guide has it for
consumers; the window counts what they have written to the log.
"""

import asyncio

import asyncpg
import pace
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer_rows import fill


class Counted(Queries):
    """Notes what is finished when it is in the database, and when there is no more to take."""

    window: pace.Window

    async def dequeue(self, *args, **named):
        jobs = await super().dequeue(*args, **named)
        if not jobs:
            self.window.note(0)
        return jobs

    async def log_jobs(self, job_status):
        await super().log_jobs(job_status)
        self.window.note(len(job_status))


async def main() -> None:
    dsn, verb, rest = pace.arguments()
    if verb == "fill":
        await fill(dsn, int(rest[0]), spared="spared" in rest)
        return
    batch, seconds = int(rest[0]), float(rest[1])
    connections = [await asyncpg.connect(dsn) for _ in range(pace.WORKERS)]
    window = pace.Window(seconds)
    consumers = [consumer(connection, window) for connection in connections]
    runs = [asyncio.create_task(one.run(batch_size=batch)) for one in consumers]
    await asyncio.wait(runs, timeout=pace.WARM_UP + seconds)
    for one in consumers:
        one.shutdown.set()
    await asyncio.gather(*runs)
    window.report()


def consumer(connection: asyncpg.Connection, window: pace.Window) -> PgQueuer:
    driver = AsyncpgDriver(connection)
    queries = Counted(driver)
    queries.window = window
    made = PgQueuer(driver, queries=queries)

    @made.entrypoint("work")
    async def work(_job: Job) -> None:
        """Done at once, as in its own benchmark."""

    return made


uvloop.run(main())
