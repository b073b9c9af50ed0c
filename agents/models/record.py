"""What EVOX writes about itself: audited acts and signs of life."""

from __future__ import annotations

from django.db import models


class AuditEntry(models.Model):
    """An act that a person or EVOX took on a row, append-only; also the row's timeline."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=64)
    verb = models.CharField(max_length=32)
    subject_kind = models.CharField(max_length=32)
    subject_id = models.BigIntegerField()
    reason = models.TextField(blank=True, default="")
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            # The timeline of one row.
            models.Index(name="auditentry_subject", fields=["subject_kind", "subject_id", "id"]),
            # Figures: what did this person do lately?
            models.Index(name="auditentry_by_actor", fields=["actor", "at"]),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.subject_kind} {self.subject_id}"


class SystemBeat(models.Model):
    """When a part of EVOX last did its round."""

    name = models.CharField(max_length=32, unique=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"


class IdempotencyRecord(models.Model):
    """What a write with an Idempotency-Key was answered, for a day."""

    scope = models.CharField(max_length=300)
    """Caller and path."""
    key = models.CharField(max_length=255)
    body_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="idempotencyrecord_scope_key_unique", fields=["scope", "key"]
            )
        ]
        # Purge: what is over a day old.
        indexes = [models.Index(name="idempotencyrecord_age", fields=["created_at"])]

    def __str__(self) -> str:
        return f"{self.scope} {self.key[:20]}"
