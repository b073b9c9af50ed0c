"""A month of a hundred agents, made by PostgreSQL itself: a million attempts and failures.

Columns that a table below doesn't name get their field's default, so that a new one does no harm.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, models
from django.db.models import NOT_PROVIDED

AGENTS = 100
DAYS = 30


# Of the n-th thing of a month: its agent, and when it began.
AT = "(%(now)s - make_interval(days => %(days)s) * (1 - n::float / %(n)s) - interval '5 min')"
AGENT = "(1 + n %% %(agents)s)"
TYPE = "(ARRAY['build','test','api','timeout','other'])[1 + n %% 5]"
GROUPS = 2_000
# Each tenth agent works without sessions.
SESSION = "CASE WHEN n %% 10 > 0 THEN gen_random_uuid() END"


def fill(*, dispatches: int, failures: int, now: datetime) -> None:
    """Make `dispatches`, each third of them failed once, and `failures` over the same month."""
    spans = {
        "now": now,
        "n": dispatches,
        "failures": failures,
        "agents": AGENTS,
        "days": DAYS,
        "groups": GROUPS,
    }
    for part in (_agents, _dispatches, _attempts, _failures, _incidents, _life):
        part(spans)
    with connection.cursor() as cursor:
        for table in ("agents_dispatch", "failures_failure", "failures_failuregroup"):
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
            )
        cursor.execute("VACUUM ANALYZE")


def _of(count: int) -> str:
    """When the n-th of so many things of a month began."""
    return f"(%(now)s - make_interval(days => %(days)s) * (1 - n::float / {count}))"


def _agents(spans: dict[str, Any]) -> None:
    from agents import models as ground

    _insert(
        ground.Agent,
        "FROM generate_series(1, %(agents)s) n",
        spans,
        id="n",
        name="'AGENT-' || n",
        created_at="%(now)s - interval '60 days'",
        last_seen_at="%(now)s",
    )
    _insert(
        ground.AgentSession,
        "FROM generate_series(1, 3000) n",
        spans,
        id="gen_random_uuid()",
        agent_id=AGENT,
        started_at=_of(3000) + " - interval '12 hours'",
        last_seen_at=_of(3000),
        ended_at=_of(3000),
    )
    _insert(
        ground.AuditEntry,
        "FROM generate_series(1, 20000) n",
        spans,
        at=_of(20000),
        actor="CASE n %% 1000 WHEN 0 THEN 'CEO' ELSE 'ann' END",
        verb="'retry'",
        subject_kind="'dispatch'",
        subject_id="n",
    )


def _dispatches(spans: dict[str, Any]) -> None:
    from agents import models as ground

    _insert(
        ground.Dispatch,
        "FROM generate_series(1, %(n)s) n",
        spans,
        id="n",
        title="'Compile package ' || n",
        command="'make'",
        rank_at=AT,
        status="'completed'",
        agent_id=AGENT,
        attempt="CASE n %% 3 WHEN 0 THEN 2 ELSE 1 END",
        lease_epoch="CASE n %% 3 WHEN 0 THEN 2 ELSE 1 END",
        created_at=AT,
        updated_at=AT,
        finished_at=f"{AT} + interval '4 min'",
    )


def _attempts(spans: dict[str, Any]) -> None:
    from agents import models as ground

    _insert(
        ground.Attempt,
        "FROM generate_series(1, %(n)s) n WHERE n %% 3 = 0",
        spans,
        dispatch_id="n",
        lease_epoch="1",
        agent_id=AGENT,
        strategy="'first_try'",
        claim="'a' || n",
        session=SESSION,
        started_at=AT,
        ended_at=f"{AT} + interval '1 min'",
        outcome="'failed'",
        failure_id="n",
    )
    _insert(
        ground.Attempt,
        "FROM generate_series(1, %(n)s) n",
        spans,
        dispatch_id="n",
        lease_epoch="CASE n %% 3 WHEN 0 THEN 2 ELSE 1 END",
        agent_id=AGENT,
        strategy="'first_try'",
        claim="'b' || n",
        session=SESSION,
        started_at=f"{AT} + interval '2 min'",
        ended_at=f"{AT} + interval '4 min'",
        outcome="'succeeded'",
    )


def _failures(spans: dict[str, Any]) -> None:
    from failures import models as trouble

    _insert(
        trouble.FailureGroup,
        "FROM generate_series(1, %(groups)s) n",
        spans,
        id="n",
        fingerprint="'f1:' || md5(n::text)",
        error_type=TYPE,
        template="'Error in part ' || n",
        count="500",
        first_seen_at="%(now)s - interval '30 days'",
        last_seen_at="%(now)s",
    )
    _insert(
        trouble.Failure,
        "FROM generate_series(1, %(failures)s) n",
        spans,
        id="n",
        agent_id=AGENT,
        group_id="1 + n %% %(groups)s",
        error_type=TYPE,
        message="'Error in part ' || n",
        fingerprint="'f1:' || md5((1 + n %% %(groups)s)::text)",
        created_at=_of("%(failures)s"),
    )


def _incidents(spans: dict[str, Any]) -> None:
    from failures import models as trouble

    _insert(
        trouble.Incident,
        "FROM generate_series(1, 5000) n",
        spans,
        id="n",
        kind="(ARRAY['stalled','blocked','error_loop','silent'])[1 + n %% 4]",
        severity="'error'",
        status="'resolved'",
        title="'Trouble ' || n",
        dedup_key="'d' || n",
        agent_id=AGENT,
        opened_at=_of(5000) + " - interval '1 hour'",
        stall_since=_of(5000) + " - interval '70 min'",
        resolved_at=_of(5000) + " - interval '30 min'",
        resolved_by="CASE n %% 2 WHEN 0 THEN 'SYSTEM' ELSE 'ann' END",
    )
    _insert(
        trouble.IncidentEvent,
        "FROM generate_series(1, 5000) n, unnest(ARRAY['opened','escalated','acknowledged',"
        "'resolved']) WITH ORDINALITY AS kinds (kind, seq)",
        spans,
        incident_id="n",
        seq="seq",
        kind="kind",
        level="CASE kind WHEN 'escalated' THEN 1 + n %% 3 END",
        actor="CASE WHEN kind = 'escalated' OR n %% 2 = 0 THEN 'SYSTEM' ELSE 'ann' END",
        at=_of(5000) + " - interval '50 min'",
    )


def _life(spans: dict[str, Any]) -> None:
    from agents import models as ground

    # Eight gaps a day: twenty minutes of every three hours.
    _insert(
        ground.LifeSegment,
        "FROM generate_series(0, %(agents)s * %(days)s * 8 - 1) n",
        spans,
        agent_id=AGENT,
        state="'alive'",
        started_at="%(now)s - interval '3 hours' * (1 + n / %(agents)s)",
        alive_until="%(now)s - interval '3 hours' * (n / %(agents)s) - interval '20 min'",
        ended_at="%(now)s - interval '3 hours' * (n / %(agents)s) - interval '20 min'",
    )
    _insert(
        ground.ListeningSegment,
        "FROM generate_series(1, %(days)s) n",
        spans,
        started_at="%(now)s - interval '1 day' * n",
        alive_until="%(now)s - interval '1 day' * n + interval '23 hours 59 min'",
        ended_at="%(now)s - interval '1 day' * n + interval '23 hours 59 min'",
    )


def _insert(model: type[models.Model], source: str, params: dict[str, Any], **given: str) -> None:
    """INSERT … SELECT of the expressions in `given`, and each other field's default."""
    columns, values, params = [], [], dict(params)
    for field in model._meta.concrete_fields:
        if field.column in given:
            value = given[field.column]
        elif field.null or field.generated or field.primary_key:
            continue
        else:
            params[field.column] = _default_of(field)
            value = f"%({field.column})s"
        columns.append(f'"{field.column}"')
        values.append(value)
    table = model._meta.db_table
    sql = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} {source}"
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def _default_of(field: Any) -> Any:
    value = "" if field.default is NOT_PROVIDED else field.get_default()
    return field.get_db_prep_save(value, connection)
