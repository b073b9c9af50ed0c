"""What leaves for a sink: once, or again with the same key, and never to the inside."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from email.utils import format_datetime
from functools import partial

import pytest
from django.db import connection, transaction
from standardwebhooks import Webhook, WebhookVerificationError

from agents.clock import db_now
from agents.models import Delivery, DeliveryAttempt, Message, SystemBeat
from agents.services import outbox, sending
from agents.services.agents import register_agent
from agents.states import AgentRole, DeliveryState, SinkKind
from failures.models import Incident
from monitoring import policy_sending as policy
from monitoring.services import sender
from monitoring.sinks import apprise, guard, webhook
from monitoring.sinks.apprise_process import without_secrets
from tests.monitoring.outbox_world import SECOND, SECRET, T0, only, say, sink, states, tries
from tests.monitoring.receiver import receiver
from tests.ports import free_port
from tests.recovery.world import at_once

pytestmark = pytest.mark.django_db

INSIDE = ["127.0.0.1"]
HOUR = timedelta(hours=1)


@pytest.fixture
def hook():
    with receiver() as found:
        yield found


@pytest.fixture
def allowed(settings):
    settings.EVOX_SINK_ALLOW = tuple(INSIDE)


def send(now=T0, *, draw=0.5, **over):
    """A round at that instant, in this thread."""
    done = sender.send_due(clock=lambda: now, draw=lambda: draw, threads=1, **over)
    return {state.value: count for state, count in done.items()}


def last_try() -> DeliveryAttempt:
    return DeliveryAttempt.objects.latest("delivery_id", "n")


# --- a webhook -----------------------------------------------------------------------------------


def test_a_webhook_is_signed_so_that_the_library_verifies_it(hook, allowed):
    sink(hook.url)
    now = db_now()
    message = say("SAM is stuck", about=("incident", 42), now=now)
    assert send(now) == {"sent": 1}
    [request] = hook.got
    said = Webhook(SECRET).verify(request.body, request.headers)
    assert said == {
        "type": "message.created",
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {
            "id": message.pk,
            "channel": "ceo",
            "from": "SYSTEM",
            "text": "SAM is stuck",
            "priority": 2,
            "subject": {"kind": "incident", "id": 42},
        },
    }
    assert request.headers["idempotency-key"] == request.key == only().idempotency_key
    assert request.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body.replace("SAM", "LEO"), request.headers)
    assert (only().state, only().finished_at, tries()) == ("sent", now, [(1, "sent")])
    assert last_try().http_status == 200


def test_what_was_sent_is_not_sent_again(hook, allowed):
    sink(hook.url)
    say()
    assert [send(), send(T0 + HOUR)] == [{"sent": 1}, {}]
    assert len(hook.got) == 1


def test_a_proxy_of_the_environment_is_not_used(hook, allowed, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    sink(hook.url)
    say()
    assert send() == {"sent": 1}


def test_a_503_is_tried_again_after_a_while_with_the_same_key(hook, allowed):
    hook.says(503, 503, 200)
    sink(hook.url)
    say()
    assert send(draw=0.5) == {"pending": 1}
    assert (only().next_try_at, only().last_error) == (T0 + 2.5 * SECOND, "It answered 503.")
    assert send(T0 + 2 * SECOND) == {}
    assert send(T0 + 3 * SECOND, draw=1.0) == {"pending": 1}
    assert only().next_try_at == T0 + 13 * SECOND
    assert send(T0 + 13 * SECOND) == {"sent": 1}
    assert hook.keys() == [only().idempotency_key] * 3
    assert len({request.body for request in hook.got}) == 1
    assert tries() == [(1, "failed"), (2, "failed"), (3, "sent")]


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120),
        (format_datetime(T0 + 90 * SECOND, usegmt=True), 90),
        ("999999", 3600),
        ("Mon, 02 Mar 2099 09:00:00 GMT", 3600),
        ("soon", 2.5),
        ("-7", 2.5),
        ("1", 2.5),
    ],
)
def test_retry_after_is_honoured_up_to_an_hour(hook, allowed, header, wait):
    hook.says((429, {"Retry-After": header}))
    sink(hook.url)
    say()
    send()
    assert only().next_try_at == T0 + wait * SECOND


def test_a_410_is_dead_at_once_and_opens_one_incident_for_the_sink(hook, allowed):
    max_ = register_agent("MAX", role=AgentRole.LEAD, now=T0)
    hook.says(410)
    sink(hook.url, name="CEO's phone")
    say("one"), say("two")
    assert send() == {"dead": 2}
    assert states() == ["dead", "dead"]
    [incident] = Incident.objects.all()
    assert (incident.kind, incident.status) == ("delivery_dead", "open")
    assert incident.title == "Messages of #ceo don't reach CEO's phone"
    assert "It answered 410." in incident.message
    [told] = Message.objects.filter(to_agent=max_)
    assert incident.number in told.text


@pytest.mark.parametrize("kind", ["delivery_dead", "self"])
def test_news_of_a_dead_sink_that_dies_itself_opens_nothing(hook, allowed, kind):
    hook.says(410)
    first = sink(hook.url)
    say()
    send()
    [incident] = Incident.objects.all()
    Incident.objects.update(kind=kind, dedup_key="another")
    say("The sink is dead.", about=("incident", incident.pk))
    assert send(T0 + SECOND) == {"dead": 1}
    assert [i.pk for i in Incident.objects.all()] == [incident.pk]
    say("About something else.")
    send(T0 + SECOND)
    assert Incident.objects.latest("id").dedup_key == f"delivery-dead:{first.pk}"


def test_after_a_day_it_is_given_up(hook, allowed):
    hook.says(500)
    sink(hook.url)
    say()
    late = T0 + timedelta(hours=23, minutes=59, seconds=56)
    assert send(late - SECOND * 10) == {"pending": 1}
    assert send(late, draw=1.0) == {"dead": 1}
    assert only().last_error == "It answered 500. It was tried for a day."


def test_what_waited_while_evox_was_off_for_days_gets_its_try(hook, allowed):
    sink(hook.url)
    say()
    assert send(T0 + 72 * HOUR) == {"sent": 1}


def test_nobody_there_is_tried_again_and_said_without_the_secret_path(allowed):
    port = free_port()
    sink(f"http://127.0.0.1:{port}/secret-token?key=hunter2")
    say()
    assert send() == {"pending": 1}
    assert "could not be reached" in only().last_error
    assert "secret" not in only().last_error
    assert "hunter2" not in only().last_error


def test_a_sink_that_gives_no_answer_is_left_alone_for_the_round(allowed):
    port = free_port()
    sink(f"http://127.0.0.1:{port}/")
    say("one"), say("two")
    assert send() == {"pending": 1}
    assert [d.attempts for d in Delivery.objects.order_by("id")] == [1, 0]


@pytest.mark.parametrize(
    ("start", "sent"),
    [(b"", False), (b"HTTP/1.1 2", False), (b"HTTP/1.1 200 OK\r\n\r\n", True)],
    ids=["nothing", "status", "body"],
)
def test_a_receiver_that_drips_its_answer_holds_nobody_for_long(start, sent):
    """Each read would come in time; the limit is for the whole call. The status is the answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(start)
                for _ in range(1_200):
                    time.sleep(0.05)
                    connection.sendall(b"0" if start else b"")

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        parcel = webhook.Parcel(url=url, secret=SECRET, key="k", body="{}")
        began = time.monotonic()
        found = webhook.send(parcel, allow=INSIDE, now=T0, seconds=1.5)
        assert time.monotonic() - began < 30
    assert (found.sent, found.error) == (sent, "" if sent else "No answer within 1.5 s.")


def test_a_little_of_a_huge_answer_is_read(hook, allowed):
    hook.says((200, {"Content-Length": str(10**12)}))
    sink(hook.url)
    say()
    began = time.monotonic()
    assert send() == {"sent": 1}
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_says_so(hook, allowed, status):
    hook.says((status, {"Location": hook.url + "/elsewhere"}))
    sink(hook.url)
    say()
    assert send() == {"dead": 1}
    assert [request.path for request in hook.got] == ["/hook"]
    assert only().last_error == (
        f"It answered {status}, and redirects are not followed: name the new address."
    )


# --- what may be reached -------------------------------------------------------------------------

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%lo", "fc00::1", "fec0::1",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_at_fault(address):
    assert "EVOX_SINK_ALLOW" in guard.fault(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_fine(address):
    assert guard.fault(address) == ""


def test_a_network_can_be_allowed_and_covers_the_forms_of_its_addresses():
    assert guard.fault("10.1.2.3", ["10.0.0.0/8"]) == ""
    assert guard.fault("::ffff:10.1.2.3", ["10.0.0.0/8"]) == ""
    assert guard.fault("11.0.0.1", ["10.0.0.0/8"]) == ""
    assert guard.fault("192.168.0.1", ["10.0.0.0/8", "hooks.lan"]) != ""
    assert guard.fault("localhost") != ""


@pytest.mark.parametrize("kind", SinkKind)
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0", "2130706433"]
)
def test_the_inside_is_refused_by_default_whatever_it_is_called(hook, kind, host):
    scheme = "http" if kind is SinkKind.WEBHOOK else "json"
    sink(f"{scheme}://{host}:{hook.port}/", kind=kind)
    say()
    assert send() == {"dead": 1}
    assert hook.got == []
    if host in {"127.0.0.1", "localhost"}:
        assert only().last_error.startswith("EVOX refused ")
    assert Incident.objects.get().kind == "delivery_dead"


def test_a_redirect_to_the_inside_is_refused_for_apprise_too(hook, settings):
    settings.EVOX_SINK_ALLOW = ("127.0.0.1",)
    with receiver("127.0.0.2") as inner:
        hook.says((302, {"Location": inner.url}))
        sink(f"json://127.0.0.1:{hook.port}/?redirect=yes", kind=SinkKind.APPRISE)
        say()
        assert send() == {"dead": 1}
        assert (len(hook.got), inner.got) == (1, [])
    assert only().last_error.startswith("EVOX refused 127.0.0.2")


def test_a_name_that_answers_differently_the_second_time_reaches_nothing(hook, monkeypatch):
    """Rebinding: whoever checks the name and then asks again is fooled; the connection is not."""
    real, asked = socket.getaddrinfo, []

    def rebinding(host, port, *args, **kwargs):
        if host != "rebind.example":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        answer = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, port or 0))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    url = f"http://rebind.example:{hook.port}/"
    socket.getaddrinfo("rebind.example", 80)  # the check that somebody made before
    parcel = webhook.Parcel(url=url, secret=SECRET, key="k", body="{}")
    found = webhook.send(parcel, allow=[], now=T0)
    assert (found.hopeless, hook.got) == (True, [])
    assert "127.0.0.1" in found.error


def test_an_allowed_name_is_reached_and_what_it_redirects_to_is_not(hook, settings):
    settings.EVOX_SINK_ALLOW = ("localhost",)
    sink(f"http://localhost:{hook.port}/")
    say()
    assert send() == {"sent": 1}
    assert webhook.send(
        webhook.Parcel(url=hook.url, secret=SECRET, key="k", body="{}"),
        allow=["localhost"],
        now=T0,
    ).hopeless


def test_outside_of_a_call_nothing_is_kept_from_anybody(hook):
    parcel = webhook.Parcel(url=hook.url, secret=SECRET, key="k", body="{}")
    assert webhook.send(parcel, allow=[], now=T0).hopeless
    socket.create_connection(("127.0.0.1", hook.port), timeout=5).close()
    inside = []

    def elsewhere() -> None:
        with socket.create_connection(("127.0.0.1", hook.port), timeout=5):
            inside.append(True)

    with guard.guarded([], seconds=5):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        with pytest.raises(guard.TargetError):
            socket.create_connection(("127.0.0.1", hook.port), timeout=5)
        with pytest.raises(guard.TargetError), socket.socket(socket.AF_UNIX) as unix:
            unix.connect("/tmp/x")
        with pytest.raises(guard.TargetError), socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.sendto(b"x", ("localhost", 514))
    assert inside == [True]


@pytest.mark.parametrize(
    "url", ["ftp://a.b/", "file:///etc/passwd", "gopher://a.b", "x", "http://"]
)
def test_a_webhook_goes_over_http_only(url):
    sink(url)
    say()
    assert send() == {"dead": 1}


# --- Apprise -------------------------------------------------------------------------------------


def test_apprise_sends_plain_text_to_a_json_address(hook, allowed):
    sink(f"json://127.0.0.1:{hook.port}/there", kind=SinkKind.APPRISE)
    say("SAM <b>is</b> *stuck* \\n @here")
    assert send() == {"sent": 1}
    [request] = hook.got
    said = json.loads(request.body)
    assert (request.path, said["title"]) == ("/there", "EVOX #ceo")
    assert said["message"] == "SAM \u2039b\u203ais\u2039/b\u203a *stuck* \\n @\u200bhere"
    assert tries() == [(1, "sent")]


def test_what_apprise_was_answered_is_recorded_without_a_part_of_the_address(hook, allowed, caplog):
    hook.says(401)
    sink(f"json://sam:hunter22@127.0.0.1:{hook.port}/tok3n-abc", kind=SinkKind.APPRISE)
    say()
    with caplog.at_level("DEBUG"):
        assert send() == {"dead": 1}
    assert (last_try().http_status, last_try().outcome) == (401, "failed")
    assert "error=401" in only().last_error
    everything = only().last_error + last_try().error + caplog.text
    everything += str(list(Incident.objects.values()) + list(Message.objects.values()))
    for part in ("hunter22", "tok3n", f"127.0.0.1:{hook.port}"):
        assert part not in everything


def test_a_host_that_apprise_does_not_reach_is_not_named(allowed):
    port = free_port()
    sink(f"json://127.0.0.1:{port}/", kind=SinkKind.APPRISE)
    say()
    assert send() == {"pending": 1}
    assert only().last_error == "A Connection error occurred sending JSON notification to …."


def test_apprise_is_tried_again_after_a_503(hook, allowed):
    hook.says(503, 200)
    sink(f"json://127.0.0.1:{hook.port}/", kind=SinkKind.APPRISE)
    say()
    assert [send(), send(T0 + HOUR)] == [{"pending": 1}, {"sent": 1}]


@pytest.mark.parametrize(
    "url",
    [
        "syslog://",
        "dbus://",
        "gnome://",
        "windows://",
        "macosx://",
        "kde://",
        "GLIB://x",
        "blink1://",
    ],
)
def test_what_runs_on_this_machine_is_refused(url):
    sink(f"{url}x", kind=SinkKind.APPRISE)
    say()
    assert send() == {"dead": 1}
    assert "runs on this machine" in only().last_error


def test_every_service_of_apprise_that_starts_programs_or_speaks_to_the_desktop_is_refused():
    """Fails when a new Apprise brings another one."""
    from pathlib import Path

    import apprise as library

    from agents.policy_sinks import LOCAL_SCHEMES

    signs = ("subprocess", "import dbus", "win32", "gi.repository", "import syslog", "import usb")
    plugins = Path(library.__file__).parent / "plugins"
    local = {
        file.stem
        for file in plugins.rglob("*.py")
        if any(sign in file.read_text(encoding="utf-8") for sign in signs)
    }
    assert local - {"__init__"} <= LOCAL_SCHEMES


@pytest.mark.parametrize("path", ["README.md", __file__])
def test_a_service_of_apprise_reads_no_file(path):
    found = apprise.send(f"discord://123456789/abcdefghij?template={path}", "t", "b", allow=[])
    assert (found.sent, found.hopeless) == (False, True)
    assert found.error == "EVOX refused a file of this machine."


def test_a_call_of_apprise_has_an_end(hook, allowed):
    hook.before = lambda _: time.sleep(60)
    began = time.monotonic()
    found = apprise.send(f"json://127.0.0.1:{hook.port}/", "t", "b", allow=INSIDE, seconds=2)
    assert time.monotonic() - began < 30
    assert (found.sent, found.hopeless, found.error) == (False, False, "No result within 2 s.")


def test_a_process_of_apprise_ends_by_itself_when_nobody_waits_for_it(hook):
    hook.before = lambda _: time.sleep(200)
    order = {
        "url": f"json://127.0.0.1:{hook.port}/",
        "title": "t",
        "body": "b",
        "allow": INSIDE,
        "seconds": 2,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "monitoring.sinks.apprise_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as process:
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        assert process.wait(60) < 0


def test_no_part_of_an_address_is_said():
    url = "tgram://123456:AbC-def/chat%20room?token=p%40ss"
    said = without_secrets(f"Failed: {url} 123456:AbC-def 'chat room' p@ss AbC-def", url)
    for part in ("123456", "AbC-def", "chat room", "p@ss"):
        assert part not in said


# --- one sender, many senders, dead senders ------------------------------------------------------


def test_a_try_is_written_before_anything_is_sent(hook, allowed):
    sink(hook.url)
    say()
    taken = sending.take_due(now=T0)
    assert (only().state, only().lease_until) == ("sending", T0 + sending.LEASE)
    assert tries() == [(1, "started")]
    assert hook.got == []
    assert sending.take_due(now=T0) is None
    assert taken.n == 1


def test_a_crashed_senders_delivery_is_tried_again_with_the_same_key(hook, allowed):
    sink(hook.url)
    say()
    crashed = sending.take_due(now=T0)
    sender.call(crashed, now=T0)  # It was sent; then the sender died.
    lapse = T0 + sending.LEASE
    assert send(lapse - SECOND) == {}
    assert send(lapse) == {"sent": 1}
    assert tries() == [(1, "unknown"), (2, "sent")]
    assert hook.keys() == [only().idempotency_key] * 2


def test_a_sender_that_is_late_changes_nothing(hook, allowed):
    sink(hook.url)
    say()
    late = sending.take_due(now=T0)
    now = sending.take_due(now=T0 + sending.LEASE)
    before = list(Delivery.objects.values()), list(DeliveryAttempt.objects.values())
    for verdict in (policy.Sent(), policy.TryAgain(T0 + HOUR, "x"), policy.GiveUp("x")):
        assert sender.conclude(late, verdict, status=500, now=T0) is None
    assert (list(Delivery.objects.values()), list(DeliveryAttempt.objects.values())) == before
    assert not Incident.objects.exists()
    assert sender.conclude(now, policy.Sent(), status=200, now=T0) is DeliveryState.SENT
    assert sender.conclude(now, policy.GiveUp("x"), status=410, now=T0) is None


def test_what_is_cancelled_while_it_waits_is_not_sent(hook, allowed):
    sink(hook.url)
    say(about=("incident", 1))
    outbox.cancel(["incident:1"], now=T0)
    assert send() == {}
    assert hook.got == []


@pytest.mark.parametrize(("status", "end"), [(503, "cancelled"), (410, "cancelled"), (200, "sent")])
def test_what_is_cancelled_while_it_is_sent_has_no_other_try(hook, allowed, status, end):
    hook.says(status)
    sink(hook.url)
    say(about=("incident", 1))
    taken = sending.take_due(now=T0)
    outbox.cancel(["incident:1"], now=T0)
    answer = sender.call(taken, now=T0)
    verdict = policy.judge(answer, tries=1, created_at=T0, draw=0.5, now=T0)
    sender.conclude(taken, verdict, status=answer.status, now=T0)
    assert states() == [end]
    assert send(T0 + HOUR) == {}
    assert len(hook.got) == 1


def test_what_is_cancelled_while_its_sender_dies_has_no_other_try(hook, allowed):
    sink(hook.url)
    say(about=("incident", 1))
    sending.take_due(now=T0)
    outbox.cancel(["incident:1"], now=T0)
    assert send(T0 + HOUR) == {}
    assert (states(), tries(), hook.got) == (["cancelled"], [(1, "unknown")], [])


def test_a_sink_that_is_turned_off_gets_nothing_more(hook, allowed):
    off = sink(hook.url)
    say("one"), say("two")
    off.is_active = False
    off.save(update_fields=["is_active"])
    assert send() == {}
    assert (states(), hook.got) == (["cancelled"] * 2, [])
    assert {d.last_error for d in Delivery.objects.all()} == {"Its sink was turned off."}


def test_a_sink_has_so_many_tries_at_once_and_the_others_go_on(hook, allowed):
    slow, other = sink("http://127.0.0.1:1/"), sink(hook.url)
    for n in range(6):
        say(str(n))
    held = [sending.take_due(avoid=[other.pk], now=T0) for _ in range(5)]
    assert [taken is not None for taken in held] == [True] * 4 + [False]
    assert send() == {"sent": 6}
    assert slow.deliveries.filter(state="pending").count() == 2


def test_a_round_ends_after_so_many_tries_and_so_much_time(hook, allowed):
    sink(hook.url)
    for n in range(5):
        say(str(n))
    assert send(most=2) == {"sent": 2}
    assert send(seconds=0) == {}


def test_a_library_that_breaks_spoils_one_try(allowed, monkeypatch, caplog):
    def burst(*args, **kwargs):
        raise KeyError("http://secret")

    monkeypatch.setattr(webhook, "send", burst)
    sink()
    say()
    assert send() == {"pending": 1}
    assert only().last_error == "EVOX could not send it (KeyError)."
    assert "secret" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_two_senders_with_eight_threads_each_send_everything_once(hook, allowed):
    sink(hook.url)
    for n in range(60):
        say(str(n))
    first, second = at_once(*(partial(sender.send_due, clock=lambda: T0),) * 2)
    assert first.get(DeliveryState.SENT, 0) + second.get(DeliveryState.SENT, 0) == 60
    assert sorted(hook.keys()) == sorted(set(hook.keys()))
    assert len(hook.got) == 60
    assert tries() == [(1, "sent")] * 60


@pytest.mark.django_db(transaction=True)
def test_eight_senders_at_once_take_a_delivery_each_and_wait_for_nobody():
    for _ in range(9):
        sink()
    say()

    def take():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '3s'")
            try:
                return sending.take_due(now=T0)
            finally:
                cursor.execute("RESET lock_timeout")

    with transaction.atomic():
        held = Delivery.objects.select_for_update().earliest("id")
        taken = at_once(*(take,) * 8)
    assert [found for found in taken if isinstance(found, Exception)] == []
    ids = [found.delivery.pk for found in taken]
    assert len(set(ids)) == 8
    assert held.pk not in ids
    assert tries() == [(1, "started")] * 8


@pytest.mark.django_db(transaction=True)
def test_a_sender_killed_after_the_answer_repeats_with_the_same_key_and_loses_nothing(
    hook, allowed, monkeypatch
):
    """Dies as by kill -9: its connection to the database is gone, its lease is not."""
    sink(hook.url)
    for n in range(3):
        say(str(n))

    call = sender.call

    def killed(taken, *, now):
        call(taken, now=now)
        raise SystemExit

    monkeypatch.setattr(sender, "call", killed)
    sender.send_due(clock=lambda: T0, threads=2)
    monkeypatch.setattr(sender, "call", call)
    assert set(states()) == {"sending", "pending"}
    assert sender.send_due(clock=lambda: T0 + sending.LEASE) == {DeliveryState.SENT: 3}
    assert set(hook.keys()) == set(Delivery.objects.values_list("idempotency_key", flat=True))


@pytest.mark.django_db(transaction=True)
def test_one_round_at_a_time_is_a_workers_and_it_signs(hook, allowed):
    sink(hook.url)
    say(now=db_now())
    inside, go = threading.Event(), threading.Event()

    def wait(_request):
        inside.set()
        go.wait(60)

    hook.before = wait
    results = []

    def first():
        results.append(sender.send_alone())
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(60)
    assert sender.send_alone() == {}
    assert not SystemBeat.objects.filter(name="sender").exists()
    go.set()
    thread.join(60)
    assert results == [{DeliveryState.SENT: 1}]
    assert SystemBeat.objects.filter(name="sender").exists()


@pytest.mark.parametrize("value", ["10.0.0.5/8", "a b", "http://x", "300.1.1.1", "x,,-y"])
def test_nonsense_among_what_is_allowed_is_refused_at_the_start(monkeypatch, value):
    from evox import env

    monkeypatch.setenv("EVOX_SINK_ALLOW", value)
    with pytest.raises(env.EnvError, match="EVOX_SINK_ALLOW"):
        env.targets("EVOX_SINK_ALLOW")


def test_what_is_allowed_are_names_addresses_and_networks(monkeypatch):
    from evox import env

    monkeypatch.setenv("EVOX_SINK_ALLOW", "10.0.0.0/8, Hooks.LAN,::1,,")
    assert env.targets("EVOX_SINK_ALLOW") == ("10.0.0.0/8", "hooks.lan", "::1")


# --- the decisions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tries", "ceiling"), [(1, 5), (2, 10), (3, 20), (7, 320), (8, 600), (9, 600), (10**6, 600)]
)
def test_the_wait_doubles_up_to_ten_minutes_with_full_jitter(tries, ceiling):
    waits = [policy.back_off(tries, draw=draw).total_seconds() for draw in (0, 0.5, 1)]
    assert waits == [0, ceiling / 2, ceiling]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(s, policy.TryAgain) for s in (100, 408, 425, 429, 500, 502, 503, 504, 599)]
    + [(s, policy.GiveUp) for s in (300, 301, 304, 400, 401, 403, 404, 410, 422, 499)],
)
def test_a_status_speaks_of_the_moment_or_of_the_request(status, verdict):
    answer = policy.Answer(status=status)
    found = policy.judge(answer, tries=1, created_at=T0, draw=0.5, now=T0)
    assert isinstance(found, verdict)
