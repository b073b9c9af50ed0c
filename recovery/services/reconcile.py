"""Reconciliation: whatever never arrived is found by asking, and whatever is known gets its review.

GitHub never repeats a delivery by itself, so the open pull requests of every known repository are
listed every few minutes. Nothing is held while GitHub is asked.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from agents.masking import scrub
from failures.models import Incident
from failures.services.incidents import resolve_by_key
from failures.states import IncidentKind, IncidentStatus
from recovery import policy_listing
from recovery.github import GitHub, GitHubError, Listing
from recovery.models import PullRequest, Repository
from recovery.policy_listing import Page
from recovery.policy_reviews import RECONCILED
from recovery.pulls import PayloadError, read_pull
from recovery.services import coverage
from recovery.services.reviews import apply_pull, pull_of
from recovery.states import PullState, TriggerSource

logger = logging.getLogger(__name__)

REPOSITORIES = 20
"""Listed in one round; the others come in the next."""
MAX_CLOSED = 50
"""Known pull requests that are open no more, looked at one by one in one round."""


def reconcile(*, now: datetime) -> int:
    """One round: list the repositories that are due; returns how many came through."""
    if not settings.GITHUB_TOKEN:
        return 0
    github = GitHub(settings.GITHUB_API_URL, settings.GITHUB_TOKEN)
    proved = 0
    due = Repository.objects.filter(next_check_at__lte=now).order_by("next_check_at")
    for repository in due[:REPOSITORIES]:
        # Taken by moving its time: whoever else looks now passes it over.
        taken = Repository.objects.filter(pk=repository.pk, next_check_at=repository.next_check_at)
        if taken.update(next_check_at=now + settings.EVOX_RECONCILE):
            proved += _reconcile_one(github, repository, now=now)
    return proved


def _reconcile_one(github: GitHub, repository: Repository, *, now: datetime) -> bool:
    try:
        known = tuple(_page(page) for page in repository.pages)
        listing = github.open_pulls(repository.name, known, now=now)
        for pull in listing.pulls:
            _show(repository, pull, now=now)
        _close_others(github, repository, listing, now=now)
    except GitHubError as error:
        _failed(repository, error, now=now)
        return False
    Repository.objects.filter(pk=repository.pk).update(
        pages=[asdict(page) for page in listing.pages],
        checked_at=now,
        proved_at=now,
        failures=0,
        error="",
    )
    return True


def _failed(repository: Repository, error: GitHubError, *, now: datetime) -> None:
    failures = repository.failures + 1
    again = policy_listing.next_check(every=settings.EVOX_RECONCILE, failures=failures - 1, now=now)
    Repository.objects.filter(pk=repository.pk).update(
        checked_at=now,
        failures=failures,
        error=scrub(str(error))[:500],
        next_check_at=now + error.wait if error.wait is not None else again,
    )


def _show(repository: Repository, listed: dict[str, Any], *, now: datetime) -> None:
    """What a listing shows of one pull request; one that can't be read strands no other."""
    base = listed.get("base")
    repo = base.get("repo") if isinstance(base, dict) else None
    named = {"id": repository.repository_id, "full_name": repository.name}
    payload = {"pull_request": listed, "repository": repo if isinstance(repo, dict) else named}
    try:
        pull = read_pull(payload)
        with transaction.atomic():
            apply_pull(RECONCILED, pull, source=TriggerSource.RECONCILE, now=now)
    except PayloadError as error:
        logger.warning("GitHub listed what can't be read: %s", error)


def _close_others(
    github: GitHub, repository: Repository, listing: Listing, *, now: datetime
) -> None:
    """What was open and is listed no more was closed, merged or deleted meanwhile."""
    known = PullRequest.objects.filter(
        repository_id=repository.repository_id, state=PullState.OPEN.value
    )
    gone = known.exclude(number__in=listing.numbers).order_by("number")
    for row in gone[:MAX_CLOSED]:
        _show(repository, github.pull(repository.name, int(row.number), now=now), now=now)


def _page(saved: dict[str, Any]) -> Page:
    return Page(
        url=str(saved["url"]),
        etag=str(saved["etag"]),
        numbers=tuple(saved["numbers"]),
        next_url=str(saved["next_url"]),
    )


def cover_known(*, now: datetime) -> int:
    """Queue a review for each known head commit that has none; returns how many were looked at."""
    found = coverage.uncovered()
    for pk in found:
        try:
            with transaction.atomic():
                row = PullRequest.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
                if row is not None:
                    apply_pull(RECONCILED, pull_of(row), source=TriggerSource.RECONCILE, now=now)
        except Exception:
            logger.exception("Pull request %s could not be covered; the others go on.", pk)
    return len(found)


def settle_reviewers(*, now: datetime) -> None:
    """Reviews that somebody has by now, or that ended, need nobody any more."""
    nobody = Incident.objects.filter(kind=IncidentKind.NO_REVIEWER.value).exclude(
        status=IncidentStatus.RESOLVED.value
    )
    for incident in nobody.select_related("dispatch")[:REPOSITORIES]:
        dispatch = incident.dispatch
        if dispatch is not None and (dispatch.agent_id or dispatch.finished_at):
            said = "It is over." if dispatch.finished_at else "Somebody has it now."
            resolve_by_key(incident.dedup_key, resolution=said, now=now)
