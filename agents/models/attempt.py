"""Attempts: one a claim of a dispatch."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models.agent import Agent
from agents.models.dispatch import Dispatch
from agents.models.fields import SameTruth, among, choices_of
from agents.states import AttemptOutcome, Strategy


class Attempt(models.Model):
    """One claim of a dispatch, closed exactly once."""

    dispatch = models.ForeignKey(
        Dispatch,
        on_delete=models.PROTECT,
        related_name="attempts",
        db_index=False,  # attempt_one_per_epoch begins with it.
    )
    lease_epoch = models.PositiveBigIntegerField()
    """The fence, and so also the number of the claim: 1, 2, 3…"""
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        related_name="attempts",
        db_index=False,  # No agent is deleted, and no page looks up all attempts of one.
    )
    session = models.UUIDField(null=True, blank=True)
    strategy = models.CharField(max_length=32, choices=choices_of(Strategy))
    instructions = models.TextField(blank=True, default="")
    claim = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(
        max_length=16, choices=choices_of(AttemptOutcome), default=AttemptOutcome.RUNNING.value
    )
    reason = models.TextField(blank=True, default="")
    result = models.JSONField(null=True, blank=True)
    failure_id = models.BigIntegerField(null=True, blank=True)
    """The failure that it reported; opaque here, since failures live one floor up."""
    progress_note = models.TextField(blank=True, default="")
    answer = models.JSONField(null=True, blank=True)
    """What the closing call was told, so that the same call again hears the same."""

    class Meta:
        ordering = ["dispatch_id", "lease_epoch"]
        constraints = [
            models.CheckConstraint(
                name="attempt_outcome_known", condition=among("outcome", AttemptOutcome)
            ),
            models.CheckConstraint(
                name="attempt_closed_has_end",
                condition=SameTruth(
                    Q(outcome=AttemptOutcome.RUNNING.value), Q(ended_at__isnull=True)
                ),
            ),
            models.UniqueConstraint(
                name="attempt_one_per_epoch", fields=["dispatch", "lease_epoch"]
            ),
            models.UniqueConstraint(name="attempt_claim_unique", fields=["claim"]),
            models.UniqueConstraint(
                name="attempt_one_running_per_dispatch",
                fields=["dispatch"],
                condition=Q(outcome=AttemptOutcome.RUNNING.value),
            ),
        ]
        indexes = [
            # Page: who failed and who finished lately.
            models.Index(
                name="attempt_ended", fields=["ended_at"], condition=Q(ended_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.dispatch_id} attempt {self.number}"

    @property
    def number(self) -> int:
        """Which claim of its dispatch this was, counted from 1."""
        return self.lease_epoch
