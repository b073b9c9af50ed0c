"""What proves that every pull request got its review: each head commit, and each repository."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models import Dispatch
from agents.models.fields import choices_of, one_of
from recovery.models.github import PullRequest
from recovery.states import TriggerSource


class Repository(models.Model):
    """A repository whose webhook EVOX heard, and when its open pull requests were last listed."""

    repository_id = models.BigIntegerField(unique=True)
    name = models.CharField(max_length=255)
    """owner/name, as last heard."""
    pages = models.JSONField(default=list, blank=True)
    """Of the last listing, each page's address, ETag and numbers, so that GitHub may say 304."""
    next_check_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True)
    proved_at = models.DateTimeField(null=True, blank=True)
    """When a whole listing last came through: until then completeness is known."""
    failures = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "repositories"
        constraints = [
            models.CheckConstraint(
                name="repository_proof_was_a_check",
                condition=Q(proved_at__isnull=True) | Q(checked_at__gte=models.F("proved_at")),
            )
        ]
        # Sweep: whose listing is due?
        indexes = [models.Index(name="repository_due", fields=["next_check_at"])]

    def __str__(self) -> str:
        return self.name


class ReviewHead(models.Model):
    """One head commit of a pull request that was to be reviewed: the denominator of 100 %."""

    pull = models.ForeignKey(PullRequest, on_delete=models.PROTECT, related_name="heads")
    head_sha = models.CharField(max_length=64)
    changed_at = models.DateTimeField()
    """GitHub's own time of the change, in whole seconds."""
    seen_at = models.DateTimeField()
    dispatch = models.ForeignKey(
        Dispatch, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    triggered_at = models.DateTimeField(null=True, blank=True)
    source = models.CharField(
        max_length=16, choices=choices_of(TriggerSource), blank=True, default=""
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(name="reviewhead_unique", fields=["pull", "head_sha"]),
            models.CheckConstraint(
                name="reviewhead_triggered_by_something",
                condition=Q(dispatch__isnull=True, triggered_at__isnull=True, source="")
                | (Q(dispatch__isnull=False, triggered_at__isnull=False) & ~Q(source="")),
            ),
            models.CheckConstraint(
                name="reviewhead_source_known",
                condition=Q(source="") | one_of("source", TriggerSource),
            ),
        ]
        # Figures: what was seen lately?
        indexes = [models.Index(name="reviewhead_seen", fields=["seen_at"])]

    def __str__(self) -> str:
        return f"{self.pull} {self.head_sha[:12]}"
