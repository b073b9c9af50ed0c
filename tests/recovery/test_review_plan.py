"""What an event means for a review, as a table: the decision alone, without a database."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery import policy_reviews
from recovery.policy_reviews import (
    ACTIONS,
    CancelReview,
    CreateReview,
    FollowUp,
    Ignore,
    Live,
    Review,
    UpdateReview,
    known_after,
    plan_review,
)
from recovery.pulls import read_pull
from tests.recovery.github import pull_event, sha


def pull(action="opened", **parts):
    return read_pull(pull_event(action, **parts))


WAITS = Review(pk=1, head_sha=sha("a"), base="main")
RUNS = Review(pk=2, head_sha=sha("a"), base="main")
LIVES = {
    "none": Live(),
    "waits": Live(waiting=WAITS),
    "runs": Live(running=RUNS),
    "runs, follow-up waits": Live(waiting=WAITS, running=RUNS),
    "older finished": Live(finished_sha=sha("9")),
    "this finished": Live(finished_sha=sha("b")),
}
TABLE = {
    "opened": ("create", "-", "-", "-", "create", "-"),
    "synchronize": ("create", "update", "follow", "update", "create", "-"),
    "reopened": ("create", "update", "follow", "update", "create", "create"),
    "ready_for_review": ("create", "update", "follow", "update", "create", "-"),
    "converted_to_draft": ("-", "-", "-", "-", "-", "-"),
    "edited": ("-", "update", "follow", "update", "create", "-"),
    "closed": ("-", "cancel 1", "cancel 2", "cancel 1 2", "-", "-"),
    "labeled": ("-", "-", "-", "-", "-", "-"),
}
CASES = [
    (action, live, effect)
    for action, effects in TABLE.items()
    for live, effect in zip(LIVES, effects, strict=True)
]


def test_the_table_has_every_action_that_may_change_something():
    assert set(TABLE) - {"labeled"} == ACTIONS


@pytest.mark.parametrize(("action", "live", "effect"), CASES)
def test_an_event_of_a_new_commit_does_what_the_table_says(action, live, effect):
    new = pull(action, head="b")

    plan = plan_review(action, new, LIVES[live])

    expected = {
        "create": CreateReview(new),
        "update": UpdateReview(1, new),
        "follow": FollowUp(new),
        "cancel 1": CancelReview((1,)),
        "cancel 2": CancelReview((2,)),
        "cancel 1 2": CancelReview((1, 2)),
    }
    if effect == "-":
        assert isinstance(plan, Ignore)
    else:
        assert plan == expected[effect]


@pytest.mark.parametrize("action", ["synchronize", "reopened", "edited", "ready_for_review"])
def test_a_running_review_of_the_same_commit_and_base_is_left_alone(action):
    assert isinstance(plan_review(action, pull(action), Live(running=RUNS)), Ignore)


def test_a_running_review_that_is_to_be_cancelled_gets_a_follow_up():
    dying = Review(pk=2, head_sha=sha("a"), base="main", cancel_requested=True)
    again = pull("reopened")

    assert plan_review("reopened", again, Live(running=dying)) == FollowUp(again)


def test_another_base_is_another_change():
    moved = pull("edited", base={"ref": "next", "sha": sha("1")})

    assert plan_review("edited", moved, Live(running=RUNS)) == FollowUp(moved)


def test_a_stale_event_changes_nothing():
    old, known = pull("synchronize", head="b", at=1), pull("synchronize", head="c", at=2)
    covered = Live(running=Review(pk=2, head_sha=sha("c"), base="main"))

    assert isinstance(plan_review("synchronize", old, covered, known=known), Ignore)
    assert isinstance(plan_review("closed", pull("closed"), covered, known=known), Ignore)
    assert known_after("synchronize", old, known) is None


def test_a_stale_event_creates_the_newest_review_when_there_is_none():
    old, known = pull("opened", head="b", at=1), pull("edited", head="c", at=2)

    assert plan_review("opened", old, Live(), known=known) == CreateReview(known)


def test_a_stale_event_creates_nothing_once_the_pull_request_is_closed():
    closed = pull("closed", at=2)

    for action in ("opened", "synchronize", "reopened"):
        assert isinstance(plan_review(action, pull(action), Live(), known=closed), Ignore)


def test_an_open_pull_request_that_was_closed_must_have_been_reopened():
    edited = pull("edited", at=2)

    assert plan_review("edited", edited, Live(), known=pull("closed")) == CreateReview(edited)


def test_a_label_does_not_make_a_late_push_stale():
    assert known_after("labeled", pull("labeled", at=9), pull("opened")) is None


def test_within_one_second_closed_wins():
    opened, closed = pull("reopened"), pull("closed")

    assert policy_reviews.is_stale("reopened", opened, closed)
    assert not policy_reviews.is_stale("closed", closed, opened)


def test_within_one_second_the_pushes_keep_their_order():
    first = pull("synchronize", head="b", before=sha("a"))
    second = pull("synchronize", head="c", before=sha("b"))

    assert not policy_reviews.is_stale("synchronize", second, first)
    assert policy_reviews.is_stale("synchronize", first, second)
    assert policy_reviews.is_stale("opened", pull("opened"), first)


LIFE = [
    ("opened", "a", 0),
    ("synchronize", "b", 1),
    ("closed", "b", 2),
    ("reopened", "b", 3),
    ("edited", "b", 3),
    ("synchronize", "c", 4),
    ("closed", "c", 5),
    ("reopened", "c", 6),
]


@settings(deadline=None)  # Two busy cores take what time they like.
@given(st.lists(st.sampled_from(range(len(LIFE))), min_size=1, max_size=12))
def test_whatever_arrives_the_newest_state_seen_decides(numbers):
    """Against the decision alone, with what waits carried along."""
    known, live = None, Live()
    for action, head, at in [LIFE[number] for number in numbers]:
        now = pull(action, head=head, at=at)
        plan = plan_review(action, now, live, known=known)
        known = (known_after(action, now, known) or known) if known else now
        match plan:
            case CreateReview(pull=of) | UpdateReview(pull=of):
                live = Live(waiting=Review(pk=1, head_sha=of.head_sha, base=of.base))
            case CancelReview():
                live = Live()
            case FollowUp():
                raise AssertionError("Nothing runs here.")
            case Ignore():
                pass

    newest = max(at for _, _, at in [LIFE[number] for number in numbers])
    assert known.updated_at.second == newest
    only_edited = {LIFE[number][0] for number in numbers} == {"edited"}
    if known.is_open and not only_edited:
        assert live.waiting.head_sha == known.head_sha
    else:
        assert live.waiting is None
