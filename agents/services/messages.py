"""Saying something: a message is delivered by being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from agents import queries
from agents.errors import InvalidInputError, NotFoundError
from agents.models import Agent, Channel, Message
from agents.models.message import SYSTEM
from agents.policy import clip
from agents.services import outbox
from agents.services.agents import addressee
from agents.states import Priority

TEXT_LIMIT = 16_000


# The conflict is named: without its constraint this is an error, not every message twice.
_INSERT = """
INSERT INTO agents_message
  (sender, to_agent_id, channel_id, text, priority, subject_kind, subject_id, dedup_key, created_at)
SELECT said.*, %(now)s FROM unnest(
  %(sender)s::text[], %(to_agent)s::bigint[], %(channel)s::bigint[], %(text)s::text[],
  %(priority)s::smallint[], %(subject_kind)s::text[], %(subject_id)s::bigint[],
  %(dedup_key)s::text[]
) AS said
ON CONFLICT (dedup_key) DO NOTHING
RETURNING id, dedup_key
"""


@dataclass(frozen=True, kw_only=True)
class Words:
    """Something that EVOX says, the first time only."""

    text: str
    to: Agent | Channel
    dedup_key: str
    sender: str = SYSTEM
    priority: Priority = Priority.NORMAL
    about: tuple[str, int] | None = None
    keep: bool = False
    """Send it to the channel's sinks even when what it is about is dealt with meanwhile."""

    @property
    def cancel_key(self) -> str:
        """By which its deliveries are found when what it is about is dealt with."""
        return cancel_key_of(self.about, keep=self.keep)


def cancel_key_of(about: tuple[str, int] | None, *, keep: bool = False) -> str:
    """The key of `outbox.cancel` for what a message is about; empty when nothing cancels it."""
    return f"{about[0]}:{about[1]}" if about and not keep else ""


def send_message(  # noqa: PLR0913 - each is a column, and all but the text are named
    text: str,
    *,
    sender: str = SYSTEM,
    to: Agent | Channel,
    priority: Priority = Priority.NORMAL,
    about: tuple[str, int] | None = None,
    dedup_key: str | None = None,
    keep: bool = False,
    now: datetime,
) -> Message:
    """Write `text` into an inbox or channel; with a `dedup_key` only the first time.

    In the same transaction it is put on its way to the channel's sinks, from where dealing with
    what it is `about` takes it back, unless it is to `keep`.
    """
    if dedup_key is not None:
        said = Words(
            text=text,
            to=to,
            dedup_key=dedup_key,
            sender=sender,
            priority=priority,
            about=about,
            keep=keep,
        )
        send_messages([said], now=now)
        return Message.objects.get(dedup_key=dedup_key)
    with transaction.atomic():
        message = Message.objects.create(
            sender=sender,
            to_agent=to if isinstance(to, Agent) else None,
            channel=to if isinstance(to, Channel) else None,
            text=clip(text, TEXT_LIMIT),
            priority=priority.value,
            subject_kind=about[0] if about else "",
            subject_id=about[1] if about else None,
            created_at=now,
        )
        if isinstance(to, Channel):
            outbox.enqueue({message.pk: cancel_key_of(about, keep=keep)}, now=now)
        return message


def send_messages(words: Sequence[Words], *, now: datetime) -> dict[str, int]:
    """Say all of them, what was said already left out, in two statements for any number.

    Returns the ids of the new ones by their `dedup_key`.
    """
    if not words:
        return {}
    # In one order for all: two bulks that share words must not wait for each other.
    ordered = sorted(words, key=lambda said: said.dedup_key)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, _columns(ordered, now))
            written = {dedup_key: pk for pk, dedup_key in cursor.fetchall()}
        on_their_way = {
            written[said.dedup_key]: said.cancel_key
            for said in reversed(ordered)  # Said twice here, the first was written.
            if said.dedup_key in written and isinstance(said.to, Channel)
        }
        outbox.enqueue(on_their_way, now=now)
    return written


def _columns(words: Sequence[Words], now: datetime) -> dict[str, Any]:
    return {
        "now": now,
        "sender": [said.sender for said in words],
        "to_agent": [said.to.pk if isinstance(said.to, Agent) else None for said in words],
        "channel": [said.to.pk if isinstance(said.to, Channel) else None for said in words],
        "text": [clip(said.text, TEXT_LIMIT) for said in words],
        "priority": [said.priority.value for said in words],
        "subject_kind": [said.about[0] if said.about else "" for said in words],
        "subject_id": [said.about[1] if said.about else None for said in words],
        "dedup_key": [said.dedup_key for said in words],
    }


def destination(*, to: str | None, channel: str | None) -> Agent | Channel:
    """Who is meant; raises InvalidInputError unless exactly one existing one is named."""
    if bool(to) == bool(channel):
        raise InvalidInputError("to", "Name either `to` (an agent) or `channel`.")
    if to:
        return addressee(to, field="to")
    try:
        return queries.channel_named(channel or "")
    except NotFoundError as error:
        raise InvalidInputError("channel", str(error)) from None


def mark_read(message: Message, *, now: datetime) -> Message:
    """The message, read; the first reading counts."""
    Message.objects.filter(pk=message.pk, read_at__isnull=True).update(read_at=now)
    message.refresh_from_db(fields=["read_at"])
    return message


def team_channel(*, now: datetime) -> Channel:
    """Where the whole team hears things, made when it is missing: news must not be lost for it."""
    channel, _ = Channel.objects.get_or_create(name="dev", defaults={"created_at": now})
    return channel


def ceo_channel(*, now: datetime) -> Channel:
    """Where the CEO hears what nobody else could settle, made when it is missing."""
    channel, _ = Channel.objects.get_or_create(name="ceo", defaults={"created_at": now})
    return channel
