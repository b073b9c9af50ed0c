"""What an agent's failures in a row hold against it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models import Agent


class AgentBreaker(models.Model):
    """What an agent's failures in a row hold against it; a success or a person clears it."""

    agent = models.OneToOneField(Agent, on_delete=models.PROTECT, related_name="breaker")
    streak = models.JSONField(default=list, blank=True)
    """Ids of the dispatches that it failed in a row, in a way that others don't."""
    trips = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True, blank=True)
    """Until when it claims nothing; after that one dispatch at a time, until one succeeds."""
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["agent__name"]
        constraints = [
            models.CheckConstraint(
                name="agentbreaker_open_was_tripped",
                condition=Q(open_until__isnull=True) | Q(trips__gt=0),
            )
        ]

    def __str__(self) -> str:
        return f"breaker of {self.agent.name}"
