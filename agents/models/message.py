"""Channels and messages: delivered by being written."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models.agent import Agent
from agents.models.fields import choices_of
from agents.states import Priority

SYSTEM = "SYSTEM"


class Channel(models.Model):
    """A place that many read, such as dev or ceo."""

    name = models.CharField(max_length=64, unique=True)
    description = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="channel_name_form", condition=Q(name__regex=r"^[a-z][a-z0-9_-]{0,63}$")
            )
        ]

    def __str__(self) -> str:
        return f"#{self.name}"


class Message(models.Model):
    """Words from one sender to one agent or one channel."""

    sender = models.CharField(max_length=32)
    to_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="inbox"
    )
    channel = models.ForeignKey(
        Channel, null=True, blank=True, on_delete=models.PROTECT, related_name="messages"
    )
    text = models.TextField()
    priority = models.PositiveSmallIntegerField(
        choices=choices_of(Priority), default=Priority.NORMAL.value
    )
    subject_kind = models.CharField(max_length=32, blank=True, default="")
    subject_id = models.BigIntegerField(null=True, blank=True)
    """What it is about; opaque here, since what it names may live on a higher floor."""
    dedup_key = models.CharField(max_length=200, null=True, blank=True)
    """Says the same thing once, however often a sweep runs."""
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="message_has_one_destination",
                condition=Q(to_agent__isnull=True, channel__isnull=False)
                | Q(to_agent__isnull=False, channel__isnull=True),
            ),
            models.CheckConstraint(
                name="message_priority_known", condition=Q(priority__lte=Priority.LOW.value)
            ),
            models.UniqueConstraint(name="message_dedup_key_unique", fields=["dedup_key"]),
        ]
        indexes = [
            # Inbox: what has this agent not read?
            models.Index(
                name="message_unread",
                fields=["to_agent", "-id"],
                condition=Q(read_at__isnull=True),
            ),
            # Channel: the newest first.
            models.Index(name="message_in_channel", fields=["channel", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.sender}: {self.text[:60]}"
