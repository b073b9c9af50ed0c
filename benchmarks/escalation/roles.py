"""What each child of the chaos run does until it is killed or told to end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from benchmarks.escalation.faults import Book, Faults

Terms = Mapping[str, Any]


def watcher(terms: Terms, faults: Faults, book: Book) -> Callable[[], None]:
    """Rounds of watching."""
    from agents.clock import db_now
    from failures.services import opening
    from monitoring.services import escalation
    from monitoring.services.watch import watch

    def always(_: object) -> bool:
        return True

    faults.after(opening, "add_lines", "open: inside", when=always)
    faults.after(escalation, "add_lines", "escalate: inside", when=always)
    faults.after(escalation, "send_messages", "escalate: said")
    faults.after(escalation, "_take_steps", "escalate: committed", when=always)
    return lambda: _then_rest(watch, now=db_now())


def careless(terms: Terms, faults: Faults, book: Book) -> Callable[[], None]:
    """Escalates what nobody acts on without row locks, and late: only the constraint stops it."""
    from django.db import IntegrityError
    from django.db.models import QuerySet

    from agents.clock import db_now
    from failures.models import Incident
    from monitoring.services import escalation

    QuerySet.select_for_update = lambda self, *_, **__: self._chain()
    chance = random.Random(terms["seed"])
    real_clocks, real_steps = escalation.Clocks.of, escalation._take_steps

    def clocks(incidents: Any, **kwargs: Any) -> Any:
        _wait_for_somebody_else(incidents, seconds=chance.uniform(1, 3))
        return real_clocks(incidents, **kwargs)

    def due(*, now: Any) -> list[int]:
        rows = Incident.objects.filter(next_step_at__lte=now + timedelta(seconds=1))
        # The levels that no other one overtakes.
        rows = rows.filter(kind="reported") | rows.filter(
            dispatch__ticket_id="alone", escalation_level=2
        )
        soon = dict(rows.order_by("next_step_at").values_list("id", "next_step_at")[:5])
        if soon:
            time.sleep(max(0.0, (min(soon.values()) - now).total_seconds()))
        return list(soon)

    def steps(pks: Any, **_: Any) -> None:
        try:
            real_steps(pks, now=db_now())
        except IntegrityError as error:
            book.write("refused", why=str(error).partition("\n")[0])
            raise

    escalation.Clocks.of = clocks
    escalation._due_ids = due
    escalation._take_steps = steps
    return lambda: _then_rest(escalation.escalate_due, seconds=0.05, now=db_now())


def _wait_for_somebody_else(incidents: Any, *, seconds: float) -> None:
    """Until another one told of one of these incidents, or that long."""
    from failures.models import Incident

    seen = {incident.pk: incident.version for incident in incidents}
    rows = Incident.objects.filter(pk__in=list(seen))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and dict(rows.values_list("id", "version")) == seen:
        time.sleep(0.02)


def auditor(terms: Terms, faults: Faults, book: Book) -> Callable[[], None]:
    """Audits, far more often than every minute."""
    from agents.clock import db_now
    from monitoring.services.auditor import audit

    return lambda: _then_rest(audit, seconds=2, now=db_now())


def sender(terms: Terms, faults: Faults, book: Book) -> Callable[[], None]:
    """Rounds of sending by two threads; every kill says which keys were in hand."""
    from agents.services import sending
    from monitoring.services import sender as sending_round
    from monitoring.sinks import webhook

    _with_terms(sending, sending_round, webhook, terms)
    real_call, real_conclude = sending_round.call, sending_round.conclude

    def call(taken: Any, **kwargs: Any) -> Any:
        faults.in_hand.add(taken.delivery.idempotency_key)
        return real_call(taken, **kwargs)

    def conclude(taken: Any, *args: Any, **kwargs: Any) -> Any:
        state = real_conclude(taken, *args, **kwargs)
        faults.in_hand.discard(taken.delivery.idempotency_key)
        return state

    faults.after(sending, "_begin_try", "claim: inside")
    faults.after(sending, "take_due", "claim: committed")
    sending_round.call, sending_round.conclude = call, conclude
    faults.after(sending_round, "call", "send: answered", when=lambda answer: answer.sent)
    faults.after(sending, "_end", "record: inside")
    return lambda: _then_rest(sending_round.send_due, threads=2, seconds=5.0)


def _with_terms(sending: Any, sending_round: Any, webhook: Any, terms: Terms) -> None:
    """A shorter lease and patience when the run is small, and what the run goes without."""
    lease = timedelta(seconds=0 if terms["without"] == "lease" else terms["lease"])
    real_take, real_send = sending.take_due, webhook.send
    sending.take_due = lambda **kwargs: real_take(**{"lease": lease} | kwargs)
    webhook.send = lambda *args, **kwargs: real_send(
        *args, **{"seconds": terms["patience"]} | kwargs
    )
    if terms["without"] == "lapse":
        sending._lapsed = lambda _: None


def _then_rest(act: Callable[..., object], *, seconds: float = 0.3, **kwargs: Any) -> None:
    act(**kwargs)
    time.sleep(seconds)


def person(terms: Terms, faults: Faults, book: Book) -> Callable[[], None]:
    """Acknowledges, snoozes, resolves, and tries what is stale, on incidents that are its own."""
    from failures.services import incidents

    incidents.ACK_LASTS = timedelta(seconds=terms["ack_lasts"])
    chance = random.Random(f"{terms['seed']} {time.time()}")
    return lambda: _act(chance, terms, book)


def _act(chance: random.Random, terms: Terms, book: Book) -> None:
    from agents.clock import db_now
    from failures.models import Incident

    time.sleep(chance.uniform(0.02, 0.2))
    if time.time() > terms["acts_until"]:
        return
    rows = Incident.objects.filter(status="open", dispatch__ticket_id="acted")
    known = list(rows.values_list("id", "version"))
    if not known:
        return
    pk, version = chance.choice(known)
    time.sleep(chance.uniform(0, 0.6))  # Meanwhile a round may change it.
    begun = db_now().isoformat()
    status = _ask(chance, pk, version, terms, book)
    times = {"begun": begun, "done": db_now().isoformat()}
    book.write("acted", incident=pk, status=status, **times)
    if status == 200:  # So this version is gone for good.
        late = _post(book, pk, "acknowledge", {"version": version})
        book.write("stale", incident=pk, status=late)


def _ask(chance: random.Random, pk: int, version: int, terms: Terms, book: Book) -> int:
    from agents.clock import db_now
    from agents.models import Dispatch

    match chance.choices(("acknowledge", "snooze", "resolve"), (5, 2, 2))[0]:
        case "snooze":
            until = (db_now() + timedelta(seconds=terms["ack_lasts"] + 4)).isoformat()
            extra = {"until": until, "reason": "Lunch."}
            return _post(book, pk, "snooze", {"version": version, **extra})
        case "resolve":
            status = _post(book, pk, "resolve", {"version": version, "resolution": "Done."})
            if status == 200:  # Else it would be seen standing still again.
                progress = db_now() + timedelta(days=1)
                Dispatch.objects.filter(incidents=pk).update(last_progress_at=progress)
            return status
        case _:
            return _post(book, pk, "acknowledge", {"version": version})


def _post(book: Book, pk: int, verb: str, data: dict[str, Any]) -> int:
    from django.test import Client

    answer = Client().post(
        f"/api/v1/incidents/{pk}/{verb}",
        data,
        content_type="application/json",
        headers={"host": "localhost"},
    )
    if answer.status_code not in {200, 409}:
        book.write("odd answer", verb=verb, body=answer.content.decode())
    return answer.status_code
