"""Learnings: what the team should know, and how it went since."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q

from agents.models import Dispatch
from agents.models.fields import choices_of, exactly_when, one_of
from failures.models import FailureGroup
from learnings.search import LEARNING_WORDS
from learnings.states import LIVE, PUBLISHED, TOLD, LearningOrigin, LearningStatus

_PUBLISHED = one_of("status", PUBLISHED)
_RETIRED = Q(status=LearningStatus.RETIRED.value)
_WATCHED = Q(status=LearningStatus.WATCH.value)


class LearningQuerySet(models.QuerySet["Learning"]):
    """Which learnings."""

    def live(self) -> LearningQuerySet:
        """Proposed or told: the one learning of its group or family."""
        return self.filter(one_of("status", LIVE))

    def told(self) -> LearningQuerySet:
        """Approved and not retired."""
        return self.filter(one_of("status", TOLD))

    def unannounced(self) -> LearningQuerySet:
        """Active, and #dev hasn't heard."""
        return self.filter(status=LearningStatus.ACTIVE.value, announced_at__isnull=True)


class Learning(models.Model):
    """What the team should know about a mistake."""

    slug = models.CharField(max_length=80, unique=True)
    group = models.ForeignKey(
        FailureGroup, null=True, blank=True, on_delete=models.PROTECT, related_name="learnings"
    )
    family = models.CharField(max_length=80, blank=True, default="")
    """Instead of a group: it is about all groups of that family."""
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
    irrelevant_count = models.PositiveIntegerField(default=0)

    owner = models.CharField(max_length=32, blank=True, default="")
    """Who hears of it when it doesn't hold; the lead when nobody is named, or nobody there."""
    rule_hashes = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    """Of the texts that agents were given as guidance, the newest last: who had which is asked."""
    recurrence_from = models.DateTimeField(null=True, blank=True)
    """Repeats count from here: its publication, its last revision, or its last resolution."""
    exposed_repeats = models.PositiveIntegerField(default=0)
    """Failures since then of agents that had been told; too many, and it is watched."""
    unexposed_repeats = models.PositiveIntegerField(default=0)
    """The others: a fault of delivery, not of the learning."""
    last_repeat_at = models.DateTimeField(null=True, blank=True)
    watch_since = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    """Since when what it is about counts as dealt with."""
    regressed_at = models.DateTimeField(null=True, blank=True)
    """When that was last found to be wrong."""
    review_asked_at = models.DateTimeField(null=True, blank=True)
    retire_reason = models.CharField(max_length=500, blank=True, default="")
    superseded_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="supersedes"
    )
    diagnosis = models.ForeignKey(
        Dispatch, null=True, blank=True, on_delete=models.PROTECT, related_name="diagnoses"
    )
    """The work that was to find rule and reason."""

    words = models.GeneratedField(
        expression=LEARNING_WORDS, output_field=SearchVectorField(), db_persist=True
    )
    """What it is found by. Kept: to rank by words that are read anew took 70 times as long."""

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
                condition=exactly_when(_PUBLISHED, Q(published_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="learning_retired_has_time",
                condition=exactly_when(_RETIRED, Q(retired_at__isnull=False)),
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
                name="learning_by_rule_has_source",
                condition=~Q(origin=LearningOrigin.RULE.value)
                | (Q(counted_from__isnull=False) & (Q(group__isnull=False) | ~Q(family=""))),
            ),
            models.CheckConstraint(
                name="learning_group_or_family", condition=Q(group__isnull=True) | Q(family="")
            ),
            models.CheckConstraint(
                name="learning_watched_has_time",
                condition=exactly_when(_WATCHED, Q(watch_since__isnull=False)),
            ),
            models.CheckConstraint(
                name="learning_superseded_is_retired",
                condition=Q(superseded_by__isnull=True) | _RETIRED,
            ),
            models.CheckConstraint(
                name="learning_superseded_by_another",
                condition=Q(superseded_by__isnull=True) | ~Q(superseded_by=F("id")),
            ),
            models.UniqueConstraint(
                name="learning_one_live_per_group",
                fields=["group"],
                condition=one_of("status", LIVE),
            ),
            models.UniqueConstraint(
                name="learning_one_live_per_family",
                fields=["family"],
                condition=one_of("status", LIVE) & ~Q(family=""),
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
            # Sweep: whose review is due and nobody was asked.
            models.Index(
                name="learning_review_due",
                fields=["review_at"],
                condition=one_of("status", TOLD) & Q(review_asked_at__isnull=True),
            ),
            # Briefings: what shares words with the work.
            GinIndex(name="learning_words", fields=["words"]),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_pattern(self) -> bool:
        """Whether it is about failures that came again and again."""
        return self.group_id is not None or bool(self.family)
