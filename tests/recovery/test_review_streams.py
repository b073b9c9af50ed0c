"""Whatever GitHub's deliveries do on their way, and whatever never arrives: the newest commit of an
open pull request ends with exactly one review, and a closed one with none live."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from agents.models import Agent, Dispatch
from agents.states import AgentRole, DispatchStatus
from failures.states import ErrorType
from recovery.models import PullRequest
from recovery.policy_reviews import RECONCILED
from recovery.pulls import read_pull
from recovery.services import claims, deliveries, reconcile, reports
from recovery.services.deliveries import Incoming
from recovery.services.reviews import apply_pull
from recovery.states import TriggerSource
from tests.recovery.github import KEY, pull_event
from tests.recovery.world import T0, hire

LIVE = ("pending", "retrying", "blocked", "running")
MOVES = st.lists(st.sampled_from(["push", "edit", "close", "reopen", "label", "ready"]), max_size=8)


def history(moves: list[str], gaps: list[int]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What GitHub sends of a pull request that lives so, and what its REST shows at the end."""
    at, heads, is_open = 0, 0, True
    events = [pull_event("opened", head="a", at=0)]
    for move, gap in zip(moves, gaps, strict=False):
        at += gap
        head = "abcdef0123456789"[heads]
        if move == "push" and is_open:
            heads += 1
            new = "abcdef0123456789"[heads]
            pushed = pull_event("synchronize", head=new, at=at, before=head * 40, after=new * 40)
            events.append(pushed)
        elif move == "close" and is_open:
            is_open = False
            events.append(pull_event("closed", head=head, at=at))
        elif move == "reopen" and not is_open:
            is_open = True
            events.append(pull_event("reopened", head=head, at=at))
        elif move in {"edit", "label", "ready"}:
            action = {"edit": "edited", "label": "labeled", "ready": "ready_for_review"}[move]
            state = "open" if is_open else "closed"
            events.append(pull_event(action, head=head, at=at, state=state))
    final = dict(events[-1])
    final["pull_request"] = dict(final["pull_request"], state="open" if is_open else "closed")
    return events, final


def act_as_reviewer(quinn: Agent, rng: random.Random, now: Any) -> None:
    """Now and then the reviewer takes, ends or fails a review."""
    if rng.random() < 0.6:
        return
    running = Dispatch.objects.filter(status=DispatchStatus.RUNNING.value).first()
    if running is None:
        claims.claim_work(quinn, now=now)
        return
    held = running.attempts.get(outcome="running")
    if rng.random() < 0.7:
        reports.complete_dispatch(running.pk, held.claim, by=None, now=now)
    else:
        report = reports.FailureReport(error_type=ErrorType.OTHER, message="Out of memory")
        reports.fail_dispatch(running.pk, held.claim, report, by=None, now=now)


class Streams(TestCase):
    """A class, since Hypothesis rolls each example back."""

    @settings(
        max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(
        moves=MOVES,
        gaps=st.lists(st.integers(0, 3), min_size=8, max_size=8),
        seed=st.integers(0, 2**32 - 1),
        dropped=st.floats(0, 0.6),
    )
    def test_any_stream_with_drops_ends_right_once_reconciled(self, moves, gaps, seed, dropped):
        rng = random.Random(seed)
        quinn = hire("QUINN", role=AgentRole.REVIEWER)
        events, final = history(moves, gaps)
        sent = [(f"guid-{n}", event) for n, event in enumerate(events) if rng.random() >= dropped]
        sent += [pair for pair in sent if rng.random() < 0.3]  # Redelivered.
        rng.shuffle(sent)
        now = T0
        for guid, event in sent:
            now += timedelta(seconds=1)
            body = Incoming(guid=guid, event="pull_request", body=event)
            assert deliveries.receive(body, now=now).delivery.status in {"processed", "ignored"}
            act_as_reviewer(quinn, rng, now)
        self.reconciled(final, now + timedelta(seconds=5))
        self.check(final)

    def reconciled(self, final: dict[str, Any], now: Any) -> None:
        """What a listing does, and the look at single ones that are listed no more."""
        is_open = final["pull_request"]["state"] == "open"
        if is_open or PullRequest.objects.filter(state="open").exists():
            with transaction.atomic():
                apply_pull(RECONCILED, read_pull(final), source=TriggerSource.RECONCILE, now=now)
        reconcile.cover_known(now=now)

    def check(self, final: dict[str, Any]) -> None:
        rows = list(Dispatch.objects.filter(unique_key=KEY))
        live = [row for row in rows if row.status in LIVE and row.cancel_requested_at is None]
        if final["pull_request"]["state"] != "open":
            assert not live, [(row.status, row.payload["headSha"][0]) for row in rows]
            return
        newest = final["pull_request"]["head"]["sha"]
        covers = [
            row
            for row in rows
            if row.payload["headSha"] == newest
            and (row in live or row.status in {"completed", "exhausted"})
        ]
        assert covers, [(row.status, row.payload["headSha"][0]) for row in rows]
        assert sum(row in live for row in covers) <= 1
        stale = [row for row in live if row.payload["headSha"] != newest]
        assert all(row.status == "running" for row in stale), "only what runs may be of the past"
