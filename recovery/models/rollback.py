"""What the Git hook found of commits, and whether it may revert at present."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from agents.models import Agent
from failures.models import Incident


class Rollback(models.Model):
    """One verdict of the Git hook that was worth a report, beside its incident."""

    incident = models.OneToOneField(Incident, on_delete=models.PROTECT, related_name="rollback")
    kind = models.CharField(max_length=32)
    repository = models.CharField(max_length=300, blank=True, default="")
    branch = models.CharField(max_length=300, blank=True, default="")
    commit = models.CharField(max_length=64, blank=True, default="")
    revert_commit = models.CharField(max_length=64, blank=True, default="")
    command = models.CharField(max_length=500, blank=True, default="")
    exit_code = models.IntegerField(null=True, blank=True)
    confirmed = models.BooleanField(null=True, blank=True)
    """Whether a second run failed, too; False when there was no time for one."""
    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="rollbacks"
    )
    committed_at = models.DateTimeField(null=True, blank=True)
    """By the clock of the machine that committed."""
    happened_at = models.DateTimeField(null=True, blank=True)
    """When the hook was done, by the same clock."""
    received_at = models.DateTimeField()
    late = models.BooleanField(default=False)
    """It waited in the hook's spool, since EVOX could not be reached."""

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="rollback_reverted_has_commit",
                condition=~Q(kind="rolled_back") | ~Q(commit=""),
            ),
        ]
        indexes = [
            # Figures: what was rolled back lately?
            models.Index(name="rollback_received", fields=["kind", "received_at"]),
            # The next green: what is red on this branch?
            models.Index(name="rollback_of_branch", fields=["repository", "branch"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.commit[:12]}"


class RollbackPause(models.Model):
    """While it holds, hooks verify and report, and revert nothing. It ends by itself."""

    reason = models.CharField(max_length=500)
    started_by = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    until = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="rollbackpause_ends_after_start", condition=Q(until__gt=F("started_at"))
            ),
            models.CheckConstraint(name="rollbackpause_has_reason", condition=~Q(reason="")),
            # One that isn't lifted at a time: a constant is all that there is to be unique.
            models.UniqueConstraint(
                models.Value(1),
                name="rollbackpause_one_a_time",
                condition=Q(lifted_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"until {self.until:%Y-%m-%d %H:%M}"
