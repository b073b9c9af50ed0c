"""Hostile words arrive as these very bytes: in payloads, in the admin, on the page."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from agents.clock import db_now
from agents.models import Message
from agents.states import SinkKind
from failures.models import Incident
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind
from monitoring.policy_text import LIMIT, neutral
from monitoring.services import sender
from tests.monitoring.outbox_world import channel, say, sink
from tests.monitoring.receiver import receiver
from tests.monitoring.world import World

Z = b"\xe2\x80\x8b"  # U+200B, a space of no width
L, R = b"\xe2\x80\xb9", b"\xe2\x80\xba"  # U+2039 and U+203A, the brackets that mean nothing

TABLE = {
    "<!channel>": L + b"!channel" + R,
    "<!here|here>": L + b"!here|here" + R,
    "<@U1>": L + b"@" + Z + b"U1" + R,
    "<http://evil|bank>": L + b"http://evil|bank" + R,
    "@here": b"@" + Z + b"here",
    "@everyone @channel": b"@" + Z + b"everyone @" + Z + b"channel",
    "\uff20here": b"\xef\xbc\xa0" + Z + b"here",
    "@\u200bhere @\u2060here @\xadhere": (b"@" + Z + b"here ") * 2 + b"@" + Z + b"here",
    "@\x00here @\x1b[1mhere": b"@" + Z + b"here @" + Z + b"here",
    "a@b.c 3 @ 4 @": b"a@" + Z + b"b.c 3 @ 4 @",
    "<b>": L + b"b" + R,
    "<script>alert(1)</script>": L + b"script" + R + b"alert(1)" + L + b"/script" + R,
    "[x](http://evil)": b"[x]" + Z + b"(http://evil)",
    "![x](http://evil/i.png)": b"![x]" + Z + b"(http://evil/i.png)",
    "[x]\u200b(http://evil)": b"[x]" + Z + b"(http://evil)",
    "[x][1]\n[1]: http://evil": b"[x]" + Z + b"[1]\n[1]" + Z + b": http://evil",
    "a\x00b\x07c\x08d\x7fe\x9bf": b"abcdef",
    "tab\tand\nline": b"tab\tand\nline",
    "one\r\ntwo\rthree\u2028four\x85five": b"one\ntwo\nthree\nfour\nfive",
    "\x1b[31mred\x1b[0m": b"red",
    "\x1b]0;title\x07text \x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\": b"text link",
    "\x1b]0;never ended": b"",
    "\x1bc\x1b(Bx": b"x",
    "user\u202etxt.exe\u202c": b"usertxt.exe",
    "\u2066a\u2069\u200e\u200f\u061cb": b"ab",
    "zero\u200bwidth\u200c\u200d\ufeff\u2060": b"zerowidth",
    "\U000e0041tag": b"tag",
    "Grüße, 世界 ‹ok›": "Grüße, 世界 ‹ok›".encode(),  # noqa: RUF001 - ours already
    "": b"",
}


@pytest.mark.parametrize("text", TABLE)
def test_the_bytes_are_these(text):
    assert neutral(text).encode() == TABLE[text]


def test_a_hundred_kilobytes_keep_head_and_tail_within_four_thousand_characters():
    found = neutral("<" + "a" * 100_000 + "@here>")
    assert len(found) <= LIMIT
    head, note, tail = found.split("\n")
    assert head == "\u2039" + "a" * 1312
    assert note == "… [96,068 characters cut] …"
    assert tail == "a" * 2620 + "@\u200bhere\u203a"


@given(st.text(alphabet=st.sampled_from("<>@[](:!a \n\x00\x1b\r\u200b\u202eé") | st.characters()))
def test_nothing_that_is_acted_upon_is_left_and_more_of_it_changes_nothing(text):
    found = neutral(text)
    assert not set(found) & set("<>\x00\x07\x1b\r\u202e")
    assert "](" not in found
    assert neutral(found) == found
    for before, after in pairwise(found):
        assert not (before == "@" and (after.isalnum() or after == "_"))


HOSTILE = "<!channel> @here <b>x</b> [x](http://evil) \x1b[31mred\u202e"
ARRIVES = (
    L + b"!channel" + R + b" @" + Z + b"here " + L + b"b" + R + b"x" + L + b"/b" + R
    + b" [x]" + Z + b"(http://evil) red"
)  # fmt: skip
SHOWN = b"&lt;!channel&gt; @here &lt;b&gt;x&lt;/b&gt; [x](http://evil) [31mred"
"""HTML needs its own escapes, and loses what nobody can see."""


@pytest.mark.django_db
@pytest.mark.parametrize("kind", SinkKind)
def test_a_payload_holds_the_harmless_bytes_and_the_row_the_raw_ones(settings, kind):
    settings.EVOX_SINK_ALLOW = ("127.0.0.1",)
    with receiver() as hook:
        sink(hook.url if kind is SinkKind.WEBHOOK else f"json://127.0.0.1:{hook.port}/", kind=kind)
        now = db_now()
        message = say(HOSTILE, sender="<!here>", now=now)
        assert sender.send_due(threads=1)
    body = json.loads(hook.got[0].body)
    text = body["data"]["text"] if kind is SinkKind.WEBHOOK else body["message"]
    assert text.encode() == ARRIVES
    if kind is SinkKind.WEBHOOK:
        assert body["data"]["from"].encode() == L + b"!here" + R
    message.refresh_from_db()
    assert message.text == HOSTILE


UNSEEN = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("MAXINE"))
    return client


@pytest.mark.django_db
def test_the_admins_pages_of_messages_show_the_escaped_bytes(staff):
    message = say(HOSTILE)
    for page in ("", f"{message.pk}/change/"):
        html = staff.get(f"/admin/agents/message/{page}").content
        assert SHOWN in html
        assert not UNSEEN.search(html)
        assert b"<!channel>" not in html
        assert b"<b>x" not in html


@pytest.mark.django_db
def test_the_admins_pages_of_incidents_and_deliveries_show_the_escaped_bytes(staff):
    sink()
    channel("dev")
    say(HOSTILE)
    new = NewIncident(
        kind=IncidentKind.BLOCKED, title=HOSTILE, message=HOSTILE, dedup_key="k", reported_by="SAM"
    )
    incident = open_incident(new, now=db_now()).incident
    pages = [
        "failures/incident/",
        f"failures/incident/{incident.pk}/change/",
        "agents/delivery/",
    ]
    for page in pages:
        html = staff.get(f"/admin/{page}").content
        assert SHOWN in html, page
        assert not UNSEEN.search(html)
        assert b"<!channel>" not in html
        assert b"<b>x" not in html


@pytest.mark.django_db
def test_the_page_shows_the_escaped_bytes(client):
    now = db_now()
    world = World(now)
    work = world.queue("work", ago=5)
    world.block("SAM", work, HOSTILE, ago=3)
    html = client.get("/").content
    assert SHOWN in html
    assert not UNSEEN.search(html)
    assert b"<!channel>" not in html
    assert b"<b>x" not in html


@pytest.mark.django_db
def test_a_hundred_kilobytes_of_it_leave_a_bounded_payload_and_row(settings):
    settings.EVOX_SINK_ALLOW = ("127.0.0.1",)
    with receiver() as hook:
        sink(hook.url)
        say("<!channel>" * 10_000, now=db_now())
        sender.send_due(threads=1)
    assert len(hook.got[0].text) <= LIMIT
    assert len(hook.got[0].body) < 30_000
    assert len(Message.objects.get().text) <= 16_000
    assert not Incident.objects.exists()
