"""Saying something: a message is delivered by being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents import queries
from agents.errors import InvalidInputError, NotFoundError
from agents.models import Agent, Channel, Message
from agents.models.message import SYSTEM
from agents.policy import clip
from agents.services.agents import addressee
from agents.states import Priority

TEXT_LIMIT = 16_000


def send_message(  # noqa: PLR0913 - each is a column, and all but the text are named
    text: str,
    *,
    sender: str = SYSTEM,
    to: Agent | Channel,
    priority: Priority = Priority.NORMAL,
    about: tuple[str, int] | None = None,
    dedup_key: str | None = None,
    now: datetime,
) -> Message:
    """Write `text` into an inbox or channel; with a `dedup_key` only the first time."""
    fields = {
        "sender": sender,
        "to_agent": to if isinstance(to, Agent) else None,
        "channel": to if isinstance(to, Channel) else None,
        "text": clip(text, TEXT_LIMIT),
        "priority": priority.value,
        "subject_kind": about[0] if about else "",
        "subject_id": about[1] if about else None,
        "created_at": now,
    }
    if dedup_key is None:
        return Message.objects.create(**fields)
    message, _ = Message.objects.get_or_create(dedup_key=dedup_key, defaults=fields)
    return message


@dataclass(frozen=True, kw_only=True)
class Words:
    """Something that EVOX says, the first time only."""

    text: str
    to: Agent | Channel
    dedup_key: str
    priority: Priority = Priority.NORMAL
    about: tuple[str, int] | None = None


def send_messages(words: Sequence[Words], *, now: datetime) -> None:
    """Say all of them, what was said already left out."""
    for said in words:
        send_message(
            said.text,
            to=said.to,
            priority=said.priority,
            about=said.about,
            dedup_key=said.dedup_key,
            now=now,
        )


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
