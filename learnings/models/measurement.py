"""What was measured of a learning: the same mistake before it was told, and after."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from agents.models.fields import choices_of, one_of
from learnings.models.learning import Learning
from learnings.states import Verdict


class Measurement(models.Model):
    """One version of a learning, before and after agents were told it; the last look at it.

    Once `complete`, it is never measured again.
    """

    learning = models.ForeignKey(Learning, on_delete=models.PROTECT, related_name="measurements")
    version = models.PositiveIntegerField()
    since = models.DateTimeField()
    """From when agents were told these words."""
    at = models.DateTimeField()
    """When it was measured."""
    complete = models.BooleanField(default=False)
    """Whether the days after are over, so that it won't change any more."""
    failures_before = models.PositiveIntegerField()
    attempts_before = models.PositiveIntegerField()
    failures_after = models.PositiveIntegerField()
    attempts_after = models.PositiveIntegerField()
    exposed_repeats = models.PositiveIntegerField()
    unexposed_repeats = models.PositiveIntegerField()
    untreated = models.PositiveIntegerField()
    """With so many patterns that nobody was told of it was compared; 0: with the usual fall."""
    untreated_ratio = models.FloatField(null=True, blank=True)
    ratio = models.FloatField(null=True, blank=True)
    p = models.FloatField(null=True, blank=True)
    verdict = models.CharField(max_length=16, choices=choices_of(Verdict))

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="measurement_once_a_version", fields=["learning", "version"]
            ),
            models.CheckConstraint(
                name="measurement_verdict_known", condition=one_of("verdict", Verdict)
            ),
            models.CheckConstraint(
                name="measurement_p_is_a_share",
                condition=Q(p__isnull=True) | Q(p__gt=0, p__lte=1),
            ),
            models.CheckConstraint(
                name="measurement_after_it_was_told", condition=Q(at__gte=F("since"))
            ),
            models.CheckConstraint(
                name="measurement_works_only_once_complete",
                condition=~Q(verdict=Verdict.WORKING.value) | Q(complete=True, p__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.learning} v{self.version}: {self.verdict}"
