"""Who was told a learning, and what they thought of it."""

from __future__ import annotations

from django.db import models

from agents.models import Agent, Attempt
from agents.models.fields import choices_of, one_of
from learnings.models.learning import Learning
from learnings.states import Vote


class Injection(models.Model):
    """A learning that an agent was told, so that it can be asked later whether it helped."""

    learning = models.ForeignKey(Learning, on_delete=models.PROTECT, related_name="injections")
    version = models.PositiveIntegerField()
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="injections")
    attempt = models.ForeignKey(
        Attempt, null=True, blank=True, on_delete=models.PROTECT, related_name="injections"
    )
    at = models.DateTimeField()
    why = models.CharField(max_length=64)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="injection_once_per_attempt",
                fields=["learning", "version", "agent", "attempt"],
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.learning} v{self.version} to {self.agent.name}"


class Feedback(models.Model):
    """A vote, append-only; of one voter the latest counts."""

    learning = models.ForeignKey(Learning, on_delete=models.PROTECT, related_name="feedback")
    version = models.PositiveIntegerField()
    voter = models.CharField(max_length=64)
    vote = models.CharField(max_length=16, choices=choices_of(Vote))
    reason = models.TextField(blank=True, default="")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "feedback"
        constraints = [
            models.CheckConstraint(name="feedback_vote_known", condition=one_of("vote", Vote))
        ]
        indexes = [
            # Counting: each voter's latest vote on a learning.
            models.Index(name="feedback_of_voter", fields=["learning", "voter", "-id"])
        ]

    def __str__(self) -> str:
        return f"{self.voter}: {self.vote}"
