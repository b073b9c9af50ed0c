"""The looks through the failures, and the switch that keeps learnings from agents."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from agents.models.fields import choices_of, one_of
from learnings.states import Trigger

THE_SWITCH = 1


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
    did = models.JSONField(default=dict, blank=True)
    """Which learnings it made, refreshed, watched, retired and so on: lists of ids, bounded."""

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


class InjectionSwitch(models.Model):
    """Whether agents are told anything that was learned. Without the one row, they are."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=THE_SWITCH, editable=False)
    on = models.BooleanField(default=True)
    by = models.CharField(max_length=64)
    reason = models.CharField(max_length=500)
    at = models.DateTimeField()

    class Meta:
        verbose_name = "injection switch"
        verbose_name_plural = "injection switch"
        constraints = [
            models.CheckConstraint(name="injectionswitch_only_one", condition=Q(id=THE_SWITCH)),
            models.CheckConstraint(name="injectionswitch_has_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return "on" if self.on else f"off: {self.reason}"
