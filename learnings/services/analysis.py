"""Find patterns, write a learning about each, and see how those that are told hold.

The weekly run, the command and the sweep are one service. It may run twice, at the same time, or
late: writers take turns, and each group and family has at most one live learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from agents.models import SystemBeat
from agents.services.records import beat
from failures.models import FailureGroup
from failures.services.group_proposals import proposals
from learnings import queries
from learnings.models import AnalysisRun, Learning
from learnings.policy import drafts
from learnings.policy.record import Did
from learnings.services import (
    diagnosis,
    documents,
    effects,
    news,
    recurrence,
    retirement,
    writing,
)
from learnings.services.guidance import out_of_step, sync_guidance
from learnings.services.locks import take_turn, wait_for_turn
from learnings.services.parts import Watch, nobody
from learnings.states import Trigger

BEAT = "learner"
OVERLAP = timedelta(minutes=5)
"""A failure is stamped before it is committed; a sweep looks back further than its last round."""


def analyse(trigger: Trigger, *, now: datetime, watch: Watch = nobody) -> AnalysisRun:
    """Look through the last seven days. A weekly run is made once an ISO week."""
    with transaction.atomic():
        wait_for_turn()
        run = _weekly_run_of(now) if trigger is Trigger.WEEKLY else None
        if run is None:
            run = _look_through(trigger, now, watch)
        else:
            news.announce_pending(now=now)
    documents.publish_all(watch=watch)
    return run


def sweep(*, now: datetime) -> AnalysisRun | None:
    """Write about groups that just became patterns, count what came back, repair what was left.

    Catches up on a weekly run that was missed. None when there was nothing to do.
    """
    last = queries.last_weekly_run()
    if drafts.weekly_due(now, last_week=last.iso_week if last else ""):
        run: AnalysisRun | None = analyse(Trigger.WEEKLY, now=now)
    else:
        run = _sweep_a_little(now)
    diagnosis.sweep(now=now)
    documents.repair_missing()
    beat(BEAT, now=now)
    return run


def _sweep_a_little(now: datetime) -> AnalysisRun | None:
    since = _last_look(now)
    if not (_fresh_patterns(since, now) or queries.anything_due(now=now)) and not (
        recurrence.seen_since(since) or recurrence.ended() or out_of_step()
    ):
        return None
    run = None
    with transaction.atomic():
        if not take_turn():
            return None
        did = Did()
        # Looked up again: whoever had the turn before may have written about them.
        fresh = _fresh_patterns(since, now)
        writing.write_about(fresh, did, now=now)
        _look_after(recurrence.seen_since(since), did, everything=False, now=now)
        did.add("announced", news.announce_pending(now=now))
        if did:
            run = _record(Trigger.SWEEP, len(fresh), did, now)
        sync_guidance(did.touched | set(out_of_step()))
    if run is not None:
        documents.publish_all(only=did.learnings)
    return run


def _look_through(trigger: Trigger, now: datetime, watch: Watch) -> AnalysisRun:
    threshold = settings.EVOX_PATTERN_THRESHOLD
    found, did = queries.count_patterns(threshold=threshold, now=now), Did()
    fresh = _fresh_patterns(now - drafts.WINDOW, now)
    families = queries.family_patterns(threshold=threshold, now=now)
    older = list(Learning.objects.live().order_by("id").values_list("id", flat=True))
    unwritten = [one for one in families if one.learning_id is None]
    writing.write_about([*fresh, *unwritten], did, now=now, watch=watch)
    did.add("refreshed", writing.refresh(older))
    _look_after(older, did, everything=True, now=now)
    if trigger is Trigger.WEEKLY:
        since = _last_digest(now)
        week = drafts.iso_week(now)
        did.add("announced", news.announce_made(did.touched, now=now))
        did.note("digest", news.post_digest(week, since=since, now=now))
        if merges := len(proposals(now)):
            did.note("mergesProposed", merges)
            news.tell_of_merges(merges, week, now=now)
    did.add("announced", news.announce_pending(now=now))
    run = _record(trigger, found + len(families), did, now)
    sync_guidance()
    return run


def _look_after(learnings: Sequence[int], did: Did, *, everything: bool, now: datetime) -> None:
    """Resolutions first: what was resolved counts anew."""
    for verb, ids in recurrence.note_ended(recurrence.ended(), now=now).items():
        did.add(verb, ids)
    recurrence.count_repeats(learnings)
    did.add("watched", recurrence.watch_repeated(now=now))
    if everything:
        did.add("judged", effects.measure(now=now))
    did.add("retired", retirement.retire_due(all_of_them=everything, now=now))
    did.add("reviewAsked", retirement.ask_reviews(now=now))
    did.add("approved", writing.approve_waiting(now=now))


def _record(trigger: Trigger, patterns: int, did: Did, now: datetime) -> AnalysisRun:
    run = AnalysisRun.objects.create(
        trigger=trigger.value,
        iso_week=drafts.iso_week(now),
        started_at=now,
        window_from=now - drafts.WINDOW,
        window_to=now,
        patterns_found=patterns,
        learnings_made=did.count("made"),
        learnings_refreshed=did.count("refreshed"),
        did=did.record(),
    )
    AnalysisRun.objects.filter(pk=run.pk).update(finished_at=Now())
    return run


def _last_look(now: datetime) -> datetime:
    last = SystemBeat.objects.filter(name=BEAT).values_list("at", flat=True).first()
    return now - drafts.WINDOW if last is None else last - OVERLAP


def _last_digest(now: datetime) -> datetime:
    last = queries.last_weekly_run()
    return now - drafts.WINDOW if last is None else last.started_at


def _fresh_patterns(seen_since: datetime, now: datetime) -> list[FailureGroup]:
    return queries.patterns_without_learning(
        threshold=settings.EVOX_PATTERN_THRESHOLD, seen_since=seen_since, now=now
    )


def _weekly_run_of(now: datetime) -> AnalysisRun | None:
    week = drafts.iso_week(now)
    return AnalysisRun.objects.filter(trigger=Trigger.WEEKLY.value, iso_week=week).first()
