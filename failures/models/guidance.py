"""Who was told which known fix, and how: so that it can be asked whether it helped."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models import Agent, Attempt
from agents.models.fields import choices_of, one_of
from failures.models.failure import FailureGroup
from failures.states import GuidanceVia


class GuidanceShown(models.Model):
    """A guidance text that was given to an agent, append-only.

    One row for each way and attempt; without an attempt, one for the first time an agent saw the
    text this way, so that an agent that fails all day adds no row a failure.
    """

    group = models.ForeignKey(FailureGroup, on_delete=models.PROTECT, related_name="guidance_shown")
    text_hash = models.CharField(max_length=64)
    """Of the text as it was: the group's own text may have changed since."""
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="guidance_shown")
    attempt = models.ForeignKey(
        Attempt, null=True, blank=True, on_delete=models.PROTECT, related_name="guidance_shown"
    )
    via = models.CharField(max_length=16, choices=choices_of(GuidanceVia))
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "guidance shown"
        constraints = [
            models.UniqueConstraint(
                name="guidanceshown_once",
                fields=["group", "text_hash", "agent", "via", "attempt"],
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="guidanceshown_via_known", condition=one_of("via", GuidanceVia)
            ),
            models.CheckConstraint(
                name="guidanceshown_hash_form", condition=Q(text_hash__regex=r"^[0-9a-f]{64}$")
            ),
            models.CheckConstraint(
                name="guidanceshown_instructs_attempt",
                condition=~Q(via=GuidanceVia.INSTRUCTIONS.value) | Q(attempt__isnull=False),
            ),
        ]
        indexes = [
            # Admin: to whom this group's guidance was given, the newest first.
            models.Index(name="guidanceshown_of_group", fields=["group", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.agent.name} was told of {self.group}"
