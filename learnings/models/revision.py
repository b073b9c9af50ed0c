"""New words for a learning, and who let them through."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from agents.models import Dispatch
from agents.models.fields import choices_of, exactly_when, one_of
from learnings.models.learning import Learning
from learnings.states import RevisionSource, RevisionStatus

_WAITING = Q(status=RevisionStatus.PROPOSED.value)
_APPLIED = Q(status=RevisionStatus.APPLIED.value)


class LearningRevision(models.Model):
    """What a learning might say instead; also the record of a diagnosis that said nothing."""

    learning = models.ForeignKey(Learning, on_delete=models.PROTECT, related_name="revisions")
    version = models.PositiveIntegerField()
    """Of the learning that it was written for."""
    rule = models.CharField(max_length=280, blank=True, default="")
    why = models.TextField(blank=True, default="")
    solution = models.TextField(blank=True, default="")
    source = models.CharField(max_length=16, choices=choices_of(RevisionSource))
    author = models.CharField(max_length=64)
    flags = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    """Why its words need a person's eye first."""
    diagnosis = models.ForeignKey(
        Dispatch,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="revisions",
    )
    """The work that it came of."""
    failure_id = models.BigIntegerField(null=True, blank=True)
    """The failure whose resolution it is."""

    status = models.CharField(
        max_length=16,
        choices=choices_of(RevisionStatus),
        default=RevisionStatus.PROPOSED.value,
    )
    reason = models.CharField(max_length=500, blank=True, default="")
    """Why it stands where it stands, as a sentence."""
    at = models.DateTimeField()
    decided_by = models.CharField(max_length=64, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="learningrevision_status_known", condition=one_of("status", RevisionStatus)
            ),
            models.CheckConstraint(
                name="learningrevision_source_known", condition=one_of("source", RevisionSource)
            ),
            models.CheckConstraint(
                name="learningrevision_decided_has_who",
                condition=exactly_when(~_WAITING, Q(decided_at__isnull=False) & ~Q(decided_by="")),
            ),
            models.CheckConstraint(
                name="learningrevision_not_applied_by_author",
                condition=~_APPLIED | ~Q(decided_by=F("author")),
            ),
            models.CheckConstraint(
                name="learningrevision_has_rule",
                condition=~(_WAITING | _APPLIED) | ~Q(rule=""),
            ),
            # A diagnosis is read once, a resolution proposed once for each learning that it is
            # about (its group's and its family's), whatever became of it.
            models.UniqueConstraint(
                name="learningrevision_once_a_diagnosis",
                fields=["diagnosis"],
                condition=Q(diagnosis__isnull=False),
            ),
            models.UniqueConstraint(
                name="learningrevision_once_a_failure",
                fields=["learning", "failure_id"],
                condition=Q(failure_id__isnull=False),
            ),
            models.UniqueConstraint(
                name="learningrevision_one_waiting",
                fields=["learning", "source"],
                condition=_WAITING,
            ),
        ]
        indexes = [
            # API and admin: what waits for a person, the newest first.
            models.Index(name="learningrevision_waiting", fields=["-id"], condition=_WAITING),
        ]

    def __str__(self) -> str:
        return f"{self.source} for learning {self.learning_id} v{self.version}: {self.status}"
