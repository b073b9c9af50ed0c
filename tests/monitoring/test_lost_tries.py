"""What a sender's death says of the receiver: nothing."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import pytest

from agents.services import sending
from monitoring.services import sender
from tests.monitoring.outbox_world import SECOND, T0, only, say, sink
from tests.monitoring.receiver import receiver

pytestmark = pytest.mark.django_db


def at(now: datetime) -> datetime:
    return now


def test_tries_that_died_with_their_sender_do_not_lengthen_the_wait_after_a_503(settings):
    settings.EVOX_SINK_ALLOW = ("127.0.0.1",)
    now = T0
    with receiver() as hook:
        hook.says(503, 503)
        sink(hook.url)
        say()
        for _ in range(5):
            assert sending.take_due(now=now) is not None  # And its sender dies.
            now += sending.LEASE
        for wait in (5 * SECOND, 10 * SECOND):
            sender.send_due(clock=partial(at, now), draw=lambda: 1.0, threads=1)
            assert only().next_try_at == now + wait
            now += wait
    assert only().attempts == 7
