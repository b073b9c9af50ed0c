"""A write with an Idempotency-Key happens once: its record and its effect are one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from agents.errors import EvoxError, InvalidInputError
from agents.models import IdempotencyRecord

KEPT = timedelta(hours=24)
KEY_LIMIT = 255

Answer = tuple[int, Any]

# A concurrent twin waits here for the first one's commit, then finds its record. A record past
# its day is taken over as if it were new.
_TAKE = """
INSERT INTO agents_idempotencyrecord AS r (scope, key, body_hash, created_at)
VALUES (%(scope)s, %(key)s, %(hash)s, %(now)s)
ON CONFLICT (scope, key) DO UPDATE
SET body_hash = excluded.body_hash, created_at = excluded.created_at, status = NULL, answer = NULL
WHERE r.created_at < %(oldest)s
RETURNING id
"""


class KeyReusedError(EvoxError):
    """The key was used for another body. HTTP 409."""

    code = "idempotency_key_reused"
    status = 409


def once(key: str, *, scope: str, body: Any, act: Callable[[], Answer], now: datetime) -> Answer:
    """What `act` answers, the first time; the same answer again for the same key and body.

    Raises InvalidInputError for an unusable key, KeyReusedError when the body differs; whatever
    `act` raises undoes the record too, so that the call can be mended and sent again.
    """
    if not 1 <= len(key) <= KEY_LIMIT or "\x00" in key:
        raise InvalidInputError("Idempotency-Key", f"1 to {KEY_LIMIT} characters.")
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    with transaction.atomic():
        pk = _take(scope, key, digest, now)
        if pk is None:
            return _recorded(scope, key, digest)
        status, answer = act()
        IdempotencyRecord.objects.filter(pk=pk).update(status=status, answer=answer)
        return status, answer


def purge(*, now: datetime) -> int:
    """Drop the records that are past their day; returns how many."""
    return IdempotencyRecord.objects.filter(created_at__lt=now - KEPT).delete()[0]


def _take(scope: str, key: str, digest: str, now: datetime) -> int | None:
    params: dict[str, str | datetime] = {
        "scope": scope,
        "key": key,
        "hash": digest,
        "now": now,
        "oldest": now - KEPT,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, params)
        row = cursor.fetchone()
    return row[0] if row else None


def _recorded(scope: str, key: str, digest: str) -> Answer:
    record = IdempotencyRecord.objects.get(scope=scope, key=key)
    if record.body_hash != digest:
        raise KeyReusedError("This Idempotency-Key was used with another body.")
    return record.status or 200, record.answer
