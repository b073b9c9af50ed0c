"""What rows, the receiver's book and the children's own say of a chaos run."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.escalation import verdict
from benchmarks.escalation.faults import POINTS, Book, Tickets

HEAD = ("", "figure")
DEALT_WITH = ("acknowledged", "snoozed", "resolved")


def is_over(folder: Path, size: Any) -> bool:
    """Whether everything was said and sent, and nobody acts any more."""
    from agents.models import Delivery
    from failures.models import Incident

    if time.time() < json.loads((folder / "terms.json").read_text())["acts_until"] + 2:
        return False
    expected = size.alone + size.acted + size.critical
    live = Incident.objects.exclude(status="resolved")
    waiting = live.exclude(escalation_level=3) | live.filter(status="acknowledged")
    waiting |= live.filter(snoozed_until__isnull=False)
    unsent = Delivery.objects.filter(state__in=("pending", "sending"))
    return not (Incident.objects.count() < expected or waiting.exists() or unsent.exists())


def judged(
    folder: Path, size: Any, *, over: bool, took: float
) -> tuple[list[tuple[str, ...]], list[str]]:
    """The table's rows, and what was violated."""
    from failures.models import Incident

    book = Book(folder / "book.jsonl")
    live = list(Incident.objects.exclude(status="resolved").select_related("dispatch"))
    levels = verdict.levels(live)
    wrong = levels.violations() + _doubled_and_resolved()
    if not over:
        wrong.append(f"not everything was told and sent in time; see {folder}")
    expected = size.alone + size.acted + size.critical
    kinds = Counter(Incident.objects.values_list("kind", flat=True))
    if kinds.total() != expected:
        wrong.append(f"{expected} incidents were to be, and there are {dict(kinds)}")
    alone = [i for i in live if i.dispatch is None or i.dispatch.ticket_id == "alone"]
    late, undisturbed = verdict.lateness(alone), verdict.levels(alone)
    rows = [
        ("incidents (resolved by people)", f"{expected:,} ({expected - len(live)})"),
        ("levels that must be told", f"{levels.expected:,}"),
        ("told, superseded", f"{levels.told:,}, {levels.superseded}"),
        ("… of what nobody acted on", f"{undisturbed.told:,}, {undisturbed.superseded}"),
        ("levels missed, doubled", f"{levels.missed}, {levels.doubled}"),
        ("messages of levels missing, doubled", f"{levels.unsaid}, {levels.said_twice}"),
        ("latest level of what nobody acted on", f"{late[-1]:.1f} s"),
    ]
    for part in (_kills, _sent, _repeats, _acts):
        more, bad = part(folder, book)
        rows += more
        wrong += bad
    rows.append(("took", f"{took:.0f} s"))
    return rows, wrong


def _doubled_and_resolved() -> list[str]:
    from django.db.models import Count

    from failures.models import IncidentEvent

    told = IncidentEvent.objects.filter(kind="escalated", incident__status="resolved").order_by()
    doubled = told.values("incident", "level").annotate(n=Count("id")).filter(n__gt=1).count()
    return [f"levels doubled of what was resolved: {doubled}"] if doubled else []


def _kills(folder: Path, book: Book) -> tuple[list[tuple[str, str]], list[str]]:
    kills = Counter(line["point"] for line in book.read("killed"))
    left, fell = Tickets(folder / "tickets").left(), book.read("fell")
    wrong = [f"kills that did not happen: {dict(left)}"] if left else []
    wrong += [f"children that fell by themselves: {len(fell)}, see {folder}"] if fell else []
    rows = [("hard kills", f"{kills.total():,}")]
    rows += [(f"… {point}", str(kills[point])) for point in POINTS]
    rows.append(("doubles that the constraint refused", str(len(book.read("refused")))))
    return rows, wrong


def _sent(folder: Path, book: Book) -> tuple[list[tuple[str, str]], list[str]]:
    """Every message of a channel is at each of its sinks, or was taken back before it left."""
    from agents.models import Delivery, Message, Sink

    answers = Counter(line["status"] for line in book.read("received"))
    arrived = {line["key"] for line in book.read("received") if line["status"] == 204}
    sinks = Counter(Sink.objects.values_list("channel_id", flat=True))
    said = Message.objects.filter(channel__isnull=False)
    expected = sum(sinks[channel] for channel in said.values_list("channel_id", flat=True))
    states: Counter[str] = Counter()
    undelivered = unexplained = 0
    dealt = _dealt_with()
    fields = ("idempotency_key", "state", "message__subject_id", "created_at")
    for key, state, incident, created in Delivery.objects.values_list(*fields):
        states[state] += 1
        if state == "cancelled":
            unexplained += not any(at >= created for at in dealt.get(incident, ()))
        else:
            undelivered += key not in arrived
    undelivered += expected - states.total()
    rows = [
        ("messages of channels, deliveries due", f"{said.count():,}, {expected:,}"),
        ("taken back before they left", str(states["cancelled"])),
        ("undelivered", str(undelivered)),
        ("answered 204, 503", f"{answers[204]:,}, {answers[503]:,}"),
    ]
    wrong = [f"undelivered: {undelivered}"] if undelivered else []
    wrong += [f"taken back for no reason: {unexplained}"] if unexplained else []
    odd = {status: n for status, n in answers.items() if status not in {204, 503}}
    return rows, wrong + ([f"calls that were not in order: {odd}"] if odd else [])


def _dealt_with() -> dict[int, list[datetime]]:
    from failures.models import IncidentEvent

    acts: dict[int, list[datetime]] = {}
    lines = IncidentEvent.objects.filter(kind__in=DEALT_WITH).order_by()
    for incident, at in lines.values_list("incident_id", "at"):
        acts.setdefault(incident, []).append(at)
    return acts


def _repeats(folder: Path, book: Book) -> tuple[list[tuple[str, str]], list[str]]:
    """A key comes twice only if its sender was killed with it in hand, or no longer waited."""
    from agents.models import DeliveryAttempt

    came = Counter(line["key"] for line in book.read("received") if line["status"] == 204)
    may = Counter(key for line in book.read("killed") for key in line["in_hand"])
    gave_up = DeliveryAttempt.objects.filter(outcome="failed", http_status__isnull=True)
    may.update(gave_up.values_list("delivery__idempotency_key", flat=True))
    repeats = sum(n - 1 for n in came.values())
    unexplained = sum(max(0, n - 1 - may[key]) for key, n in came.items())
    rows = [
        ("repeats, all with the same key", str(repeats)),
        ("… without a cause", f"{unexplained}"),
    ]
    return rows, [f"repeats that nothing explains: {unexplained}"] if unexplained else []


def _acts(folder: Path, book: Book) -> tuple[list[tuple[str, str]], list[str]]:
    """What people did counted: no level while it rested, and no try of what was said before."""
    acted, stale = book.read("acted"), book.read("stale")
    answers = Counter(line["status"] for line in acted)
    accepted = sum(line["status"] != 409 for line in stale)
    disturbed, spite = _disturbed(), _in_spite(acted)
    rows = [
        ("acts of people: done, raced and refused", f"{answers[200]}, {answers[409]}"),
        ("stale acts: tried, refused by 409", f"{len(stale)}, {len(stale) - accepted}"),
    ]
    wrong = [f"stale acts that were accepted: {accepted}"] if accepted else []
    wrong += [f"told while it rested: {disturbed}"] if disturbed else []
    wrong += [f"sent after it was dealt with: {spite}"] if spite else []
    odd = {status: n for status, n in answers.items() if status not in {200, 409}}
    return rows, wrong + ([f"acts with other answers: {odd}"] if odd else [])


def _disturbed() -> int:
    """Levels and reminders between an acknowledgement or snooze and its end."""
    from failures.models import IncidentEvent

    rests: dict[int, set[str]] = {}
    bad = 0
    lines = IncidentEvent.objects.order_by("incident_id", "seq")
    for incident, kind in lines.values_list("incident_id", "kind"):
        resting = rests.setdefault(incident, set())
        if kind in {"acknowledged", "snoozed"}:
            resting.add(kind)
        resting -= {"acknowledgement_ended": {"acknowledged"}, "snooze_ended": {"snoozed"}}.get(
            kind, set()
        )
        bad += kind in {"escalated", "reminded"} and bool(resting)
    return bad


def _in_spite(acted: list[dict[str, Any]]) -> int:
    """Tries begun after an act had answered, of what had been said before it."""
    from agents.models import DeliveryAttempt

    bad = 0
    for act in acted:
        if act["status"] == 200:
            done = datetime.fromisoformat(act["done"])
            begun = datetime.fromisoformat(act["begun"])
            tries = DeliveryAttempt.objects.filter(
                delivery__cancel_key=f"incident:{act['incident']}",
                delivery__created_at__lt=begun,
                started_at__gt=done,
            )
            bad += tries.count()
    return bad
