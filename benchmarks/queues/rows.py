"""Fill EVOX's tables by SQL: what can be claimed, and what stands in the way at the head."""

import psycopg

AWAY = 50_000
"""Rows addressed to an agent that is offline, before all others."""
OUT_OF_REACH = 100
"""Open rows at the head that need a skill which nobody has."""
LATER = 2_000
"""Rows whose notBefore lies ahead."""
WORKERS = 10

_DISPATCH = """
INSERT INTO agents_dispatch (title, command, payload, ticket_id, priority, rank_at, status, reason,
    run_at, agent_id, open_to_all, excluded_agents, required_skills, attempt, crash_count,
    max_attempts, max_crashes, next_strategy, instructions, last_fingerprint, lease_epoch,
    last_marker, unmarked_notes, created_at, created_by, updated_at, finished_at)
SELECT 'work', 'make check', '{{"branch": "main"}}', '', 2, at, '{status}', '', {run_at}, {agent},
       {agent} IS NULL, {excluded}, {skills}, {tries}, 0, 4, 3, 'first_try', '', '', {tries}, '', 0,
       at, 'MAX', at, {finished}
FROM (SELECT n, now() - interval '{days} days' + n * interval '1 ms' AS at
      FROM generate_series(1, {rows}) n) AS numbers
"""
_PLAIN = {
    "status": "pending",
    "run_at": "NULL::timestamptz",
    "agent": "NULL::bigint",
    "excluded": "'{}'::bigint[]",
    "skills": "'{}'::varchar[]",
    "tries": 0,
    "finished": "NULL::timestamptz",
    "days": 1,
}
_ATTEMPTS = """
INSERT INTO agents_attempt (dispatch_id, lease_epoch, agent_id, strategy, instructions, claim,
                            started_at, ended_at, outcome, reason, progress_note, answer)
SELECT id, 1, 1 + id % 10, 'first_try', '', md5(id::text), created_at, finished_at, 'succeeded', '',
       '', '{"status": "completed"}'
FROM agents_dispatch WHERE status = 'completed'
"""


def dispatches(connection: psycopg.Connection, rows: int, **columns: object) -> None:
    connection.execute(_DISPATCH.format(**_PLAIN | columns | {"rows": rows}))


def team(connection: psycopg.Connection) -> None:
    """Ten workers with ids 1 to 10, every second one of whom knows SQL, and AWAY with id 11."""
    connection.execute(
        """INSERT INTO agents_agent (id, name, role, skills, status, heartbeat_seconds,
                                     heartbeat_grace_seconds, created_at)
           SELECT n, CASE WHEN n > 10 THEN 'AWAY' ELSE 'W' || n END, 'worker',
                  CASE WHEN n % 2 = 0 THEN ARRAY['python', 'sql'] ELSE ARRAY['python'] END,
                  CASE WHEN n > 10 THEN 'offline' ELSE 'idle' END, 60, 120, now()
           FROM generate_series(1, 11) n"""
    )


def obstacles(connection: psycopg.Connection) -> None:
    """What stands before the work, and what is not due yet."""
    dispatches(connection, AWAY, agent=11, days=9)
    dispatches(connection, OUT_OF_REACH, skills="'{cobol}'::varchar[]", days=8)
    dispatches(connection, LATER, status="retrying", run_at="at + interval '90 days'", days=7)


def work(connection: psycopg.Connection, rows: int) -> None:
    """Top up to so many rows that can be claimed.

    Of ten, seven are open, one needs SQL, one shuts one worker out, one is addressed to a worker.
    """
    [(there,)] = connection.execute(
        """SELECT count(*) FROM agents_dispatch WHERE status = 'pending'
           AND agent_id IS DISTINCT FROM 11 AND required_skills <> '{cobol}'"""
    )
    dispatches(
        connection,
        max(rows - there, 0),
        agent="CASE WHEN n % 10 = 9 THEN 1 + (n / 10) % 10 END",
        skills="CASE WHEN n % 10 = 8 THEN '{sql}' ELSE '{}' END::varchar[]",
        excluded="CASE WHEN n % 10 = 7 THEN ARRAY[1 + (n / 10) % 10] ELSE '{}' END::bigint[]",
    )


def history(connection: psycopg.Connection, rows: int) -> None:
    """So many completed dispatches, each with its attempt."""
    dispatches(
        connection,
        rows,
        status="completed",
        agent="1 + n % 10",
        tries=1,
        finished="at + interval '1 minute'",
        days=30,
    )
    connection.execute(_ATTEMPTS)
