"""A house in which every list of the admin has rows: a day of everything that EVOX keeps."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from agents.models import (
    Agent,
    AgentSession,
    Channel,
    IdempotencyRecord,
    Message,
    Pause,
    Sink,
)
from agents.services import pauses, sending
from agents.services.agents import create_key
from agents.services.messages import send_message
from agents.states import DeliveryState, SinkKind
from benchmarks.screenshots.worlds import HOUR, busy
from failures.models import FailureGroup, Incident
from failures.services import group_merges
from failures.services.guidance import log_and_answer
from failures.services.log import NewFailure, log_failure
from failures.states import ErrorType, IncidentKind
from learnings.models import AnalysisRun, Feedback, Learning
from learnings.policy.diagnosis import Found
from learnings.services import briefing, effects, lifecycle, revisions, switch
from learnings.services.analysis import analyse
from learnings.services.submissions import vote
from learnings.states import RevisionSource, Trigger, Vote
from monitoring.models import AuditFinding
from monitoring.services import rollups
from recovery.models import PullRequest, Repository
from recovery.services import incidents, rollbacks
from recovery.services.breakers import note_failure
from recovery.services.deliveries import Incoming, receive
from tests.recovery.github import pull_event, sha

DAY = timedelta(days=1)
REPO = {"id": 42, "full_name": "octo/house"}
MISTAKES = {
    "ModuleNotFoundError: No module named 'stripe_v7'": ErrorType.BUILD,
    "OSError: [Errno 28] No space left on device: '/var/cache/build'": ErrorType.OTHER,
    "HTTP 429 Too Many Requests from registry.example.com": ErrorType.API,
    "TimeoutError: the preview server did not answer within 30 s": ErrorType.TIMEOUT,
    "FAILED tests/test_invoice.py::test_total - assert 1190 == 1200": ErrorType.TEST,
    "error TS2339: Property 'total' does not exist on type 'Invoice'": ErrorType.BUILD,
}


def everything(now: datetime) -> None:
    """A busy day, and all that people, GitHub and hooks did besides."""
    busy(now)
    people(now)
    for part in (failures, learned, github, hooks, outbox, hours):
        part(now)


def people(now: datetime) -> None:
    """Keys, sessions, pauses, calls that may be repeated."""
    sam, leo, alex = (Agent.objects.get(name=name) for name in ("SAM", "LEO", "ALEX"))
    create_key(leo, label="build machine")
    create_key(None, label="nightly report")
    for n, agent in enumerate((sam, leo, alex) * 3):
        began = now - (n + 2) * 3 * HOUR
        AgentSession.objects.create(
            id=uuid.uuid4(),
            agent=agent,
            started_at=began,
            last_seen_at=began + 2 * HOUR,
            ended_at=began + 2 * HOUR,
        )
    then = now - 5 * HOUR
    pauses.pause(alex, until=then + 2 * HOUR, reason="Laptop update", actor="ann", now=then)
    pauses.resume(alex, actor="ann", reason="Done early", now=then + HOUR)
    pauses.pause(
        leo, until=now + HOUR, reason="Moves to the new build machine", actor="MAX", now=now
    )
    note_failure(alex, dispatch_id=1, others_have_it=False, now=now - HOUR)
    for n in range(6):
        IdempotencyRecord.objects.create(
            scope=f"agent:{sam.pk} POST /api/v1/failures",
            key=f"build-{4711 + n}",
            body_hash="0" * 64,
            status=201,
            answer={},
            created_at=now - n * HOUR,
        )
    assert Pause.objects.exists()


def failures(now: datetime) -> None:
    """A week of mistakes, some alike, one resolved, two held for one."""
    names = ("SAM", "LEO", "ALEX")
    for n, (message, kind) in enumerate(MISTAKES.items()):
        for again in range(3 + n):
            agent = Agent.objects.get(name=names[(n + again) % 3])
            report = NewFailure(
                agent=agent, error_type=kind, message=message, ticket_id=f"AGT-{350 + n}"
            )
            log_failure(report, now=now - DAY + (n + 6 * again) * timedelta(minutes=17))
    full, registry = (
        FailureGroup.objects.filter(template__contains=words).get()
        for words in ("No space left", "Too Many Requests")
    )
    group_merges.merge(
        [full.pk], into=registry.pk, reason="Both come of the full cache.", actor="ann", now=now
    )


def learned(now: datetime) -> None:
    """Learnings in each state, who was told, what they thought, and what it changed."""
    analyse(Trigger.COMMAND, now=now - 20 * HOUR)
    proposed = list(Learning.objects.filter(status="proposed").order_by("id"))
    for row in proposed[:2]:
        lifecycle.approve(row.pk, actor="MAX", reason="True of each of us.", now=now - 19 * HOUR)
    message, kind = next(iter(MISTAKES.items()))
    for name in ("SAM", "ALEX"):
        agent = Agent.objects.get(name=name)
        log_and_answer(
            NewFailure(agent=agent, error_type=kind, message=message), now=now - 2 * HOUR
        )
        briefing.record_told(briefing.brief(agent, None), now=now - HOUR)
    active = Learning.objects.filter(status="active").order_by("id")
    for row, choice in zip(active, (Vote.HELPFUL, Vote.IRRELEVANT), strict=False):
        vote(row.pk, choice, voter="SAM", reason="It was just that.", now=now - HOUR)
    for row in active[:2]:
        origin = revisions.Origin(source=RevisionSource.RESOLUTION, author="LEO")
        words = Found(
            rule="Install with --frozen before the first build.",
            why="The lock file names the version that the build image has.",
        )
        revisions.propose(row, words, origin, now=now - HOUR)
    effects.measure(now=now)
    analyse(Trigger.WEEKLY, now=now - timedelta(minutes=40))
    switch.turn(on=False, actor="ann", reason="A wrong rule was told", now=now - 3 * HOUR)
    switch.turn(on=True, actor="ann", reason="It is retired", now=now - 2 * HOUR)
    assert AnalysisRun.objects.exists()
    assert Feedback.objects.exists()


def github(now: datetime) -> None:
    """Pull requests, what GitHub sent, and the reviews of it."""
    Repository.objects.update_or_create(
        repository_id=42,
        defaults={
            "name": "octo/house",
            "next_check_at": now + timedelta(minutes=3),
            "checked_at": now - timedelta(minutes=2),
            "proved_at": now - timedelta(minutes=2),
        },
    )
    titles = ("Add a door", "Count invoices by month", "Draft: new search", "Bump stripe to 7.2")
    for n, title in enumerate(titles):
        event: dict[str, Any] = pull_event(
            head="abcd"[n], title=title, draft=title.startswith("Draft")
        )
        event["number"] = event["pull_request"]["number"] = 40 + n
        at = now - (4 - n) * HOUR
        event["pull_request"]["updated_at"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        event["pull_request"]["html_url"] = f"https://github.com/octo/house/pull/{40 + n}"
        receive(Incoming(guid=str(uuid.uuid4()), event="pull_request", body=event), now=at)
    push = {"commits": [{"id": sha("e"), "message": "Closes AGT-341"}], "repository": REPO}
    for event_name, body in (("push", push), ("star", {"repository": REPO, "action": "created"})):
        receive(Incoming(guid=str(uuid.uuid4()), event=event_name, body=body), now=now - HOUR)
    broken = {"action": "opened", "number": 44, "pull_request": {}, "repository": REPO}
    receive(Incoming(guid=str(uuid.uuid4()), event="pull_request", body=broken), now=now)
    assert PullRequest.objects.exists()


def hooks(now: datetime) -> None:
    """What Git hooks took back."""
    kinds = (IncidentKind.ROLLED_BACK, IncidentKind.FIXED_FORWARD, IncidentKind.BUILD_FLAKY)
    for n, kind in enumerate(kinds):
        at = now - (n + 1) * HOUR
        told = {
            "originalCommit": "abc"[n] * 40,
            "revertCommit": "def"[n] * 40 if kind is IncidentKind.ROLLED_BACK else "",
            "branch": "main",
            "repo": "git@example.org:team/app.git",
            "buildError": "TypeError: total is undefined",
            "command": "npx next build",
            "exitCode": 1,
            "confirmed": n == 0,
            "committedAt": (at - timedelta(seconds=40)).isoformat(),
        }
        report = incidents.IncidentReport(
            kind=kind,
            message=f"{kind.value.replace('_', ' ')}: {told['originalCommit'][:12]}",
            agent=Agent.objects.get(name="LEO"),
            metadata=told,
            reported_by="LEO",
        )
        incidents.report_incident(report, now=at)
    rollbacks.pause(
        until=now + HOUR, reason="The release is cut by hand", actor="ann", now=now - HOUR / 2
    )


def outbox(now: datetime) -> None:
    """Two sinks, a message that arrived, one that is tried again, and what the auditor found."""
    ceo = Channel.objects.get(name="ceo")
    for name, url in (
        ("CEO's phone", "https://hooks.example.com/phone"),
        ("Night watch", "https://hooks.example.com/night"),
    ):
        Sink.objects.create(
            channel=ceo,
            name=name,
            kind=SinkKind.WEBHOOK.value,
            url=url,
            secret="whsec_" + "A" * 32,
            created_at=now - DAY,
        )
    incident = Incident.objects.filter(kind="exhausted").get()
    for n, text in enumerate(("SAM is stuck on AGT-341.", f"{incident.number} waits for you.")):
        send_message(text, to=ceo, about=("incident", incident.pk), now=now - (n + 1) * HOUR)
    busy_sink = "HTTP 503 Service Unavailable"
    results = (
        sending.Result(state=DeliveryState.SENT, http_status=200),
        sending.Result(
            state=DeliveryState.PENDING,
            next_try_at=now + timedelta(minutes=5),
            http_status=503,
            error=busy_sink,
        ),
        sending.Result(state=DeliveryState.DEAD, http_status=410, error="HTTP 410 Gone"),
    )
    for result in results:
        taken = sending.take_due(now=now - timedelta(minutes=9))
        if taken is not None:
            sending.finish(taken, result, now=now - timedelta(minutes=9) + timedelta(seconds=1))
    AuditFinding.objects.create(
        check_name="delivery_late",
        subject="delivery:2",
        detail="Waited 6 min longer than planned.",
        late_by=timedelta(minutes=6),
        found_at=now - timedelta(minutes=3),
        repaired_at=now - timedelta(minutes=3),
    )
    assert Message.objects.exists()


def hours(now: datetime) -> None:
    """The hours of the day, added up."""
    rollups.roll_up(now=now)
