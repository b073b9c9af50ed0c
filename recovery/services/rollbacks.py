"""What the Git hook reports: kept beside its incident, told to its author, settled by a green.

The hook's clock and words are its machine's: kept, and never trusted.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from agents.errors import EvoxError, InvalidInputError
from agents.models import Agent, Dispatch
from agents.models.message import SYSTEM
from agents.policy import clip
from agents.queries import current_work
from agents.services.messages import send_message
from agents.services.records import audit
from agents.states import Priority
from failures.models import Incident
from failures.services.incidents import resolve_locked
from failures.states import IncidentKind, IncidentStatus
from recovery.models import Rollback, RollbackPause

LATE = timedelta(seconds=60)
"""A report that comes so long after its verdict waited in the hook's spool."""
LONGEST_PAUSE = timedelta(days=7)
HOOK_KINDS = frozenset(
    {
        IncidentKind.ROLLED_BACK,
        IncidentKind.ROLLBACK_BLOCKED,
        IncidentKind.BASE_ALREADY_BROKEN,
        IncidentKind.BUILD_FAILED_ROOT,
        IncidentKind.BUILD_FLAKY,
        IncidentKind.VERIFY_INCONCLUSIVE,
        IncidentKind.ROLLBACK_MOOT,
        IncidentKind.FIXED_FORWARD,
        IncidentKind.VERIFY_DEFERRED,
    }
)
GREEN = frozenset({IncidentKind.FIXED_FORWARD, IncidentKind.ROLLED_BACK})
"""Kinds after which the tip of the branch is green."""
RED = (
    IncidentKind.ROLLBACK_BLOCKED.value,
    IncidentKind.BASE_ALREADY_BROKEN.value,
    IncidentKind.BUILD_FAILED_ROOT.value,
)
_SHA = re.compile(r"[0-9a-f]{7,64}")


class NotPausedError(EvoxError):
    """Rollbacks are not paused. HTTP 409."""

    code = "not_paused"
    status = 409


def dispatch_of(agent: Agent | None, metadata: dict[str, Any]) -> Dispatch | None:
    """The dispatch that a commit belongs to: named by its trailer, else what its author holds."""
    named = metadata.get("dispatchId")
    if isinstance(named, int) and 0 < named < 2**63:
        found = Dispatch.objects.filter(pk=named).first()
        if found is not None and (agent is None or found.agent_id == agent.pk):
            return found
    return current_work(agent) if agent is not None else None


def record(incident: Incident, metadata: dict[str, Any], *, now: datetime) -> Rollback | None:
    """Keep what the hook said of a commit, tell its author, settle what is green again.

    Returns None for a report that names no commit.
    """
    kind, commit = IncidentKind(incident.kind), _sha(metadata, "originalCommit")
    if kind not in HOOK_KINDS or not commit:
        return None
    happened = _instant(metadata.get("reportedTimestamp"), now=now)
    rerun = metadata.get("confirmed")
    code = metadata.get("exitCode")
    row = Rollback.objects.create(
        incident=incident,
        kind=kind.value,
        repository=_text(metadata, "repository", 300) or _text(metadata, "repo", 300),
        branch=_text(metadata, "branch", 300),
        commit=commit,
        revert_commit=_sha(metadata, "revertCommit"),
        command=_text(metadata, "command", 500),
        exit_code=code if isinstance(code, int) and abs(code) < 2**31 else None,
        confirmed=rerun if isinstance(rerun, bool) else None,
        agent=incident.agent,
        committed_at=_instant(metadata.get("committedAt"), now=now),
        happened_at=happened,
        received_at=now,
        late=happened is not None and now - happened > LATE,
    )
    if kind is IncidentKind.ROLLED_BACK:
        _tell_author(incident, row, now=now)
    if kind in GREEN:
        _settle_branch(row, now=now)
    return row


def policy(*, now: datetime) -> dict[str, Any]:
    """Whether hooks may revert at present, as they ask before they do."""
    running = RollbackPause.objects.filter(lifted_at__isnull=True, until__gt=now).first()
    if running is None:
        return {"paused": False, "until": None, "reason": ""}
    return {"paused": True, "until": running.until, "reason": running.reason}


def pause(*, until: datetime, reason: str, actor: str, now: datetime) -> RollbackPause:
    """Let hooks report only, until then; an earlier pause is replaced. Raises InvalidInputError."""
    reason = reason.strip()[:500]
    if not now < until <= now + LONGEST_PAUSE:
        raise InvalidInputError("until", "An instant within the next seven days.")
    if not reason:
        raise InvalidInputError("reason", "Say why.")
    with transaction.atomic():
        _lift(actor=actor, now=now)
        new = RollbackPause.objects.create(
            reason=reason, started_by=actor[:64], started_at=now, until=until
        )
        audit("pause_rollbacks", ("fleet", 0), actor=actor, reason=reason, now=now)
    return new


def resume(*, actor: str, now: datetime) -> None:
    """Let hooks revert again; raises NotPausedError."""
    with transaction.atomic():
        if not policy(now=now)["paused"]:
            raise NotPausedError("Rollbacks are not paused.")
        _lift(actor=actor, now=now)
        audit("resume_rollbacks", ("fleet", 0), actor=actor, now=now)


def _lift(*, actor: str, now: datetime) -> None:
    standing = RollbackPause.objects.select_for_update().filter(lifted_at__isnull=True)
    standing.update(lifted_at=now, lifted_by=actor[:64])


def _tell_author(incident: Incident, row: Rollback, *, now: datetime) -> None:
    if incident.agent is None:
        return
    back = f" To get it back: git revert {row.revert_commit[:12]}" if row.revert_commit else ""
    work = f" It was made for #{incident.dispatch_id}." if incident.dispatch_id else ""
    send_message(
        f"{incident.number} Your commit {row.commit[:12]} broke the build and was reverted.{work}"
        f"{back}",
        to=incident.agent,
        priority=Priority.HIGH,
        about=("incident", incident.pk),
        dedup_key=f"incident:{incident.pk}:author",
        now=now,
    )


def _settle_branch(green: Rollback, *, now: datetime) -> None:
    """What was red on this branch is over."""
    if not (green.repository and green.branch):
        return
    red = Incident.objects.filter(
        kind__in=RED, rollback__repository=green.repository, rollback__branch=green.branch
    ).exclude(status=IncidentStatus.RESOLVED.value)
    locked = list(red.select_for_update(of=("self",), skip_locked=True).order_by("id")[:100])
    if locked:
        said = f"The branch is green again after {green.commit[:12]}."
        resolve_locked([(incident, said) for incident in locked], actor=SYSTEM, now=now)


def _text(metadata: dict[str, Any], name: str, limit: int) -> str:
    value = metadata.get(name)
    return clip(value, limit)[:limit] if isinstance(value, str) else ""


def _sha(metadata: dict[str, Any], name: str) -> str:
    value = metadata.get(name)
    found = _SHA.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    return found[0] if found else ""


def _instant(value: Any, *, now: datetime) -> datetime | None:
    """Milliseconds or ISO 8601; None for nonsense, and for what lies more than a minute ahead."""
    try:
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, int | float):
            found = datetime.fromtimestamp(value / 1000, tz=UTC)
        else:
            found = datetime.fromisoformat(str(value))
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found <= now + timedelta(minutes=1) else None
