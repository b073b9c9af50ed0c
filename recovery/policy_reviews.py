"""What an event of a pull request means for its review, decided without a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from recovery.pulls import Pull

BACKOFF = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(minutes=60),
)
GIVE_UP_AFTER = timedelta(hours=24)
RECONCILED = "reconciled"
"""EVOX's own action: a listing of GitHub's, or a look at what is known, shows the pull request."""


@dataclass(frozen=True, kw_only=True)
class Review:
    """A review that waits or runs, and what of."""

    pk: int
    head_sha: str
    base: str
    cancel_requested: bool = False

    def covers(self, pull: Pull) -> bool:
        """Whether it will speak of this very change."""
        return (
            not self.cancel_requested and self.head_sha == pull.head_sha and self.base == pull.base
        )


@dataclass(frozen=True, kw_only=True)
class Live:
    """The reviews of one pull request: at most one waits and one runs."""

    waiting: Review | None = None
    running: Review | None = None
    finished_sha: str = ""
    """What the newest one that came to its own end was about."""


@dataclass(frozen=True)
class CreateReview:
    """Queue a review of `pull`."""

    pull: Pull


@dataclass(frozen=True)
class UpdateReview:
    """The waiting review `pk` becomes one of `pull`, in its place in the queue."""

    pk: int
    pull: Pull


@dataclass(frozen=True)
class FollowUp:
    """The running review is of the past: one of `pull` waits behind it."""

    pull: Pull


@dataclass(frozen=True)
class CancelReview:
    """No review any more: the waiting ones end, a running one is asked to."""

    pks: tuple[int, ...]
    reason: str = "The pull request was closed."


@dataclass(frozen=True)
class Ignore:
    """Nothing to do, and why."""

    reason: str


ReviewPlan = CreateReview | UpdateReview | FollowUp | CancelReview | Ignore


def is_stale(action: str, pull: Pull, known: Pull | None) -> bool:
    """Whether `known` is newer than this event. GitHub promises no order, and counts in seconds.

    Within one second closed wins, `opened` was first, and what shows the commit that the known
    push replaced came before that push.
    """
    if known is None:
        return False
    # A listing shows what is, not what happened: within one second it knows best.
    if action == RECONCILED or pull.updated_at != known.updated_at:
        return pull.updated_at < known.updated_at
    if not known.is_open:
        return pull.is_open
    if pull.before_sha == known.head_sha:
        return False
    return action == "opened" or known.before_sha == pull.head_sha != known.head_sha


def plan_review(
    action: str, pull: Pull, live: Live, *, known: Pull | None = None, drafts: bool = True
) -> ReviewPlan:
    """What the event `action` of `pull` does, where `known` is what earlier events showed.

    A stale event changes nothing by itself; it only makes sure that what is known has its review.
    Without `drafts`, a draft's review waits until it is ready.
    """
    if action not in {*ACTIONS, RECONCILED}:
        return Ignore(f"{action} changes nothing about a review.")
    if is_stale(action, pull, known) and known is not None:
        return _ensured(known, live) if drafts or not known.draft else _deferred(live)
    if not pull.is_open or action == "closed":
        pks = tuple(review.pk for review in (live.waiting, live.running) if review)
        return CancelReview(pks) if pks else Ignore("It is closed, and no review is live.")
    if pull.draft and not drafts:
        return _deferred(live)
    if known is not None and not known.is_open:
        action = "reopened"  # Whatever it is called, it shows that one was missed.
    return _PLANS.get(action, _ensured)(pull, live)


def _deferred(live: Live) -> ReviewPlan:
    """A draft is not reviewed yet: what waits is taken back, what runs may end."""
    if live.waiting:
        return CancelReview((live.waiting.pk,), "It is a draft now.")
    return Ignore("It is a draft; its review waits until it is ready.")


def _opened(pull: Pull, live: Live) -> ReviewPlan:
    if live.waiting or live.running:
        return Ignore("Its review is live already.")
    return _ensured(pull, live)


def _pushed(pull: Pull, live: Live) -> ReviewPlan:
    if live.waiting:
        return UpdateReview(live.waiting.pk, pull)
    return _ensured(pull, live)


def _reopened(pull: Pull, live: Live) -> ReviewPlan:
    if live.waiting or live.running:
        return _pushed(pull, live)
    return CreateReview(pull)  # A person asks again, even when this commit was reviewed.


def _drafted(_pull: Pull, _live: Live) -> ReviewPlan:
    return Ignore("Drafts are reviewed, too.")


def _edited(pull: Pull, live: Live) -> ReviewPlan:
    if live.waiting:
        return UpdateReview(live.waiting.pk, pull)
    if live.running is None and not live.finished_sha:
        return Ignore("It has no review to change.")
    return _ensured(pull, live)


def _ensured(pull: Pull, live: Live) -> ReviewPlan:
    """What it takes until the change that `pull` shows has a review, live or finished."""
    if not pull.is_open:
        return Ignore("Newer events are known: it is closed.")
    if live.waiting:
        covered = live.waiting.covers(pull)
        return Ignore("Its review waits.") if covered else UpdateReview(live.waiting.pk, pull)
    if live.running:
        covered = live.running.covers(pull)
        return Ignore("Its review runs.") if covered else FollowUp(pull)
    if live.finished_sha == pull.head_sha:
        return Ignore("This commit was reviewed.")
    return CreateReview(pull)


_PLANS: Mapping[str, Callable[[Pull, Live], ReviewPlan]] = {
    "opened": _opened,
    "synchronize": _pushed,
    "reopened": _reopened,
    "ready_for_review": _ensured,
    "converted_to_draft": _drafted,
    "edited": _edited,
}
ACTIONS = {*_PLANS, "closed"}
"""The actions that may change something; all others are written down and ignored."""


def known_after(action: str, pull: Pull, known: Pull | None) -> Pull | None:
    """What is known once this event was seen; None when it teaches nothing.

    Actions that change no review teach nothing: else a label could make a late push look stale.
    """
    if action not in {*ACTIONS, RECONCILED} or is_stale(action, pull, known):
        return None
    if known is not None and not pull.before_sha and pull.head_sha == known.head_sha:
        return replace(pull, before_sha=known.before_sha)
    return pull


def next_try(tries: int, *, received_at: datetime, now: datetime) -> datetime | None:
    """When a delivery that failed for the `tries`th time is tried again; None: no more."""
    at = now + BACKOFF[min(tries, len(BACKOFF)) - 1]
    return at if at <= received_at + GIVE_UP_AFTER else None


def first_fit(author: str, reviewers: Sequence[str]) -> str | None:
    """The first of these agents that isn't `author`'s account: nobody reviews their own work."""
    return next((name for name in reviewers if name != agent_name(author)), None)


def agent_name(account: str) -> str:
    """What the agent behind this account of GitHub's is called, if it is an agent's."""
    return account.upper().removesuffix("[BOT]")
