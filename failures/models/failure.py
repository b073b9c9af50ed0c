"""The failure log, and the groups of like failures."""

from __future__ import annotations

from django.db import models

from agents.models import Agent, Attempt
from agents.models.fields import choices_of, one_of
from failures.policy import group_title
from failures.states import ErrorType, GroupStatus, ResolutionOutcome


class FailureGroup(models.Model):
    """Failures with one fingerprint: the same mistake, as far as text can tell."""

    fingerprint = models.CharField(max_length=80, unique=True)
    family = models.CharField(max_length=80, blank=True, default="")
    error_type = models.CharField(max_length=16, choices=choices_of(ErrorType))
    template = models.CharField(max_length=200, blank=True, default="")
    """The significant line with its values masked; safe to show to anybody."""
    tool_code = models.CharField(max_length=120, blank=True, default="")
    error_class = models.CharField(max_length=120, blank=True, default="")
    count = models.PositiveIntegerField(default=0)
    status = models.CharField(
        max_length=16, choices=choices_of(GroupStatus), default=GroupStatus.OPEN.value
    )
    guidance = models.TextField(blank=True, default="")
    """What an approved learning says about it; written from above."""
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-last_seen_at"]
        constraints = [
            models.CheckConstraint(
                name="failuregroup_status_known", condition=one_of("status", GroupStatus)
            ),
            models.CheckConstraint(
                name="failuregroup_error_type_known", condition=one_of("error_type", ErrorType)
            ),
        ]
        indexes = [
            # Page and API: what happened last.
            models.Index(name="failuregroup_recent", fields=["-last_seen_at"]),
            # Patterns: groups of one family.
            models.Index(name="failuregroup_family", fields=["family"]),
        ]

    def __str__(self) -> str:
        return self.title or self.fingerprint

    @property
    def title(self) -> str:
        """What it is called in front of anybody."""
        return group_title(self.template, tool_code=self.tool_code, error_class=self.error_class)


class Failure(models.Model):
    """One thing that went wrong, as it was reported."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="failures")
    attempt = models.ForeignKey(
        Attempt, null=True, blank=True, on_delete=models.PROTECT, related_name="failures"
    )
    group = models.ForeignKey(FailureGroup, on_delete=models.PROTECT, related_name="failures")
    error_type = models.CharField(max_length=16, choices=choices_of(ErrorType))
    message = models.TextField(blank=True)
    context = models.JSONField(default=dict, blank=True)
    ticket_id = models.CharField(max_length=64, blank=True, default="")
    fingerprint = models.CharField(max_length=80)
    resolution = models.TextField(blank=True, default="")
    outcome = models.CharField(
        max_length=16, choices=choices_of(ResolutionOutcome), default=ResolutionOutcome.NONE.value
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="failure_error_type_known", condition=one_of("error_type", ErrorType)
            ),
            models.CheckConstraint(
                name="failure_outcome_known", condition=one_of("outcome", ResolutionOutcome)
            ),
        ]
        indexes = [
            # API: this fingerprint's failures, the newest first.
            models.Index(name="failure_of_fingerprint", fields=["fingerprint", "-id"]),
            # Page: failures by agent in a window; API: the newest of an agent.
            models.Index(name="failure_of_agent", fields=["agent", "-created_at"]),
            # Analysis and page: everything in a window.
            models.Index(name="failure_recent", fields=["-created_at"]),
            # API: what went wrong on this ticket.
            models.Index(
                name="failure_of_ticket",
                fields=["ticket_id", "-id"],
                condition=~models.Q(ticket_id=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message[:80]}"
