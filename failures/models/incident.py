"""Incidents and their timelines."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models import Agent, Dispatch
from agents.models.fields import choices_of, one_of
from failures.states import IncidentKind, IncidentStatus, Severity

_RESOLVED = Q(status=IncidentStatus.RESOLVED.value)
_TO_CEO = 3
"""The level of the CEO; see `failures.kinds`."""
_ACKNOWLEDGED = Q(status=IncidentStatus.ACKNOWLEDGED.value)


class Incident(models.Model):
    """Something that somebody should know of, from its opening to its resolution."""

    kind = models.CharField(max_length=32, choices=choices_of(IncidentKind))
    severity = models.CharField(max_length=16, choices=choices_of(Severity))
    status = models.CharField(
        max_length=16, choices=choices_of(IncidentStatus), default=IncidentStatus.OPEN.value
    )
    title = models.CharField(max_length=200)
    message = models.TextField(blank=True, default="")
    metadata = models.JSONField(default=dict, blank=True)
    dedup_key = models.CharField(max_length=200)
    """What it is about: one at most is open for each."""
    report_key = models.CharField(max_length=300, null=True, blank=True)
    """Its reporter's idempotency key: the same report makes one incident, for ever."""
    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="incidents"
    )
    dispatch = models.ForeignKey(
        Dispatch, null=True, blank=True, on_delete=models.PROTECT, related_name="incidents"
    )
    reported_by = models.CharField(max_length=64, blank=True, default="")

    opened_at = models.DateTimeField()
    stall_since = models.DateTimeField(null=True, blank=True)
    ladder = models.JSONField(default=dict, blank=True)
    """Seconds after `stall_since` (else `opened_at`) at which each level is told: a snapshot."""
    escalation_level = models.PositiveSmallIntegerField(default=0)
    next_step_at = models.DateTimeField(null=True, blank=True)
    """When EVOX must look at it again: a level, a reminder, the end of a rest."""
    reminders = models.PositiveSmallIntegerField(default=0)
    """How often its last level was told again."""
    acknowledged_by = models.CharField(max_length=64, blank=True, default="")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    ack_expires_at = models.DateTimeField(null=True, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=64, blank=True, default="")
    resolution = models.TextField(blank=True, default="")
    version = models.PositiveIntegerField(default=1)
    """Grows with every change, so that an action on an old view can be refused."""

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="incident_one_open_per_dedup_key", fields=["dedup_key"], condition=~_RESOLVED
            ),
            models.UniqueConstraint(name="incident_report_key_unique", fields=["report_key"]),
            models.CheckConstraint(
                name="incident_status_known", condition=one_of("status", IncidentStatus)
            ),
            models.CheckConstraint(
                name="incident_kind_known", condition=one_of("kind", IncidentKind)
            ),
            models.CheckConstraint(
                name="incident_severity_known", condition=one_of("severity", Severity)
            ),
            models.CheckConstraint(
                name="incident_resolved_has_time",
                condition=(_RESOLVED & Q(resolved_at__isnull=False))
                | (~_RESOLVED & Q(resolved_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="incident_ack_has_who_and_when",
                condition=~_ACKNOWLEDGED
                | (
                    Q(acknowledged_at__isnull=False, ack_expires_at__isnull=False)
                    & ~Q(acknowledged_by="")
                ),
            ),
        ]
        indexes = [
            # Escalation: whose next step is due?
            models.Index(
                name="incident_next_step",
                fields=["next_step_at", "id"],
                condition=~_RESOLVED & Q(next_step_at__isnull=False),
            ),
            # API and page: what is open, the newest first.
            models.Index(name="incident_by_status", fields=["status", "-id"]),
            # Figures: what was open in a window, how it went, and how long work stood still.
            models.Index(name="incident_resolved", fields=["resolved_at"]),
        ]

    def __str__(self) -> str:
        return f"INC-{self.pk} {self.title}"

    @property
    def number(self) -> str:
        """What people call it."""
        return f"INC-{self.pk}"


class IncidentEvent(models.Model):
    """One line of an incident's timeline, append-only."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="events")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=32)
    level = models.PositiveSmallIntegerField(null=True, blank=True)
    actor = models.CharField(max_length=64)
    at = models.DateTimeField()
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["incident_id", "seq"]
        constraints = [
            models.UniqueConstraint(name="incidentevent_seq_unique", fields=["incident", "seq"]),
            # Each level is told once, however many sweeps run.
            models.UniqueConstraint(
                name="incidentevent_each_level_once",
                fields=["incident", "level"],
                condition=Q(kind="escalated"),
            ),
        ]
        indexes = [
            # Figures: what reached the CEO in a window, and what the CEO did.
            models.Index(
                name="incidentevent_to_ceo", fields=["at"], condition=Q(level__gte=_TO_CEO)
            ),
            models.Index(name="incidentevent_by_actor", fields=["actor", "at"]),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.kind} by {self.actor}"
