"""What only EVOX's watching of itself needs."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models.fields import choices_of, one_of
from monitoring.states import AuditCheck


class AuditFinding(models.Model):
    """Something that the auditor found late or missing, once each, whatever it then repaired."""

    check_name = models.CharField(max_length=32, choices=choices_of(AuditCheck))
    subject = models.CharField(max_length=100)
    """Such as `incident:42:level:2`."""
    detail = models.CharField(max_length=500, blank=True, default="")
    late_by = models.DurationField(null=True, blank=True)
    found_at = models.DateTimeField()
    repaired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="auditfinding_once_per_subject", fields=["check_name", "subject"]
            ),
            models.CheckConstraint(
                name="auditfinding_check_known", condition=one_of("check_name", AuditCheck)
            ),
            models.CheckConstraint(name="auditfinding_has_subject", condition=~Q(subject="")),
        ]
        # Page: how many in the last 30 days?
        indexes = [models.Index(name="auditfinding_found", fields=["check_name", "found_at"])]

    def __str__(self) -> str:
        return f"{self.check_name} {self.subject}"
