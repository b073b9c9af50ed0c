"""Carrying out what an event of a pull request means for its review."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, assert_never

from django.conf import settings

from agents import queries as agent_queries
from agents.models import Dispatch
from agents.services.dispatches import DuplicateKeyError, NewDispatch, create_dispatch
from agents.services.messages import send_message, team_channel
from agents.services.records import audit
from agents.states import WAITING, DispatchStatus, Priority
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind
from recovery import policy, policy_reviews
from recovery.models import PullRequest
from recovery.policy_reviews import Live, Review, ReviewPlan
from recovery.pulls import Pull, read_pull
from recovery.services import coverage
from recovery.services.effects import Effect
from recovery.services.operator import cancel_dispatch
from recovery.states import PullState, TriggerSource

logger = logging.getLogger(__name__)

ACTOR = "GITHUB"
COMMAND = "review_pr"
TITLE_LENGTH = 200
LIVE = (*WAITING, DispatchStatus.RUNNING)
ENDED = (DispatchStatus.COMPLETED, DispatchStatus.EXHAUSTED)


def apply_event(
    payload: Mapping[str, Any], *, source: TriggerSource = TriggerSource.WEBHOOK, now: datetime
) -> Effect:
    """Do what a `pull_request` event asks for, once its pull request is locked.

    Raises PayloadError.
    """
    action = str(payload.get("action") or "")
    if action not in policy_reviews.ACTIONS:
        return Effect(note=f"The action {action[:64]!r} changes no review.", ignored=True)
    return apply_pull(action, read_pull(payload), source=source, now=now)


def apply_pull(action: str, pull: Pull, *, source: TriggerSource, now: datetime) -> Effect:
    """Do what `action` of `pull` asks for, in the caller's transaction."""
    known = _known(action, pull)
    try:
        effect = _plan_and_act(action, pull, known, now=now)
    except DuplicateKeyError:
        # Somebody else queued work with this key since we looked; it is visible now.
        effect = _plan_and_act(action, pull, known, now=now)
    coverage.note(pull.repository_id, pull.number, source=source, now=now)
    return effect


def _known(action: str, pull: Pull) -> Pull | None:
    """What earlier events showed, brought up to date; the row's lock orders this PR's events."""
    values = asdict(pull) | {"state": pull.state.value}
    identity = {name: values.pop(name) for name in ("repository_id", "number")}
    _, created = PullRequest.objects.get_or_create(**identity, defaults=values)
    if created:
        return None
    row = PullRequest.objects.select_for_update().get(**identity)
    known = pull_of(row)
    newest = policy_reviews.known_after(action, pull, known)
    if newest is not None:
        changed = asdict(newest) | {"state": newest.state.value}
        PullRequest.objects.filter(pk=row.pk).update(**changed)
    return known


def pull_of(row: PullRequest) -> Pull:
    """The pull request as the newest event showed it."""
    seen = {field.name: getattr(row, field.name) for field in fields(Pull)}
    return Pull(**seen | {"state": PullState(row.state)})


def _plan_and_act(action: str, pull: Pull, known: Pull | None, *, now: datetime) -> Effect:
    drafts = settings.EVOX_REVIEW_DRAFTS
    live = _live(pull.key)
    plan = policy_reviews.plan_review(action, pull, live, known=known, drafts=drafts)
    return _carry_out(plan, action, now=now)


def _live(key: str) -> Live:
    """The live reviews, locked: an agent's report waits, and then sees what we did."""
    rows = list(
        Dispatch.objects.select_for_update()
        .filter(unique_key=key, status__in=[status.value for status in LIVE])
        .order_by("id")
    )
    ended = (
        Dispatch.objects.filter(unique_key=key, status__in=[status.value for status in ENDED])
        .order_by("-finished_at", "-id")
        .first()
    )
    running = [row for row in rows if row.status == DispatchStatus.RUNNING]
    waiting = [row for row in rows if row.status != DispatchStatus.RUNNING]
    return Live(
        waiting=_review(waiting[0]) if waiting else None,
        running=_review(running[0]) if running else None,
        finished_sha=coverage.reviewed_sha(ended) if ended else "",
    )


def _review(dispatch: Dispatch) -> Review:
    return Review(
        pk=dispatch.pk,
        head_sha=str(dispatch.payload.get("headSha", "")),
        base=str(dispatch.payload.get("baseBranch", "")),
        cancel_requested=dispatch.cancel_requested_at is not None,
    )


def _carry_out(plan: ReviewPlan, action: str, *, now: datetime) -> Effect:
    match plan:
        case policy_reviews.CreateReview(pull=pull):
            dispatch = _create(pull, action, now=now)
            return _dispatched(dispatch, f"Queued as #{dispatch.pk}.")
        case policy_reviews.FollowUp(pull=pull):
            dispatch = _create(pull, action, now=now)
            return _dispatched(dispatch, f"Queued as #{dispatch.pk}, behind the running review.")
        case policy_reviews.UpdateReview(pk=pk, pull=pull):
            dispatch = _update(pk, pull, action, now=now)
            return _dispatched(dispatch, f"#{pk} is now of {pull.head_sha[:12]}.")
        case policy_reviews.CancelReview(pks=pks, reason=reason):
            for pk in pks:
                dispatch = cancel_dispatch(pk, actor=ACTOR, reason=reason, now=now)
            return Effect(note="No review is needed any more.", dispatch=dispatch)
        case policy_reviews.Ignore(reason=reason):
            return Effect(note=reason)
        case _:
            assert_never(plan)


def _dispatched(dispatch: Dispatch, note: str) -> Effect:
    return Effect(note=note, dispatch=dispatch, dispatched=dispatch.agent_id is not None)


def _create(pull: Pull, action: str, *, now: datetime) -> Dispatch:
    """Queue a review for the first reviewer in turn who didn't write it.

    Without one it is open to all but the writer, and never dropped.
    """
    name = policy_reviews.agent_name(pull.author)
    writer = agent_queries.active_agents().filter(name=name).first()
    reviewers = {agent.name: agent for agent in agent_queries.reviewers(now=now)}
    reviewer = reviewers.get(policy_reviews.first_fit(pull.author, list(reviewers)) or "")
    dispatch = create_dispatch(
        NewDispatch(
            title=_title(pull),
            command=COMMAND,
            payload=_payload(pull, action, revision=1),
            priority=Priority.HIGH,
            agent=reviewer,
            unique_key=pull.key,
        ),
        actor=ACTOR,
        now=now,
    )
    if writer is not None:
        dispatch.excluded_agents = [writer.pk]
        dispatch.save(update_fields=["excluded_agents"])
    if reviewer is None:
        why = f"{name} wrote it and can't review it." if reviewers else "There is no reviewer."
        _tell_of_no_reviewer(dispatch, why, now=now)
    return dispatch


def _update(pk: int, pull: Pull, action: str, *, now: datetime) -> Dispatch:
    """The waiting review speaks of `pull` now, and keeps its place, its addressee and its tries."""
    dispatch = Dispatch.objects.get(pk=pk)
    revision = dispatch.payload.get("revision", 1)
    dispatch.payload = _payload(pull, action, revision=revision + 1)
    dispatch.title, dispatch.updated_at = _title(pull), now
    dispatch.save(update_fields=["payload", "title", "updated_at"])
    audit("update", dispatch, actor=ACTOR, data={"headSha": pull.head_sha}, now=now)
    return dispatch


def _title(pull: Pull) -> str:
    words = " ".join(policy.printable(pull.title).split())
    title = f"Review PR #{pull.number}: {words}"
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1] + "…"


def _payload(pull: Pull, action: str, *, revision: int) -> dict[str, Any]:
    payload = {
        "prNumber": pull.number,
        "prTitle": pull.title,
        "prBody": pull.body,
        "prUrl": pull.url,
        "repo": pull.repository,
        "branch": pull.branch,
        "baseBranch": pull.base,
        "author": pull.author,
        "action": action,
        "headSha": pull.head_sha,
        "baseSha": pull.base_sha,
        "headRepo": pull.head_repo or None,
        "isFork": pull.is_fork,
        "draft": pull.draft,
        "revision": revision,
    }
    return payload | {"untrusted": True} if pull.is_fork else payload


def _tell_of_no_reviewer(dispatch: Dispatch, why: str, *, now: datetime) -> None:
    open_incident(
        NewIncident(
            kind=IncidentKind.NO_REVIEWER,
            title=f"Nobody reviews #{dispatch.pk} {dispatch.title}"[:200],
            message=f"{why} It is open to all: give it to somebody.",
            dedup_key=f"no_reviewer:{dispatch.pk}",
            dispatch=dispatch,
        ),
        now=now,
    )


def tell_somebody(text: str, *, key: str, about: tuple[str, int], now: datetime) -> None:
    """Write to the lead, else into the channel dev, once a `key`."""
    to = agent_queries.lead(now=now) or team_channel(now=now)
    send_message(text, to=to, priority=Priority.HIGH, about=about, dedup_key=key, now=now)
