"""The proof of 100 %: every head commit that was to be reviewed, and what queued its review."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import connection

from agents.models import Attempt, Dispatch
from agents.states import AttemptOutcome
from recovery.models import PullRequest, Repository, ReviewHead
from recovery.states import PullState, TriggerSource

LIMIT = 100

# Open pull requests whose newest known commit has no review, live or ended, and none that somebody
# cancelled by hand. A review that says that it reviewed an older commit of the same pull request
# did not review this one; two such in a row are enough.
_UNCOVERED = """
SELECT p.id FROM recovery_pullrequest p
WHERE p.state = 'open' AND (%(drafts)s OR NOT p.draft)
  AND NOT EXISTS (
    SELECT 1 FROM agents_dispatch d
    WHERE d.unique_key = 'pr-review:' || p.repository_id || ':' || p.number
      AND d.payload ->> 'headSha' = p.head_sha
      AND NOT (d.status = 'cancelled' AND d.superseded_by_id IS NOT NULL)
      AND (d.status <> 'completed' OR NOT EXISTS (
        SELECT 1 FROM agents_attempt t
        JOIN recovery_reviewhead h ON h.pull_id = p.id AND h.head_sha <> p.head_sha
          AND h.head_sha = t.result -> 'result' ->> 'reviewedSha'
        WHERE t.dispatch_id = d.id AND t.outcome = 'succeeded')
      OR (SELECT count(*) FROM agents_dispatch e
          WHERE e.unique_key = d.unique_key AND e.status = 'completed'
            AND e.payload ->> 'headSha' = p.head_sha) > 1))
ORDER BY p.id LIMIT %(limit)s
"""


def note(repository_id: int, number: int, *, source: TriggerSource, now: datetime) -> None:
    """Write down the head of a pull request whose row the caller has locked, and its review."""
    pull = PullRequest.objects.filter(repository_id=repository_id, number=number).first()
    if pull is None:
        return
    Repository.objects.get_or_create(
        repository_id=repository_id, defaults={"name": pull.repository, "next_check_at": now}
    )
    if pull.state != PullState.OPEN or (pull.draft and not settings.EVOX_REVIEW_DRAFTS):
        return
    head, _ = ReviewHead.objects.get_or_create(
        pull=pull,
        head_sha=pull.head_sha,
        defaults={"changed_at": pull.updated_at, "seen_at": now},
    )
    if head.dispatch_id is not None:
        return
    key = f"pr-review:{repository_id}:{number}"
    review = Dispatch.objects.filter(unique_key=key, payload__headSha=pull.head_sha)
    found = review.order_by("-id").first()
    if found is not None:
        head.dispatch, head.triggered_at, head.source = found, now, source.value
        head.save(update_fields=["dispatch", "triggered_at", "source"])


def reviewed_sha(dispatch: Dispatch) -> str:
    """Which commit an ended review was of: what it says, if that is an older one of the same."""
    asked = str(dispatch.payload.get("headSha", ""))
    done = Attempt.objects.filter(dispatch=dispatch, outcome=AttemptOutcome.SUCCEEDED.value)
    # What the agent sent as its result stands below `result`.
    kept = done.values_list("result", flat=True).first()
    result = kept.get("result") if isinstance(kept, dict) else None
    said = result.get("reviewedSha") if isinstance(result, dict) else None
    if not isinstance(said, str) or said == asked:
        return asked
    known = ReviewHead.objects.filter(
        head_sha=said,
        pull__number=dispatch.payload.get("prNumber"),
        pull__repository=dispatch.payload.get("repo"),
    )
    return said if known.exists() else asked


def uncovered(*, limit: int = LIMIT) -> list[int]:
    """Open pull requests whose newest known commit has no review, by their rows' ids."""
    params = {"drafts": settings.EVOX_REVIEW_DRAFTS, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_UNCOVERED, params)
        return [pk for (pk,) in cursor.fetchall()]
