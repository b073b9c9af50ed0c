"""What only EVOX's watching needs: what its audit found, and each hour's figures, added up."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from agents.models import Agent
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


HOUR_SECONDS = 3_600


class HourlyFigures(models.Model):
    """What an agent's hour came to: each of its seconds, and the attempts that ended in it.

    Made of other rows and made anew whenever those changed: nothing is lost with it.
    """

    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        related_name="hours",
        db_index=False,  # hourlyfigures_once begins with it.
    )
    hour = models.DateTimeField()
    """Its first instant. Attempts that ended at the last one, the next hour's first, are in it."""
    up_s = models.PositiveSmallIntegerField(default=0)
    down_s = models.PositiveSmallIntegerField(default=0)
    excluded_s = models.PositiveSmallIntegerField(default=0)
    unknown_s = models.PositiveSmallIntegerField(default=0)
    productive_s = models.PositiveSmallIntegerField(default=0)
    runs = models.TextField(blank=True, default="", db_default="")
    """What each second was: see `policy_runs`. Empty in hours that were made before it was kept."""
    succeeded = models.PositiveIntegerField(default=0)
    failed_build = models.PositiveIntegerField(default=0)
    failed_test = models.PositiveIntegerField(default=0)
    failed_api = models.PositiveIntegerField(default=0)
    failed_timeout = models.PositiveIntegerField(default=0)
    failed_other = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-hour", "agent_id"]
        verbose_name_plural = "hourly figures"
        constraints = [
            models.UniqueConstraint(name="hourlyfigures_once", fields=["agent", "hour"]),
            models.CheckConstraint(
                name="hourlyfigures_sum_to_the_hour",
                condition=Q(up_s=HOUR_SECONDS - F("down_s") - F("excluded_s") - F("unknown_s")),
            ),
            models.CheckConstraint(
                name="hourlyfigures_productive_was_up", condition=Q(productive_s__lte=F("up_s"))
            ),
            models.CheckConstraint(
                name="hourlyfigures_whole_hours",
                condition=Q(hour__minute=0, hour__second=0),
            ),
            models.CheckConstraint(
                name="hourlyfigures_runs_known",
                condition=Q(runs="") | Q(runs__regex=r"^[updne]0([updne][1-9][0-9]{0,3})*$"),
            ),
        ]
        # Figures: the sums over this window, and what is too old to keep.
        indexes = [models.Index(name="hourlyfigures_by_hour", fields=["hour"])]

    def __str__(self) -> str:
        return f"{self.agent.name} at {self.hour:%Y-%m-%d %H:00}"


class RolledHour(models.Model):
    """An hour whose figures stand for every agent, with what became of its retries."""

    hour = models.DateTimeField(unique=True)
    computed_at = models.DateTimeField()
    version = models.BigIntegerField(default=0)
    """Larger than any before it whenever a number of the hour changed: kept sums go by it."""
    has_runs = models.BooleanField(default=False, db_default=False)
    """Whether `HourlyFigures.runs` of the hour are kept; if not, it is made anew by and by."""
    retries_completed = models.PositiveIntegerField(default=0)
    """Dispatches that failed first in it, were retried, and were completed."""
    retries_ended = models.PositiveIntegerField(default=0)
    retries_under_way = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-hour"]
        constraints = [
            models.CheckConstraint(
                name="rolledhour_completed_have_ended",
                condition=Q(retries_completed__lte=F("retries_ended")),
            ),
            models.CheckConstraint(
                name="rolledhour_whole_hours", condition=Q(hour__minute=0, hour__second=0)
            ),
        ]
        indexes = [
            # Rollup: whose retries may still end?
            models.Index(
                name="rolledhour_under_way",
                fields=["computed_at"],
                condition=Q(retries_under_way__gt=0),
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00}"
