"""Known fixes on their way to agents: each time one is given, it is written down."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from agents.models import Agent, Attempt
from failures import queries
from failures.models import Failure, FailureGroup, GuidanceShown
from failures.policy import text_hash
from failures.services.log import NewFailure, log_failure
from failures.states import GuidanceVia


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A text that an agent is given now."""

    group_id: int
    text: str
    agent: Agent
    attempt: Attempt | None = None
    via: GuidanceVia


def note_shown(shown: Sequence[Shown], *, now: datetime) -> None:
    """Write down what agents are told; empty texts are nothing, and cost no statement."""
    rows = [
        GuidanceShown(
            group_id=one.group_id,
            text_hash=text_hash(one.text),
            agent=one.agent,
            attempt=one.attempt,
            via=one.via.value,
            at=now,
        )
        for one in shown
        if one.text
    ]
    if rows:
        GuidanceShown.objects.bulk_create(rows, ignore_conflicts=True)


def note_answer(failure: Failure, *, now: datetime) -> None:
    """The agent that reported `failure`, as the log gave it, hears the known fix in the answer."""
    note_shown(
        [
            Shown(
                group_id=failure.fix_of,
                text=failure.known_fix,
                agent=failure.agent,
                attempt=failure.attempt,
                via=GuidanceVia.FAILURE_ANSWER,
            )
        ],
        now=now,
    )


def log_and_answer(report: NewFailure, *, now: datetime) -> Failure:
    """Store one report whose author hears the known fix at once."""
    with transaction.atomic():
        failure = log_failure(report, now=now)
        note_answer(failure, now=now)
    return failure


@dataclass(frozen=True)
class KnownFix:
    """What an approved learning says about a group, now."""

    group_id: int
    """The group that it is written on: the root of the failure's own, or a member."""
    text: str


def known_fixes(fingerprints: Collection[str]) -> dict[str, KnownFix]:
    """What is known of these failures, by fingerprint; nothing where nothing is."""
    found = FailureGroup.objects.filter(fingerprint__in=set(fingerprints))
    prints = dict(found.order_by().values_list("id", "fingerprint"))
    totals = queries.totals(prints) if prints else {}
    return {
        prints[pk]: KnownFix(total.guidance_of, total.guidance)
        for pk, total in totals.items()
        if total.guidance
    }


def shown_of(group: FailureGroup, *, limit: int) -> list[GuidanceShown]:
    """To whom the root's guidance was given, the newest first, with agents and dispatches."""
    found = GuidanceShown.objects.filter(group__in=queries.member_ids(group)).select_related(
        "agent", "attempt__dispatch"
    )
    return list(found.order_by("-id")[:limit])
