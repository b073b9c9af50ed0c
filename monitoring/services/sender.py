"""Carrying what is in the outbox to the sinks outside.

A try is written before it is made, so a message may arrive twice but is never lost: a repeat comes
only from a sender that died between the receiver's answer and its own commit, and has the same key.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from agents import policy_sinks
from agents.clock import db_now
from agents.models import Message, Sink
from agents.services import records, sending
from agents.services.sending import Result, Taken
from agents.states import DeliveryState, SinkKind
from failures.models import Incident
from failures.services.incidents import resolve_by_key
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind
from monitoring import policy_sending as policy
from monitoring.policy_text import neutral
from monitoring.sinks import apprise, webhook
from monitoring.states import Part

logger = logging.getLogger(__name__)

SENDER_LOCK = 0x45564F06
THREADS = 8
TAKING_SECONDS = 8.0
"""How long a round takes new ones: with a last try of 12 s, it ends within 20 s."""
MOST = 2_000
"""How many tries a round makes at most."""
# Telling over a sink that a sink is dead would go round in circles.
OWN_KINDS = (IncidentKind.DELIVERY_DEAD.value, IncidentKind.SELF.value)

Clock = Callable[[], datetime]


@dataclass
class Round:
    """One round: its means, and what it learned meanwhile. Shared by its threads."""

    clock: Clock
    draw: Callable[[], float]
    ends: float
    """By `time.monotonic`."""
    left: int
    done: Counter[DeliveryState] = field(default_factory=Counter)
    silent: set[int] = field(default_factory=set)
    """Sinks that did not answer at all: this round leaves them alone."""

    def goes_on(self) -> bool:
        """Whether another one may be taken; counts it."""
        self.left -= 1
        return self.left >= 0 and time.monotonic() < self.ends


def send_alone() -> Mapping[DeliveryState, int]:
    """A round of sending, unless another worker is at one.

    More would do no harm, but receivers that hang must not hold every process of a small worker.
    The lock ends with this process, however it ends.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SENDER_LOCK])
        if not cursor.fetchone()[0]:
            return {}
        done = send_due()
        records.beat(Part.SENDER, now=db_now())
        return done


def send_due(
    *,
    clock: Clock = db_now,
    draw: Callable[[], float] = random.random,
    threads: int = THREADS,
    seconds: float = TAKING_SECONDS,
    most: int = MOST,
) -> Mapping[DeliveryState, int]:
    """Send what is due, by so many threads; returns how many deliveries ended in which state.

    None is taken after `seconds`, nor after `most` tries. Any number of these may run at once, in
    any number of processes. With one thread, all is done in the caller's.
    """
    plan = Round(clock=clock, draw=draw, ends=time.monotonic() + seconds, left=most)
    if threads == 1:
        _work(plan)
        return plan.done
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for _ in range(threads):
            pool.submit(_work_in_thread, plan)
    return plan.done


def _work_in_thread(plan: Round) -> None:
    try:
        _work(plan)
    finally:
        connection.close()  # A thread's connection would otherwise outlive it.


def _work(plan: Round) -> None:
    while plan.goes_on():
        try:
            taken = sending.take_due(avoid=plan.silent, now=plan.clock())
            if taken is None:
                return
            _carry(taken, plan)
        except Exception:
            # What was taken lapses and is tried again, by this round or the next.
            logger.exception("A delivery could not be taken or written down.")
            return


def _carry(taken: Taken, plan: Round) -> None:
    answer = call(taken, now=plan.clock())
    if answer.status is None and not answer.sent and not answer.hopeless:
        plan.silent.add(taken.delivery.sink_id)
    now = plan.clock()
    verdict = policy.judge(
        answer,
        tries=taken.n if answer.sent else taken.n - sending.lost_tries(taken),
        created_at=taken.delivery.created_at,
        draw=plan.draw(),
        now=now,
    )
    state = conclude(taken, verdict, status=answer.status, now=now)
    if state is not None:
        plan.done[state] += 1
    if state is DeliveryState.SENT and taken.delivery.round > 0:
        why = "What was given up was sent again, and arrived."
        resolve_by_key(_dead_key(taken.delivery.sink), resolution=why, now=now)


def call(taken: Taken, *, now: datetime) -> policy.Answer:
    """Send it, this once. Raises nothing; no error holds a part of the address that is secret."""
    sink, message = taken.delivery.sink, taken.delivery.message
    kind = SinkKind(sink.kind)
    allow = settings.EVOX_SINK_ALLOW
    fault = policy_sinks.fault(kind, sink.url)
    if fault:
        return policy.Answer(error=fault, hopeless=True)
    try:
        match kind:
            case SinkKind.WEBHOOK:
                parcel = webhook.Parcel(
                    url=sink.url,
                    secret=sink.secret,
                    key=taken.delivery.idempotency_key,
                    body=webhook.body(_data(message, sink), at=message.created_at),
                )
                return webhook.send(parcel, allow=allow, now=now)
            case SinkKind.APPRISE:
                title = f"EVOX #{sink.channel.name}"
                return apprise.send(sink.url, title, neutral(message.text), allow=allow)
    except Exception as error:  # noqa: BLE001 - whatever a library raises, the row must say so
        return policy.Answer(error=f"EVOX could not send it ({type(error).__name__}).")


def conclude(
    taken: Taken, verdict: policy.Verdict, *, status: int | None, now: datetime
) -> DeliveryState | None:
    """Write the verdict down; a delivery that is given up opens an incident in the same moment."""
    match verdict:
        case policy.Sent():
            result = Result(state=DeliveryState.SENT, http_status=status)
        case policy.TryAgain(at=at, why=why):
            result = Result(
                state=DeliveryState.PENDING, next_try_at=at, http_status=status, error=why
            )
        case policy.GiveUp(why=why):
            return _give_up(taken, why, status=status, now=now)
    return sending.finish(taken, result, now=now)


def _give_up(taken: Taken, why: str, *, status: int | None, now: datetime) -> DeliveryState | None:
    result = Result(state=DeliveryState.DEAD, http_status=status, error=why)
    with transaction.atomic():
        # Whoever resolves an incident locks it before its deliveries; so here, too.
        _report(taken, why, now=now)
        state = sending.finish(taken, result, now=now)
        if state is None:
            transaction.set_rollback(True)
        return state


def _report(taken: Taken, why: str, *, now: datetime) -> None:
    sink, message = taken.delivery.sink, taken.delivery.message
    if _is_about_ourselves(message):
        logger.error("The sink %s is dead, and so was news of EVOX for it: %s", sink.name, why)
        return
    new = NewIncident(
        kind=IncidentKind.DELIVERY_DEAD,
        title=f"Messages of #{sink.channel.name} don't reach {sink.name}",
        message=f"Message {message.pk} was given up after {taken.n} tries: {why}",
        dedup_key=_dead_key(sink),
        metadata={"sink": sink.name, "delivery": taken.delivery.pk},
    )
    open_incident(new, now=now)


def _dead_key(sink: Sink) -> str:
    return f"delivery-dead:{sink.pk}"


def _is_about_ourselves(message: Message) -> bool:
    if message.subject_kind != "incident" or message.subject_id is None:
        return False
    return Incident.objects.filter(pk=message.subject_id, kind__in=OWN_KINDS).exists()


def _data(message: Message, sink: Sink) -> dict[str, object]:
    data: dict[str, object] = {
        "id": message.pk,
        "channel": sink.channel.name,
        "from": neutral(message.sender),
        "text": neutral(message.text),
        "priority": message.priority,
    }
    if message.subject_kind:
        data["subject"] = {"kind": message.subject_kind, "id": message.subject_id}
    return data
