"""What is said in a channel is on its way to its sinks in the same moment, once."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from agents.models import Delivery, Message
from agents.services import outbox
from agents.services.agents import register_agent
from agents.services.messages import Words, send_message, send_messages
from agents.states import AgentRole
from tests.monitoring.outbox_world import SECOND, T0, channel, only, say, sink, states
from tests.recovery.world import at_once

pytestmark = pytest.mark.django_db

ABOUT = ("incident", 42)


def words(key: str, **over) -> Words:
    return Words(**{"text": key, "to": channel(), "dedup_key": key, "about": ABOUT} | over)


def hold(delivery: Delivery, **over) -> None:
    """As a sender would that took it."""
    fields = {"state": "sending", "lease_until": T0 + 30 * SECOND, "attempts": 1}
    Delivery.objects.filter(pk=delivery.pk).update(**fields | over)


def test_a_message_of_a_channel_is_on_its_way_to_each_active_sink():
    first, second = sink(), sink()
    sink(is_active=False)
    sink(to="dev")
    message = say(about=ABOUT)
    rows = Delivery.objects.order_by("id").values_list(
        "message", "sink", "round", "idempotency_key", "cancel_key", "state", "next_try_at"
    )
    assert list(rows) == [
        (message.pk, s.pk, 0, f"msg-{message.pk}-{s.pk}-0", "incident:42", "pending", T0)
        for s in (first, second)
    ]


@pytest.mark.parametrize("dedup_key", [None, "k"])
def test_what_is_to_be_kept_or_about_nothing_has_no_cancel_key(dedup_key):
    sink()
    say(about=ABOUT, keep=True, dedup_key=dedup_key)
    assert only().cancel_key == ""
    assert outbox.cancel([""], now=T0) == 0
    say(dedup_key="other")
    assert [d.cancel_key for d in Delivery.objects.all()] == ["", ""]
    assert states() == ["pending", "pending"]


def test_an_inbox_has_no_sinks():
    sink()
    max_ = register_agent("MAX", role=AgentRole.LEAD, now=T0)
    send_message("psst", to=max_, now=T0)
    send_messages([words("to MAX", to=max_)], now=T0)
    assert (Message.objects.count(), Delivery.objects.count()) == (2, 0)


def test_the_same_key_says_it_once_and_sends_it_once():
    sink()
    first = say("one", dedup_key="k")
    again = say("two", dedup_key="k")
    assert send_messages([words("k")], now=T0) == {}
    assert again == first
    assert (Message.objects.get().text, states()) == ("one", ["pending"])


def test_a_bulk_says_what_is_new_and_names_it():
    sink()
    say(dedup_key="b")
    written = send_messages([words("c"), words("b"), words("a"), words("a", text="x")], now=T0)
    assert written == dict(Message.objects.exclude(dedup_key="b").values_list("dedup_key", "id"))
    assert sorted(written) == ["a", "c"]
    assert Message.objects.get(dedup_key="a").text == "a"
    assert states() == ["pending"] * 3


def test_a_bulk_takes_two_statements_for_any_number():
    def statements(count: int) -> list[str]:
        said = [words(f"{count}-{n}", to=ceo) for n in range(count)]
        with CaptureQueriesContext(connection) as asked:
            send_messages(said, now=T0)
        return [q["sql"] for q in asked if "SAVEPOINT" not in q["sql"]]

    sink(), sink()
    ceo = channel()
    assert [len(statements(n)) for n in (1, 10, 1000)] == [2, 2, 2]
    assert Delivery.objects.count() == 2 * 1011


@pytest.mark.parametrize(
    ("table", "constraint"),
    [
        ("agents_message", "message_dedup_key_unique"),
        ("agents_delivery", "delivery_once_per_sink_and_round"),
    ],
)
def test_without_its_constraint_a_bulk_fails_rather_than_doubles(table, constraint):
    sink()
    channel()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        with pytest.raises(ProgrammingError), transaction.atomic():
            send_messages([words("a")], now=T0)
        transaction.set_rollback(True)
    assert not Message.objects.exists()


def test_a_bulk_writes_in_the_order_of_its_keys_so_that_no_two_lock_each_other_out():
    keys = [f"k{n}" for n in (3, 1, 4, 15, 9, 2, 6)]
    send_messages([words(key) for key in keys], now=T0)
    written = Message.objects.order_by("id").values_list("dedup_key", flat=True)
    assert list(written) == sorted(keys)


@pytest.mark.django_db(transaction=True)
def test_bulks_at_once_say_and_send_each_thing_once():
    sink()
    ceo = channel()
    said = [words(f"k{n}", to=ceo) for n in range(1000)]
    bulks = [said, said[::-1]] * 2
    written = at_once(*(partial(send_messages, bulk, now=T0) for bulk in bulks))
    assert [w for w in written if isinstance(w, Exception)] == []
    assert sorted(key for w in written for key in w) == sorted(w.dedup_key for w in said)
    assert states() == ["pending"] * 1000


def test_what_is_missing_is_put_back_and_what_is_there_stays():
    sink()
    message = say(about=ABOUT)
    assert outbox.enqueue({message.pk: "incident:42"}, now=T0 + SECOND) == 0
    Delivery.objects.all().delete()
    assert outbox.enqueue({message.pk: "incident:42"}, now=T0 + SECOND) == 1
    assert only().next_try_at == T0 + SECOND


def test_what_was_dealt_with_is_not_sent_and_the_rest_is():
    sink()
    say(about=ABOUT)
    say(about=("incident", 4))
    say(about=ABOUT, keep=True)
    assert outbox.cancel(["incident:42"], now=T0 + SECOND) == 1
    assert states() == ["cancelled", "pending", "pending"]
    assert Delivery.objects.earliest("id").finished_at == T0 + SECOND
    assert outbox.cancel([], now=T0) == 0
    assert outbox.cancel(["incident:42"], now=T0 + 2 * SECOND) == 0


def test_what_is_being_sent_is_withdrawn_and_what_ended_stays():
    sink()
    say(about=ABOUT)
    hold(only())
    assert outbox.cancel(["incident:42"], now=T0 + SECOND) == 1
    assert outbox.cancel(["incident:42"], now=T0 + 2 * SECOND) == 0
    assert (only().state, only().withdrawn_at) == ("sending", T0 + SECOND)
    hold(only(), state="sent", lease_until=None, finished_at=T0, withdrawn_at=None)
    assert outbox.cancel(["incident:42"], now=T0 + SECOND) == 0
    assert only().state == "sent"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("before", "after", "end"),
    [
        ({"state": "pending"}, {"state": "sending", "lease_until": T0, "attempts": 1}, "sending"),
        (
            {"state": "sending", "lease_until": T0, "attempts": 1},
            {"state": "pending", "lease_until": None},
            "cancelled",
        ),
    ],
    ids=["taken", "failed"],
)
def test_a_sender_that_moves_it_meanwhile_lets_nothing_slip(before, after, end):
    """The cancelling waits for the sender's commit and sees the row as it then is."""
    sink()
    say(about=ABOUT)
    Delivery.objects.update(**before)
    moved, results = threading.Event(), []

    def cancel() -> None:
        moved.wait(60)
        results.append(outbox.cancel(["incident:42"], now=T0))
        connection.close()

    thread = threading.Thread(target=cancel)
    thread.start()
    with transaction.atomic():
        Delivery.objects.update(**after)
        moved.set()
        thread.join(0.3)
        assert thread.is_alive(), "It must wait for the row."
    thread.join(60)
    assert results == [1]
    assert only().state == end
    assert (only().withdrawn_at is not None) == (end == "sending")


def test_cancelling_reads_an_index_however_much_waits():
    sink()
    send_messages([words(f"{n}", about=("incident", n)) for n in range(3000)], now=T0)
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as asked:
        cursor.execute("ANALYZE agents_delivery")
        outbox.cancel(["incident:7"], now=T0)
        cursor.execute(f"EXPLAIN {asked.captured_queries[-1]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "delivery_to_cancel" in plan
    assert "Seq Scan" not in plan
