"""Learnings, who was told, what they thought of it, and the analyses that found them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from agents.models import Agent, Attempt
from agents.models.fields import choices_of, one_of
from failures.models import FailureGroup
from learnings.states import (
    LIVE,
    PUBLISHED,
    LearningOrigin,
    LearningStatus,
    Trigger,
    Vote,
)

_PUBLISHED = one_of("status", PUBLISHED)
_RETIRED = Q(status=LearningStatus.RETIRED.value)


def _exactly_when(left: Q, right: Q) -> Q:
    return (left & right) | (~left & ~right)


class LearningQuerySet(models.QuerySet["Learning"]):
    """Which learnings."""

    def live(self) -> LearningQuerySet:
        """Proposed or told: the one learning of its group."""
        return self.filter(one_of("status", LIVE))

    def told(self) -> LearningQuerySet:
        """Approved and not retired."""
        return self.filter(status__in=[LearningStatus.ACTIVE.value, LearningStatus.WATCH.value])

    def unannounced(self) -> LearningQuerySet:
        """Active, and #dev hasn't heard."""
        return self.filter(status=LearningStatus.ACTIVE.value, announced_at__isnull=True)


class Learning(models.Model):
    """What the team should know about a mistake."""

    slug = models.CharField(max_length=80, unique=True)
    group = models.ForeignKey(
        FailureGroup, null=True, blank=True, on_delete=models.PROTECT, related_name="learnings"
    )
    title = models.CharField(max_length=200)
    category = models.CharField(max_length=40)
    problem = models.TextField(blank=True, default="")
    solution = models.TextField(blank=True, default="")
    rule = models.CharField(max_length=280, blank=True, default="")
    why = models.TextField(blank=True, default="")
    scope = models.JSONField(default=dict, blank=True)
    """Whom it is for: lists under agents, types, paths, tools; an absent one limits nothing."""
    status = models.CharField(
        max_length=16,
        choices=choices_of(LearningStatus),
        default=LearningStatus.PROPOSED.value,
    )
    origin = models.CharField(max_length=16, choices=choices_of(LearningOrigin))
    template_only = models.BooleanField(default=False)
    """Whether no word in it was written by an agent."""
    flags = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    """Why its words need a person's eye first."""
    version = models.PositiveIntegerField(default=1)

    evidence = ArrayField(models.BigIntegerField(), default=list, blank=True)
    """Ids of the newest failures behind it."""
    agents = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    count = models.PositiveIntegerField(default=0)
    """How many failures its group had since `counted_from`."""
    counted_from = models.DateTimeField(null=True, blank=True)
    """The beginning of the window in which the pattern was found."""

    proposed_by = models.CharField(max_length=64)
    approved_by = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    announced_at = models.DateTimeField(null=True, blank=True)
    review_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)
    doc_path = models.CharField(max_length=500, blank=True, default="")
    helpful_count = models.PositiveIntegerField(default=0)
    harmful_count = models.PositiveIntegerField(default=0)

    objects = LearningQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="learning_status_known", condition=one_of("status", LearningStatus)
            ),
            models.CheckConstraint(
                name="learning_origin_known", condition=one_of("origin", LearningOrigin)
            ),
            models.CheckConstraint(
                name="learning_published_has_time",
                condition=_exactly_when(_PUBLISHED, Q(published_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="learning_retired_has_time",
                condition=_exactly_when(_RETIRED, Q(retired_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="learning_published_has_approver", condition=~_PUBLISHED | ~Q(approved_by="")
            ),
            models.CheckConstraint(
                name="learning_not_approved_by_author",
                condition=~Q(approved_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="learning_announced_was_published",
                condition=Q(announced_at__isnull=True) | Q(published_at__isnull=False),
            ),
            models.CheckConstraint(
                name="learning_by_rule_has_group",
                condition=~Q(origin=LearningOrigin.RULE.value)
                | Q(group__isnull=False, counted_from__isnull=False),
            ),
            models.UniqueConstraint(
                name="learning_one_live_per_group",
                fields=["group"],
                condition=one_of("status", LIVE),
            ),
        ]
        indexes = [
            # API and briefings: the newest by status.
            models.Index(name="learning_by_status", fields=["status", "-id"]),
            # Sweep: what the dev channel hasn't heard of.
            models.Index(
                name="learning_unannounced",
                fields=["id"],
                condition=Q(status=LearningStatus.ACTIVE.value, announced_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.title


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
        return f"{self.learning_id} v{self.version} to {self.agent_id}"


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


class AnalysisRun(models.Model):
    """One look through the failures, and what it did."""

    trigger = models.CharField(max_length=16, choices=choices_of(Trigger))
    iso_week = models.CharField(max_length=8)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    window_from = models.DateTimeField()
    window_to = models.DateTimeField()
    patterns_found = models.PositiveIntegerField(default=0)
    learnings_made = models.PositiveIntegerField(default=0)
    learnings_refreshed = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="analysisrun_trigger_known", condition=one_of("trigger", Trigger)
            ),
            models.CheckConstraint(
                name="analysisrun_window_forward", condition=Q(window_from__lt=F("window_to"))
            ),
            models.UniqueConstraint(
                name="analysisrun_one_weekly_per_week",
                fields=["iso_week"],
                condition=Q(trigger=Trigger.WEEKLY.value),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.trigger} {self.iso_week}"
