"""What goes out with a claim of work that failed before: read when it is claimed, not when planned.

So a fix that was found meanwhile goes along, one that was withdrawn does not, and each agent reads
no words but its own.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from agents.models import Attempt
from agents.services.claim_rows import Claimed
from failures import queries as failure_queries
from failures.models import Failure
from failures.naming import public_name
from failures.services.guidance import KnownFix, Shown, known_fixes, note_shown
from failures.states import GuidanceVia
from recovery.policy_instructions import Evidence, Guidance, instructions

LAST_FAILURES = 3


def complete_instructions(claimed: Sequence[Claimed], *, now: datetime) -> None:
    """Add known fixes and earlier failures to what these claims say, and write down who was told.

    Work that never failed costs no statement.
    """
    again = [one for one in claimed if one.attempt.instructions]
    if not again:
        return
    failed = [one.dispatch.pk for one in again]
    with transaction.atomic():
        fixes = known_fixes([one.dispatch.last_fingerprint for one in again])
        failures = defaultdict(list)
        for failure in failure_queries.last_failures_of_each(failed, limit=LAST_FAILURES):
            failures[failure.attempt.dispatch_id if failure.attempt else 0].append(failure)
        for one in again:
            fix = fixes.get(one.dispatch.last_fingerprint)
            one.attempt.instructions = _text(one, failures[one.dispatch.pk], fix)
        Attempt.objects.bulk_update([one.attempt for one in again], ["instructions"])
        note_shown(
            [
                Shown(
                    group_id=fix.group_id,
                    text=fix.text,
                    agent=one.attempt.agent,
                    attempt=one.attempt,
                    via=GuidanceVia.INSTRUCTIONS,
                )
                for one in again
                if (fix := fixes.get(one.dispatch.last_fingerprint)) is not None
            ],
            now=now,
        )


def _text(one: Claimed, failures: Sequence[Failure], fix: KnownFix | None) -> str:
    return instructions(
        one.attempt.instructions,
        evidence=[_evidence(failure, one.attempt.agent_id) for failure in failures],
        guidance=Guidance(group=fix.group_id, text=fix.text) if fix else None,
        fence=f"-----{secrets.token_hex(6)}",
    )


def _evidence(failure: Failure, reader: int) -> Evidence:
    group = failure.group
    name = public_name(group.template, tool_code=group.tool_code, error_class=group.error_class)
    return Evidence(
        attempt=failure.attempt.number if failure.attempt else 0,
        agent=failure.agent.name,
        error_type=failure.error_type,
        name=name or f"failure {failure.pk}, whose words are under review",
        message=failure.message if failure.agent_id == reader else "",
    )
