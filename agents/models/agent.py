"""Agents, their keys and their sessions."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from rest_framework_api_key.models import AbstractAPIKey

from agents import policy
from agents.models.fields import choices_of, one_of
from agents.states import AgentRole, AgentStatus

NAME_PATTERN = r"^[A-Z][A-Z0-9_-]{0,31}$"


class Agent(models.Model):
    """Somebody who takes work. Retired, never deleted: its history stays readable."""

    name = models.CharField(max_length=32, unique=True)
    role = models.CharField(
        max_length=16, choices=choices_of(AgentRole), default=AgentRole.WORKER.value
    )
    skills = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    status = models.CharField(
        max_length=16, choices=choices_of(AgentStatus), default=AgentStatus.IDLE.value
    )
    heartbeat_seconds = models.PositiveIntegerField(default=60)
    heartbeat_grace_seconds = models.PositiveIntegerField(default=120)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(name="agent_name_form", condition=Q(name__regex=NAME_PATTERN)),
            models.CheckConstraint(name="agent_role_known", condition=one_of("role", AgentRole)),
            models.CheckConstraint(
                name="agent_status_known", condition=one_of("status", AgentStatus)
            ),
            models.CheckConstraint(
                name="agent_heartbeat_positive", condition=Q(heartbeat_seconds__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_online(self, *, now: datetime) -> bool:
        """Whether its last sign of life still counts at `now`."""
        return self.status != AgentStatus.OFFLINE and policy.is_online(
            self.last_seen_at,
            interval=timedelta(seconds=self.heartbeat_seconds),
            grace=timedelta(seconds=self.heartbeat_grace_seconds),
            now=now,
        )


class AgentKey(AbstractAPIKey):
    """A key that an agent (or, without one, an operator) sends as a bearer token.

    Only its hash is kept; at most two live keys an agent, so that it can be rotated.
    """

    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="keys"
    )

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "agent key"
        verbose_name_plural = "agent keys"


class AgentSession(models.Model):
    """One process start of an agent: it is expected from its start to its end."""

    id = models.UUIDField(primary_key=True)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="sessions")
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(
                name="agentsession_ends_after_start",
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=models.F("started_at")),
            )
        ]
        indexes = [
            # Which sessions is this agent expected in?
            models.Index(
                name="agentsession_open", fields=["agent"], condition=Q(ended_at__isnull=True)
            ),
            # Admin: the latest, whoever's.
            models.Index(name="agentsession_started", fields=["started_at"]),
            # Uptime: which sessions reach into this window?
            models.Index(
                name="agentsession_ended", fields=["ended_at"], condition=Q(ended_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent.name} since {self.started_at:%Y-%m-%d %H:%M}"
