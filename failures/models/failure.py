"""The failure log, and the groups of like failures."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from agents.models import Agent, Attempt
from agents.models.fields import choices_of, one_of
from failures.policy import group_title
from failures.search import GROUP_WORDS
from failures.states import ErrorType, GroupStatus, ResolutionOutcome

_RESOLVED = Q(status=GroupStatus.RESOLVED.value)


class FailureGroup(models.Model):
    """Failures with one fingerprint: the same mistake, as far as text can tell.

    Groups that people or EVOX hold for one mistake have one root. All rows stay where they are;
    what is shown is the root's, summed over its members: `failures.queries` says how.
    """

    fingerprint = models.CharField(max_length=80, unique=True)
    family = models.CharField(max_length=80, blank=True, default="")
    error_type = models.CharField(max_length=16, choices=choices_of(ErrorType))
    template = models.CharField(max_length=200, blank=True, default="")
    """The significant line with its values masked; safe to show to anybody."""
    tool_code = models.CharField(max_length=120, blank=True, default="")
    error_class = models.CharField(max_length=120, blank=True, default="")
    classified_type = models.CharField(
        max_length=16, choices=choices_of(ErrorType), blank=True, default=""
    )
    """What its first failure's text says that it is; empty in rows from before that was asked."""
    count = models.PositiveIntegerField(default=0)
    """Failures with its own fingerprint."""
    status = models.CharField(
        max_length=16, choices=choices_of(GroupStatus), default=GroupStatus.OPEN.value
    )
    """Its own; a member's shows again when it is taken out of its root."""
    resolution = models.TextField(blank=True, default="")
    resolved_by = models.CharField(max_length=64, blank=True, default="")
    resolved_at = models.DateTimeField(null=True, blank=True)
    """Of the last time that somebody resolved it; kept when it regresses."""
    guidance = models.TextField(blank=True, default="")
    """What an approved learning says about it; written from above."""
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    merged_into = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="members",
        db_index=False,
    )
    """Its root, as its standing alias says; written with that alias only.

    The trigger failuregroup_no_chain keeps a root from having a root itself.
    """

    # What a root stands at: set by queries.groups(), summed over its members.
    total: int
    seen_first: datetime
    seen_last: datetime
    known_fix: str
    fix_of: int | None
    """The group whose guidance `known_fix` is."""

    class Meta:
        ordering = ["-last_seen_at"]
        constraints = [
            models.CheckConstraint(
                name="failuregroup_status_known", condition=one_of("status", GroupStatus)
            ),
            models.CheckConstraint(
                name="failuregroup_error_type_known", condition=one_of("error_type", ErrorType)
            ),
            models.CheckConstraint(
                name="failuregroup_classified_type_known",
                condition=one_of("classified_type", ["", *ErrorType]),
            ),
            models.CheckConstraint(
                name="failuregroup_resolved_has_who_and_when",
                condition=~_RESOLVED | (Q(resolved_at__isnull=False) & ~Q(resolved_by="")),
            ),
            models.CheckConstraint(
                name="failuregroup_not_its_own_root", condition=~Q(merged_into=F("id"))
            ),
        ]
        indexes = [
            # Page and API: what happened last.
            models.Index(name="failuregroup_recent", fields=["-last_seen_at"]),
            # Patterns: groups of one family.
            models.Index(name="failuregroup_family", fields=["family"]),
            # API: groups that share words with a failure.
            GinIndex(GROUP_WORDS, name="failuregroup_words"),
            # All: the members of a root; most groups have none.
            models.Index(
                name="failuregroup_members",
                fields=["merged_into"],
                condition=Q(merged_into__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.fingerprint

    @property
    def root(self) -> FailureGroup:
        """The group that stands for it: its root, or itself."""
        return self.merged_into or self

    @property
    def title(self) -> str:
        """What it is called in front of anybody."""
        return group_title(self.template, tool_code=self.tool_code, error_class=self.error_class)


class Failure(models.Model):
    """One thing that went wrong, as it was reported."""

    agent = models.ForeignKey(
        Agent, on_delete=models.PROTECT, related_name="failures", db_index=False
    )
    attempt = models.ForeignKey(
        Attempt, null=True, blank=True, on_delete=models.PROTECT, related_name="failures"
    )
    group = models.ForeignKey(
        FailureGroup, on_delete=models.PROTECT, related_name="failures", db_index=False
    )
    error_type = models.CharField(max_length=16, choices=choices_of(ErrorType))
    """As its reporter called it."""
    classified_type = models.CharField(
        max_length=16, choices=choices_of(ErrorType), blank=True, default=""
    )
    """As its text says; empty in rows from before that was asked."""
    message = models.TextField(blank=True)
    context = models.JSONField(default=dict, blank=True)
    ticket_id = models.CharField(max_length=64, blank=True, default="")
    fingerprint = models.CharField(max_length=80)
    resolution = models.TextField(blank=True, default="")
    outcome = models.CharField(
        max_length=16, choices=choices_of(ResolutionOutcome), default=ResolutionOutcome.NONE.value
    )
    created_at = models.DateTimeField()

    # What its root stands at: set by queries.failures() and by the log, which read it along.
    root_pk: int
    occurrences: int
    known_fix: str
    # Set by the log alone: the group whose guidance `known_fix` is.
    fix_of: int

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="failure_error_type_known", condition=one_of("error_type", ErrorType)
            ),
            models.CheckConstraint(
                name="failure_outcome_known", condition=one_of("outcome", ResolutionOutcome)
            ),
            models.CheckConstraint(
                name="failure_classified_type_known",
                condition=one_of("classified_type", ["", *ErrorType]),
            ),
        ]
        indexes = [
            # API: this fingerprint's failures, the newest first.
            models.Index(name="failure_of_fingerprint", fields=["fingerprint", "-id"]),
            # Error loops: an agent's like failures since yesterday; all: a group's, also by agent.
            models.Index(name="failure_of_group", fields=["group", "agent", "-created_at"]),
            # Page: failures by agent in a window; API: the newest of an agent.
            models.Index(name="failure_of_agent", fields=["agent", "-created_at"]),
            # Analysis and page: everything in a window.
            models.Index(name="failure_recent", fields=["-created_at"]),
            # API and learnings: what helped against this group; most failures have no outcome.
            models.Index(
                name="failure_with_outcome",
                fields=["group", "outcome", "-id"],
                condition=~Q(outcome=ResolutionOutcome.NONE.value),
            ),
            # API: what went wrong on this ticket.
            models.Index(
                name="failure_of_ticket",
                fields=["ticket_id", "-id"],
                condition=~models.Q(ticket_id=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message[:80]}"
