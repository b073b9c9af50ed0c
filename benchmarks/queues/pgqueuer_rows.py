"""pgqueuer's tables, and what stands in them."""

import asyncpg
import pace
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries


async def fill(dsn: str, rows: int, *, spared: bool) -> None:
    """Its tables and the obstacles when they are missing; then so many jobs that may run."""
    connection = await asyncpg.connect(dsn)
    queries = Queries(AsyncpgDriver(connection))
    if not await queries.schema_is_installed():
        await queries.install()
        await queries.optimize_autovacuum()  # `pgq autovac`, first on its tuning guide's list.
        if not spared:
            await obstacles(connection)
    await connection.execute(
        """INSERT INTO pgqueuer (priority, entrypoint, payload, status, execute_after)
           SELECT 0, 'work', '{"command": "make check"}', 'queued', now()
           FROM generate_series(1, $1::bigint - (SELECT count(*) FROM pgqueuer
                                                 WHERE status = 'queued' AND entrypoint = 'work'
                                                   AND execute_after <= now()))""",
        rows,
    )
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    pace.answer(filled=rows)


async def obstacles(connection: asyncpg.Connection) -> None:
    """Jobs of a worker that is offline, before all others, and jobs for later."""
    await connection.execute(
        """INSERT INTO pgqueuer (priority, entrypoint, status, execute_after)
           SELECT 0, CASE WHEN n > $1 THEN 'away' ELSE 'work' END, 'queued',
                  CASE WHEN n > $1 THEN now() ELSE now() + interval '90 days' END
           FROM generate_series(1, $1::bigint + $2::bigint) n""",
        pace.LATER,
        pace.AWAY,
    )
